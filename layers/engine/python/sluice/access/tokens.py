"""Tokens of an OpenID Connect issuer: JSON Web Tokens, verified by PyJWT."""

from typing import Any, Final, Protocol

import jwt

from sluice.errors import AccessRefused

from .caller import ACCOUNT, Caller, Scope, granted

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
"""Signatures alone. Which one it is says the issuer's key, never the token."""
SKEW_SECONDS: Final = 60
"""How far the issuer's clock may be from ours."""
MAX_TOKEN_CHARACTERS: Final = 8192
"""API Gateway lets no longer header through; what is longer is not even looked at."""


class Keys(Protocol):
    """The issuer's public keys."""

    def find(self, kid: str) -> jwt.PyJWK | None:
        """Raises `IssuerUnavailable`."""
        ...


class Tokens:
    """Verifies the tokens that one issuer made for one audience."""

    def __init__(self, issuer: str, audience: str, account_claim: str, keys: Keys) -> None:
        """`account_claim` names the claim that holds the account."""
        self._issuer = issuer
        self._audience = audience
        self._account_claim = account_claim
        self._keys = keys

    def caller(self, token: str) -> Caller:
        """Whose `token` it is.

        Raises `AccessRefused` where it proves nothing, `IssuerUnavailable` where that cannot be
        told.
        """
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise AccessRefused("the token is too long")
        try:
            claims = self._claims(token)
        except jwt.PyJWTError as error:
            raise AccessRefused(f"{type(error).__name__}: {error}") from error
        return Caller(self._account(claims), _scopes(claims), int(claims["exp"]) + SKEW_SECONDS)

    def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        # First of all: what is no signature must not make us ask the issuer for keys.
        if header.get("alg") not in ALGORITHMS:
            raise AccessRefused("not signed by an algorithm of ours")
        kid = header.get("kid")
        key = self._keys.find(kid) if kid else None
        if key is None:
            raise AccessRefused("the issuer has no such key")
        return jwt.decode(
            token,
            # It is bound to the one algorithm of its type.
            key,
            algorithms=ALGORITHMS,
            issuer=self._issuer,
            audience=self._audience,
            leeway=SKEW_SECONDS,
            options={"require": ["iss", "aud", "exp"], "enforce_minimum_key_length": True},
        )

    def _account(self, claims: dict[str, Any]) -> str:
        account = claims.get(self._account_claim)
        if not isinstance(account, str) or not ACCOUNT.fullmatch(account):
            raise AccessRefused(f"the claim {self._account_claim} names no account")
        return account


def _scopes(claims: dict[str, Any]) -> frozenset[Scope]:
    """`scope` is a text by RFC 8693, `scp` is what some issuers have instead, often a list."""
    names = claims.get("scope", claims.get("scp"))
    return granted(names.split() if isinstance(names, str) else names)
