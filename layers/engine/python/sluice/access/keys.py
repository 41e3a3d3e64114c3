"""API keys: what they look like, and whose they are. Only their hashes are ever kept."""

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from typing import Final

from sluice.errors import AccessRefused

from .caller import Caller

PREFIX: Final = "slk_"
"""By it a key is told from a token, and found where it should not be."""
KEY_BYTES: Final = 32
KEY: Final = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")

REMEMBERED_SECONDS: Final = 60
"""So long a revoked key may go on in a process that has seen it."""
MOST_REMEMBERED: Final = 10_000


def new_key() -> str:
    """A key that nobody can guess, so a plain hash of it needs no salt."""
    return PREFIX + secrets.token_urlsafe(KEY_BYTES)


def hash_of(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


class KeyHolders:
    """Whose a key is. Postgres is asked once a minute for each at most."""

    def __init__(
        self, holder: Callable[[bytes], Caller | None], now: Callable[[], float] = time.time
    ) -> None:
        """`holder` knows the holder by the hash of a key; `now` is the time of day in seconds."""
        self._holder = holder
        self._now = now
        self._remembered: dict[bytes, tuple[float, Caller | None]] = {}

    def caller(self, key: str) -> Caller:
        """Raises `AccessRefused` for a key that nobody holds, and what asking raises."""
        if not KEY.fullmatch(key):
            raise AccessRefused("not an API key, though it begins like one")
        caller = self._known(hash_of(key))
        if caller is None:
            raise AccessRefused("the API key is unknown, or revoked")
        return caller

    def _known(self, key_hash: bytes) -> Caller | None:
        now = self._now()
        until, caller = self._remembered.get(key_hash, (now, None))
        if now < until:
            return caller
        caller = self._holder(key_hash)
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[key_hash] = (now + REMEMBERED_SECONDS, caller)
        return caller
