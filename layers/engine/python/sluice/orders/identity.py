"""Which order a request is: a new one each time, or for ever the one of its idempotency key."""

import hashlib
from uuid import UUID

from uuid_utils.compat import uuid7

MAX_KEY_LENGTH = 255


def new_order_id() -> UUID:
    """An id of its own, in the order of time (UUIDv7)."""
    return uuid7()


def keyed_order_id(account: str, key: str) -> UUID:
    """The id of the order that `account` placed, or will place, under an idempotency key.

    It follows from the two alone, so no store need be asked whether the key was seen. A UUIDv8
    (RFC 9562, 5.8) of SHA-256; the account's length keeps ("a", "bc") apart from ("ab", "c").
    """
    content = f"sluice order {len(account)} {account} {key}".encode()
    digest = int.from_bytes(hashlib.sha256(content).digest()[:16], "big")
    version_and_variant = (0xF << 76) | (0b11 << 62)
    return UUID(int=digest & ~version_and_variant | (0x8 << 76) | (0b10 << 62))


def key_fits(key: str) -> bool:
    """Whether an idempotency key is 1 to 255 printable ASCII characters."""
    return 1 <= len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()
