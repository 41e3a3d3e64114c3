"""A good token says whose it is; whatever is wrong with one, it is refused."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from sluice.access.caller import Caller, Scope
from sluice.access.issuer import KeySet
from sluice.access.tokens import MAX_TOKEN_CHARACTERS, SKEW_SECONDS, Tokens
from sluice.errors import AccessRefused, IssuerUnavailable
from tests.tokens import AUDIENCE, ISSUER, Signer, claims, encoded, hmac_token, rsa_key

BOTH = frozenset(Scope)
SIGNER = Signer.of("ES256")
RSA = Signer.of("RS256", "rsa-1")
STRANGER = Signer.of("ES256")
"""Somebody else's key, under the same id as ours."""
MINUTES = 600


@dataclass
class FakeKeys:
    """Keys that were always known; notes which are asked for."""

    keys: KeySet = field(default_factory=lambda: {**SIGNER.key_set(), **RSA.key_set()})
    asked: list[object] = field(default_factory=list)

    def find(self, kid: str) -> jwt.PyJWK | None:
        self.asked.append(kid)
        return self.keys.get(kid)


def tokens(keys: FakeKeys | None = None, claim: str = "sub") -> Tokens:
    return Tokens(ISSUER, AUDIENCE, claim, keys or FakeKeys())


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_token_says_whose_it_is_and_what_it_allows(algorithm: str) -> None:
    signer = Signer.of(algorithm)
    expires = int(time.time()) + MINUTES

    caller = tokens(FakeKeys(signer.key_set())).caller(signer.token(exp=expires))

    assert caller == Caller("alice", BOTH, expires + SKEW_SECONDS)


def test_one_of_several_audiences_may_be_ours() -> None:
    assert tokens().caller(SIGNER.token(aud=["other", AUDIENCE])).account == "alice"


def test_the_account_may_be_in_another_claim() -> None:
    token = SIGNER.token(sub="u-123", client="acme|7")

    assert tokens(claim="client").caller(token).account == "acme|7"


@pytest.mark.parametrize(
    ("granted", "scopes"),
    [
        ({"scope": "orders:read orders:write"}, BOTH),
        ({"scope": "openid  orders:read"}, {Scope.READ}),
        ({"scope": None, "scp": ["orders:write", 7, None]}, {Scope.WRITE}),
        ({"scope": None, "scp": "orders:read"}, {Scope.READ}),
        ({"scope": "openid", "scp": ["orders:read"]}, set()),
        ({"scope": None}, set()),
        ({"scope": "orders:readx ORDERS:READ orders:*"}, set()),
        ({"scope": {"orders:read": True}}, set()),
        ({"scope": 7}, set()),
    ],
)
def test_scopes_are_what_the_token_says_and_we_know(
    granted: dict[str, Any], scopes: set[Scope]
) -> None:
    assert tokens().caller(SIGNER.token(**granted)).scopes == scopes


def test_a_clock_may_be_a_minute_off() -> None:
    now = int(time.time())

    assert tokens().caller(SIGNER.token(exp=now - 50)).until == now - 50 + SKEW_SECONDS
    assert tokens().caller(SIGNER.token(nbf=now + 50, iat=now + 50)).account == "alice"


def pem() -> bytes:
    return RSA.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def der() -> bytes:
    return RSA.private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def unsigned(algorithm: str) -> str:
    return f"{encoded({'alg': algorithm, 'kid': SIGNER.kid})}.{encoded(claims())}."


def tampered() -> str:
    header, _, signature = SIGNER.token().split(".")
    return f"{header}.{encoded(claims(sub='bob'))}.{signature}"


def without_algorithm() -> str:
    _, payload, signature = SIGNER.token().split(".")
    return f"{encoded({'kid': SIGNER.kid})}.{payload}.{signature}"


def p384() -> str:
    private = ec.generate_private_key(ec.SECP384R1())
    return jwt.encode(claims(), private, "ES384", {"kid": SIGNER.kid})


ago = int(time.time()) - SKEW_SECONDS - 10
# The suite may take its time until it comes to these.
ahead = int(time.time()) + 24 * 3600

