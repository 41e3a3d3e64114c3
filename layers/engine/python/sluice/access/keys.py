"""API keys: what they look like, and whose they are. Only their hashes are ever kept."""

import binascii
import hashlib
import re
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any, Final

from sluice.errors import AccessRefused

from .caller import Caller

PREFIX: Final = "slk_"
"""By it a key is told from a token, and found where it should not be."""
SECRET_BYTES: Final = 32
CHECKSUM_BYTES: Final = 4
KEY: Final = re.compile(PREFIX + r"[A-Za-z0-9_-]{48}")
"""Secret and checksum, as base64."""

REMEMBERED_SECONDS: Final = 60
"""So long a revoked key may go on in a process that has seen it."""
MOST_HOLDERS: Final = 10_000
MOST_STRANGERS: Final = 1_000
"""Kept apart from holders: whoever invents keys makes nobody's forgotten."""


def new_key() -> str:
    """A key that nobody can guess, so a plain hash of it needs no salt."""
    secret = secrets.token_bytes(SECRET_BYTES)
    return PREFIX + urlsafe_b64encode(secret + _checksum(secret)).decode()


def whole(key: str) -> bool:
    """Whether it could be one of ours, by its own text: what was mistyped or made up is not.

    Whoever reads this can make up one that is whole, too: only Postgres knows it from ours.
    """
    if not KEY.fullmatch(key):
        return False
    content = urlsafe_b64decode(key.removeprefix(PREFIX))
    return _checksum(content[:SECRET_BYTES]) == content[SECRET_BYTES:]


def _checksum(secret: bytes) -> bytes:
    return binascii.crc32(secret).to_bytes(CHECKSUM_BYTES, "big")


def hash_of(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


class KeyHolders:
    """Whose a key is. Postgres is asked once a minute for each at most, and by a whole one."""

    def __init__(
        self, holder: Callable[[bytes], Caller | None], now: Callable[[], float] = time.time
    ) -> None:
        """`holder` knows the holder by the hash of a key; `now` is the time of day in seconds."""
        self._holder = holder
        self._now = now
        self._holders: dict[bytes, tuple[float, Caller]] = {}
        self._strangers: dict[bytes, float] = {}

    def caller(self, key: str) -> Caller:
        """Raises `AccessRefused` for a key that nobody holds, and what asking raises."""
        if not whole(key):
            raise AccessRefused("not an API key, though it begins like one")
        caller = self._known(hash_of(key))
        if caller is None:
            raise AccessRefused("the API key is unknown, or revoked")
        return caller

    def _known(self, key_hash: bytes) -> Caller | None:
        now = self._now()
        if now < self._strangers.get(key_hash, now):
            return None
        until, caller = self._holders.get(key_hash, (now, None))
        if now < until:
            return caller
        caller = self._holder(key_hash)
        # Taken out before it is put in: the longest known stand first.
        self._holders.pop(key_hash, None)
        self._strangers.pop(key_hash, None)
        if caller is None:
            self._strangers[key_hash] = now + REMEMBERED_SECONDS
            _forget_first(self._strangers, MOST_STRANGERS)
        else:
            self._holders[key_hash] = now + REMEMBERED_SECONDS, caller
            _forget_first(self._holders, MOST_HOLDERS)
        return caller


def _forget_first(remembered: dict[bytes, Any], most: int) -> None:
    if len(remembered) > most:
        del remembered[next(iter(remembered))]
