"""An OpenID Connect issuer for tests: its keys, and whatever tokens it or somebody else makes."""

import base64
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from sluice.access.issuer import KeySet

ISSUER: Final = "https://issuer.example/realm"
AUDIENCE: Final = "sluice"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def private_key(algorithm: str) -> PrivateKey:
    """A new key for one of our algorithms."""
    if algorithm == "RS256":
        return rsa_key()
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


@dataclass(frozen=True)
class Signer:
    """A key of an issuer, by its id."""

    algorithm: str = "ES256"
    kid: str = "key-1"
    private: PrivateKey = field(default_factory=lambda: private_key("ES256"))

    @classmethod
    def of(cls, algorithm: str, kid: str = "key-1") -> "Signer":
        return cls(algorithm, kid, private_key(algorithm))

    def jwk(self, **changes: object) -> dict[str, Any]:
        """The public half, as it stands in a key set."""
        to_jwk = get_default_algorithms()[self.algorithm].to_jwk
        described: dict[str, Any] = json.loads(to_jwk(self.private.public_key()))
        return described | {"kid": self.kid, "use": "sig", "alg": self.algorithm} | changes

    def key_set(self) -> KeySet:
        return {self.kid: jwt.PyJWK(self.jwk())}

    def token(
        self,
        algorithm: str | None = None,
        header: dict[str, Any] | None = None,
        **changes: object,
    ) -> str:
        """A good token of alice's, but for the `changes` in its claims; None leaves a claim out."""
        named = {"kid": self.kid} if header is None else header
        return jwt.encode(claims(**changes), self.private, algorithm or self.algorithm, named)


def claims(**changes: object) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "scope": "orders:read orders:write",
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def encoded(part: object) -> str:
    """A part of a token made by hand, as no library would."""
    octets = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def hmac_token(secret: bytes, kid: str) -> str:
    """Good to whoever takes a public key for a shared secret."""
    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{encoded(claims())}"
    return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"