REFUSED: dict[str, Callable[[], str]] = {
    "no signature": lambda: unsigned("none"),
    "no signature, otherwise spelled": lambda: unsigned("NoNe"),
    "a signature that nobody made": lambda: unsigned("ES256") + encoded(bytes(64)),
    "no algorithm": without_algorithm,
    "a list of algorithms": lambda: SIGNER.token().replace(
        SIGNER.token().split(".")[0], encoded({"alg": ["ES256"], "kid": SIGNER.kid})
    ),
    "HMAC with the public key as PEM": lambda: hmac_token(pem(), RSA.kid),
    "HMAC with the public key as DER": lambda: hmac_token(der(), RSA.kid),
    "HMAC with the modulus": lambda: hmac_token(RSA.jwk()["n"].encode(), RSA.kid),
    "HMAC with nothing": lambda: hmac_token(b"", RSA.kid),
    "RSA with another padding": lambda: RSA.token("PS256"),
    "RSA with another hash": lambda: RSA.token("RS512"),
    "another curve": p384,
    "the key of another algorithm": lambda: RSA.token(header={"kid": SIGNER.kid}),
    "another's key": STRANGER.token,
    "another's claims": tampered,
    "another issuer": lambda: SIGNER.token(iss="https://issuer.example"),
    "an issuer that begins like ours": lambda: SIGNER.token(iss=f"{ISSUER}/"),
    "no issuer": lambda: SIGNER.token(iss=None),
    "another audience": lambda: SIGNER.token(aud="sluice-admin"),
    "other audiences": lambda: SIGNER.token(aud=["a", "b"]),
    "no audience": lambda: SIGNER.token(aud=None),
    "expired": lambda: SIGNER.token(exp=ago),
    "no expiry": lambda: SIGNER.token(exp=None),
    "an expiry that is no number": lambda: SIGNER.token(exp="tomorrow"),
    "not valid yet": lambda: SIGNER.token(nbf=ahead),
    "issued in the future": lambda: SIGNER.token(iat=ahead),
    "a key of that id is not known": lambda: SIGNER.token(header={"kid": "key-2"}),
    "no key id": lambda: SIGNER.token(header={}),
    "an empty key id": lambda: SIGNER.token(header={"kid": ""}),
    "an extension that must be understood": lambda: SIGNER.token(
        header={"kid": SIGNER.kid, "crit": ["exp2"], "exp2": 1}
    ),
    "too long": lambda: SIGNER.token(padding="x" * MAX_TOKEN_CHARACTERS),
    "no account": lambda: SIGNER.token(sub=None),
    "an empty account": lambda: SIGNER.token(sub=""),
    "an account of 129 characters": lambda: SIGNER.token(sub="x" * 129),
    "an account with a space": lambda: SIGNER.token(sub="a b"),
    "an account with a line break": lambda: SIGNER.token(sub="alice\n"),
    "an account beyond ASCII": lambda: SIGNER.token(sub="zoë"),
    "an account that is no text": lambda: SIGNER.token(sub=7),
    "nothing": lambda: "",
    "dots": lambda: "....",
    "one part less": lambda: SIGNER.token().rpartition(".")[0],
    "one part more": lambda: SIGNER.token() + ".x",
    "no base64": lambda: "%%%.%%%.%%%",
    "a header that is no object": lambda: f"{encoded(['ES256'])}.{encoded(claims())}.x",
    "a header that is no JSON": lambda: f"{encoded(b'{alg')}.{encoded(claims())}.x",
    "a header that has no end": lambda: f"{encoded(b'[' * 5000)}.x.x",
    "beyond ASCII": lambda: "é.é.é",
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=list(REFUSED))
def test_a_token_that_proves_nothing_is_refused(token: Callable[[], str]) -> None:
    with pytest.raises(AccessRefused):
        tokens().caller(token())


def test_an_account_may_have_128_characters() -> None:
    assert tokens().caller(SIGNER.token(sub="x" * 128)).account == "x" * 128


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_key_that_is_too_short_to_be_safe_is_not_used() -> None:
    short = Signer("RS256", "short", rsa_key(1024))

    with pytest.raises(AccessRefused, match="2048"):
        tokens(FakeKeys(short.key_set())).caller(short.token())


def test_a_shared_secret_in_a_key_set_is_not_used() -> None:
    secret = b"an issuer should never publish it"
    shared = {"kty": "oct", "k": encoded(secret), "kid": "shared", "alg": "HS256"}

    with pytest.raises(AccessRefused):
        tokens(FakeKeys({"shared": jwt.PyJWK(shared)})).caller(hmac_token(secret, "shared"))


def test_an_rsa_key_without_an_algorithm_is_one_of_ours() -> None:
    described = RSA.jwk()
    del described["alg"]
    assert isinstance(RSA.private, rsa.RSAPrivateKey)

    assert tokens(FakeKeys({RSA.kid: jwt.PyJWK(described)})).caller(RSA.token()).account == "alice"


@pytest.mark.parametrize("name", ["no signature", "HMAC with the public key as PEM", "too long"])
def test_nobody_is_set_on_the_issuer_by_what_cannot_be_its_token(name: str) -> None:
    keys = FakeKeys()

    with pytest.raises(AccessRefused):
        tokens(keys).caller(REFUSED[name]())

    assert keys.asked == []


def test_an_issuer_that_is_away_is_no_refusal() -> None:
    class NoKeys:
        def find(self, kid: str) -> jwt.PyJWK | None:
            raise IssuerUnavailable(kid)

    with pytest.raises(IssuerUnavailable):
        Tokens(ISSUER, AUDIENCE, "sub", NoKeys()).caller(SIGNER.token())


@given(st.text() | st.lists(st.binary(), min_size=3, max_size=3).map(lambda p: _joined(p)))
def test_no_garbage_does_more_than_be_refused(token: str) -> None:
    with pytest.raises(AccessRefused):
        tokens().caller(token)


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c"]),
        st.sampled_from(["ES256", "none", "key-1", ["b64"], False, None, 7, {}]),
    )
)
def test_no_header_makes_another_s_token_ours(header: dict[str, Any]) -> None:
    signature = STRANGER.token().rpartition(".")[2]

    with pytest.raises(AccessRefused):
        tokens().caller(f"{encoded(header)}.{encoded(claims())}.{signature}")


def _joined(parts: list[bytes]) -> str:
    return ".".join(map(encoded, parts))
