"""The public keys of an OpenID Connect issuer, found by discovery and kept in the process."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from jwt import PyJWK, PyJWKClient, PyJWTError

from sluice.errors import IssuerUnavailable
from sluice.observability import logger

DISCOVERY: Final = "/.well-known/openid-configuration"
TIMEOUT_SECONDS: Final = 3.0
MAX_AGE_SECONDS: Final = 3600
"""So long after it took a key back, tokens by that key are refused, if the issuer can be asked."""
PAUSE_SECONDS: Final = 60
"""Between two askings: whoever invents key ids must not set us on the issuer."""
IMPATIENCE_SECONDS: Final = 5
"""The same for a key that is not known while the issuer did not answer when last asked."""

KeySet = Mapping[str, PyJWK]


def fetched(issuer: str) -> KeySet:
    """The keys that `issuer` signs with, by their ids; raises `IssuerUnavailable`."""
    try:
        metadata = _client(issuer.removesuffix("/") + DISCOVERY).fetch_data()
        # Else one issuer could pass for another (OpenID Connect Discovery 1.0, section 4.3).
        if metadata.get("issuer") != issuer:
            raise IssuerUnavailable(f"{issuer} calls itself {metadata.get('issuer')!r}")
        keys = _client(_key_set_url(issuer, metadata)).get_signing_keys()
    except (PyJWTError, OSError, ValueError) as error:
        raise IssuerUnavailable(f"{issuer}: {error}") from error
    return {key.key_id: key for key in keys if key.key_id}


def _key_set_url(issuer: str, metadata: Mapping[str, Any]) -> str:
    url = metadata.get("jwks_uri")
    # What came over TLS does not send us where anyone on the way can forge the keys.
    if not isinstance(url, str) or (issuer.startswith("https:") and not url.startswith("https:")):
        raise IssuerUnavailable(f"{issuer} has no key set that can be trusted: {url!r}")
    return url


def _client(url: str) -> PyJWKClient:
    return PyJWKClient(url, cache_jwk_set=False, timeout=TIMEOUT_SECONDS)


class IssuerKeys:
    """The keys of one issuer. Those once known go on while it is down."""

    def __init__(
        self,
        issuer: str,
        now: Callable[[], float] = time.time,
        fetch: Callable[[str], KeySet] = fetched,
    ) -> None:
        """`now` is the time of day in seconds: the world's goes on while a Lambda is frozen."""
        self._issuer = issuer
        self._now = now
        self._fetch = fetch
        self._keys: KeySet = {}
        self._known_at = self._asked_at = float("-inf")

    def find(self, kid: str) -> PyJWK | None:
        """The key of that id; None where the issuer, when last asked, had none.

        Raises `IssuerUnavailable` when it did not answer, and the key is not known.
        """
        now = self._now()
        known = kid in self._keys
        pause = PAUSE_SECONDS if known or self._answered else IMPATIENCE_SECONDS
        wanted = not known or now - self._known_at >= MAX_AGE_SECONDS
        if wanted and now - self._asked_at >= pause:
            self._ask(now)
        key = self._keys.get(kid)
        if key is None and not self._answered:
            raise IssuerUnavailable(f"{self._issuer}: it cannot be told whether it has that key")
        return key

    @property
    def _answered(self) -> bool:
        return self._known_at == self._asked_at > float("-inf")

    def _ask(self, now: float) -> None:
        self._asked_at = now
        try:
            self._keys = self._fetch(self._issuer)
            self._known_at = now
        except IssuerUnavailable as error:
            logger.error("issuer unavailable", extra={"why": str(error)})
