"""Reading a JSON body without losing a digit."""

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from sluice.errors import ErrorCode

from .errors import ApiError, FieldFault, faults_of, not_valid

Model = TypeVar("Model", bound=BaseModel)

MAX_BODY_BYTES = 64 * 1024
_INT_DIGITS = 40


async def parsed(request: Request, model: type[Model], context: Mapping[str, object]) -> Model:
    """The body as `model`, which says what context it needs.

    Raises `ApiError` naming each faulty field.
    """
    body = await json_object(request)
    try:
        return model.model_validate(body, context=dict(context))
    except ValidationError as error:
        raise not_valid(faults_of(error)) from error


async def json_object(request: Request) -> dict[str, Any]:
    """The body as a dict whose numbers are exact: `int` or `Decimal`, never a float.

    Raises `ApiError` for a body that is too large, not JSON, not an object, or has a key twice.
    """
    body = await request.body()
    if len(body) > MAX_BODY_BYTES:
        raise ApiError(ErrorCode.PAYLOAD_TOO_LARGE, f"The body is over {MAX_BODY_BYTES} bytes.")
    try:
        # As JSON is sent: left to itself, `json` would guess at other encodings, too.
        content = _EXACT.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise _faulty(f"is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise _faulty("must be a JSON object")
    return content


def _real(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        # An exponent of twenty digits: no amount, to be told by the field that it stands in.
        return Decimal("NaN")


def _integer(digits: str) -> int | Decimal:
    # A number of thousands of digits is some field's fault, to be named there: keep it cheap.
    return int(digits) if len(digits) <= _INT_DIGITS else Decimal(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        counted = Counter(key for key, _ in pairs)
        twice = next(key for key, times in counted.items() if times > 1)
        raise ValueError(f"{twice!r} stands there twice")
    return content


# Made once: `json.loads` makes one at each call.
_EXACT = json.JSONDecoder(
    parse_float=_real,
    parse_int=_integer,
    # NaN and Infinity are no JSON; let through, they are refused by the field they are in.
    parse_constant=Decimal,
    object_pairs_hook=_unique,
)


def _faulty(message: str) -> ApiError:
    return ApiError(
        ErrorCode.VALIDATION_FAILED, f"The body {message}.", (FieldFault("body", message),)
    )
