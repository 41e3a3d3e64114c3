"""The issuer's key, and the tokens that it signs."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from local.home import Home

ALGORITHM: Final = "ES256"
AUDIENCE: Final = "sluice"
ACCOUNT: Final = "local"
SCOPES: Final = "orders:read orders:write"
DAY_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Key:
    """A private key and the id under which the public half is published."""

    id: str
    private: ec.EllipticCurvePrivateKey

    def public(self) -> dict[str, Any]:
        """The public half, as a JSON Web Key."""
        described: dict[str, Any] = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return described | {"kid": self.id, "use": "sig", "alg": ALGORITHM}

    def token(
        self, issuer: str, account: str, scopes: str = SCOPES, seconds: int = DAY_SECONDS
    ) -> str:
        """A token of `account`, good for so many seconds from now."""
        now = int(time.time())
        claims = {
            "iss": issuer,
            "aud": AUDIENCE,
            "sub": account,
            "scope": scopes,
            "iat": now,
            "exp": now + seconds,
            "jti": uuid4().hex,
        }
        return jwt.encode(claims, self.private, ALGORITHM, {"kid": self.id})

    def signed(self, token: str, issuer: str, seconds: int) -> bool:
        """Whether `token` is one of this key's, and good for so many seconds yet."""
        try:
            jwt.decode(
                token,
                self.private.public_key(),
                algorithms=[ALGORITHM],
                issuer=issuer,
                audience=AUDIENCE,
                leeway=-seconds,
                options={"verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return False
        return True


def path(home: Home) -> Path:
    """Where a stack keeps its issuer's key."""
    return home.path / "issuer.pem"


def create(home: Home) -> None:
    """Makes the key of a new stack; one that is there stays, and with it all its tokens."""
    file = path(home)
    if file.exists():
        return
    text = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    draft = file.with_suffix(".tmp")
    draft.touch(mode=0o600)
    draft.write_bytes(text)
    draft.replace(file)


def read(file: Path) -> Key:
    """The key in `file`; raises FileNotFoundError where there is none."""
    private = serialization.load_pem_private_key(file.read_bytes(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{file} holds no elliptic curve key")
    point = private.public_key().public_numbers()
    return Key(f"{point.x:x}"[:16], private)
