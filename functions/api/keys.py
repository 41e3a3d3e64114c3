"""The `Idempotency-Key` of a request."""

from typing import Any

from fastapi import Request

from sluice.orders.identity import MAX_KEY_LENGTH, key_fits

from .errors import FieldFault, not_valid

HEADER = "Idempotency-Key"

PARAMETER: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "The same key gives the same order, for ever; another body under it is refused",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_KEY_LENGTH,
        "pattern": f"^[ -~]{{1,{MAX_KEY_LENGTH}}}$",
    },
}


def key_of(request: Request) -> str | None:
    """The key, or None where there is none; raises `ApiError`."""
    key = request.headers.get(HEADER)
    if key is not None and not key_fits(key):
        message = f"must be 1 to {MAX_KEY_LENGTH} printable ASCII characters"
        raise not_valid([FieldFault(HEADER, message)])
    return key
