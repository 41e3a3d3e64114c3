"""The authorizer, called by both kinds of API, over a real issuer and a real Postgres."""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import psycopg
import pytest

from authorizer import app
from local import processes
from local.home import Home
from local.issuer import key as issuer_key
from local.issuer import part as issuer_part
from local.ports import HOST, Ports
from sluice.access.caller import Caller, Scope, caller_of
from sluice.access.issuer import DISCOVERY, fetched
from sluice.access.keys import hash_of, new_key
from sluice.access.stored_keys import StoredKeys
from sluice.errors import DatabaseUnavailable, IssuerUnavailable
from sluice.orders.database import Database
from tests.http import Context
from tests.tokens import Signer

pytestmark = pytest.mark.integration

EVENTS = Path(__file__).parents[2] / "events"
NOWHERE = "127.0.0.1:1"
READ = frozenset({Scope.READ})


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The laptop's own issuer, running."""
    home = Home(tmp_path_factory.mktemp("issuer"))
    home.create()
    part = issuer_part.part(home, Ports.free().issuer)
    processes.start(home, part)
    (home.path / "port").write_text(str(part.port))
    yield home
    processes.stop(home, part.name)


@pytest.fixture
def url(issuer: Home) -> str:
    return issuer_part.url(int((issuer.path / "port").read_text()))


@pytest.fixture
def key(issuer: Home) -> issuer_key.Key:
    return issuer_key.read(issuer_key.path(issuer))


@pytest.fixture(autouse=True)
def environment(url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has just been started."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("TRUNCATE api_keys")
    monkeypatch.setenv("OIDC_ISSUER", url)
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    for name in ("OIDC_AUDIENCE", "ACCOUNT_CLAIM", "ACCOUNT"):
        monkeypatch.delenv(name, raising=False)
    started_anew()


def started_anew() -> None:
    for cached in (app.config, app.tokens, app.key_holders):
        cached.cache_clear()


def http_event(authorization: str | None) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / "authorizer_http.json").read_text())
    del event["headers"]["authorization"], event["identitySource"]
    if authorization is not None:
        event["headers"]["authorization"] = authorization
        event["identitySource"] = [authorization]
    return event


def socket_event(token: str | None) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / "authorizer_connect.json").read_text())
    event["queryStringParameters"] = None if token is None else {"token": token}
    return event


def let_in(credential: str | None, scheme: str = "Bearer") -> tuple[Caller | None, Caller | None]:
    """Whom the HTTP and the WebSocket API are told of; None for a refusal."""
    authorization = None if credential is None else f"{scheme} {credential}"
    simple = app.handler(http_event(authorization), Context())
    policy = app.handler(socket_event(credential), Context())
    (statement,) = policy["policyDocument"]["Statement"]
    assert statement["Resource"] == socket_event(None)["methodArn"]
    assert statement["Action"] == "execute-api:Invoke"
    assert (statement["Effect"] == "Allow") == bool(policy["context"])
    assert simple["isAuthorized"] == ("context" in simple)
    return caller_of(simple.get("context")), caller_of(policy["context"])


def api_key(postgres_url: str, *scopes: Scope) -> tuple[str, Any]:
    async def create() -> tuple[str, Any]:
        database, key = Database(postgres_url), new_key()
        made = await StoredKeys(database).create("alice", "bot", scopes, hash_of(key))
        await database.close()
        assert made is not None
        return key, made.id

    return asyncio.run(create())


def test_a_token_of_the_issuer_is_let_in_by_both(key: issuer_key.Key, url: str) -> None:
    http, socket = let_in(key.token(url, "alice"))

    assert http == socket
    assert http is not None
    assert (http.account, http.scopes) == ("alice", frozenset(Scope))
    assert http.until is not None


def test_an_api_key_is_let_in_by_both(postgres_url: str) -> None:
    credential, _ = api_key(postgres_url, Scope.READ)

    assert let_in(credential) == (Caller("alice", READ), Caller("alice", READ))


def test_a_revoked_api_key_is_refused_by_a_new_process(postgres_url: str) -> None:
    credential, id_ = api_key(postgres_url, Scope.READ)
    assert let_in(credential)[0]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("UPDATE api_keys SET revoked_at = now() WHERE id = %s", (id_,))

    started_anew()

    assert let_in(credential) == (None, None)


def test_who_may_not_read_may_not_listen(key: issuer_key.Key, url: str) -> None:
    http, socket = let_in(key.token(url, "alice", "orders:write"))

    assert http is not None
    assert http.scopes == {Scope.WRITE}
    assert socket is None


@pytest.mark.parametrize(
    "credential",
    [None, "", "garbage", "slk_garbage", pytest.param(new_key(), id="a key of nobody")],
)
def test_what_proves_nothing_is_refused_by_both(credential: str | None) -> None:
    assert let_in(credential) == (None, None)


def test_a_token_of_another_issuer_or_audience_is_refused(
    key: issuer_key.Key, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = key.token(url, "alice")
    assert let_in(key.token(f"{url}/", "alice")) == (None, None)
    stranger = Signer.of("ES256", key.id).token(iss=url)
    assert let_in(stranger) == (None, None)

    monkeypatch.setenv("OIDC_AUDIENCE", "another")
    started_anew()

    assert let_in(good) == (None, None)


@pytest.mark.parametrize(
    ("scheme", "known"), [("bearer", True), ("BEARER", True), ("Basic", False)]
)
def test_the_scheme_is_bearer_however_it_is_written(
    key: issuer_key.Key, url: str, scheme: str, known: bool
) -> None:
    assert (let_in(key.token(url, "alice"), scheme)[0] is not None) == known


def test_a_header_is_found_however_its_name_is_written(key: issuer_key.Key, url: str) -> None:
    event = http_event(None)
    event["headers"]["Authorization"] = f"Bearer {key.token(url, 'alice')}"

    assert app.handler(event, Context())["isAuthorized"]


def test_the_account_is_in_the_claim_that_was_chosen(
    key: issuer_key.Key, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCOUNT_CLAIM", "jti")
    started_anew()

    http, _ = let_in(key.token(url, "alice"))

    assert http is not None
    assert http.account != "alice"


def test_without_an_issuer_api_keys_alone_are_good(
    key: issuer_key.Key, url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OIDC_ISSUER", "")
    started_anew()

    assert let_in(key.token(url, "alice")) == (None, None)
    assert let_in(api_key(postgres_url, Scope.READ)[0])[0]


def test_an_open_stack_takes_everyone_for_one_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCOUNT", "local")
    started_anew()

    everyone = Caller("local", frozenset(Scope))
    assert let_in(None) == (everyone, everyone)


def test_where_it_cannot_be_told_nobody_is_refused_for_minutes(
    key: issuer_key.Key, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Refusals are remembered by API Gateway, errors are not.
    monkeypatch.setenv("OIDC_ISSUER", f"http://{NOWHERE}")
    monkeypatch.setenv("DATABASE_URL", f"postgresql://postgres@{NOWHERE}/x")
    started_anew()

    with pytest.raises(IssuerUnavailable):
        app.handler(http_event(f"Bearer {key.token(f'http://{NOWHERE}', 'alice')}"), Context())
    with pytest.raises(DatabaseUnavailable):
        app.handler(http_event(f"Bearer {new_key()}"), Context())


def test_an_invented_key_needs_no_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://postgres@{NOWHERE}/x")
    started_anew()

    assert let_in(f"slk_{'x' * 48}") == (None, None)


def test_however_many_keys_are_unknown_they_are_looked_for_by_one_connection(
    postgres_url: str,
) -> None:
    def connections() -> set[int]:
        with psycopg.connect(postgres_url) as connection:
            rows = connection.execute(
                """SELECT pid FROM pg_stat_activity
                   WHERE query LIKE '%%FROM api_keys%%' AND pid <> pg_backend_pid()"""
            )
            return {pid for (pid,) in rows}

    credential, _ = api_key(postgres_url, Scope.READ)
    before = connections()
    seen = set()
    for _ in range(5):
        assert let_in(new_key()) == (None, None)
        seen |= connections() - before

    assert let_in(credential)[0]
    assert len(seen) == 1


def test_a_token_needs_no_postgres(
    key: issuer_key.Key, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://postgres@{NOWHERE}/x")
    started_anew()

    assert let_in(key.token(url, "alice"))[0]


class Pretender(BaseHTTPRequestHandler):
    """An issuer that answers whatever it is told to."""

    answers: ClassVar[dict[str, tuple[int, str]]] = {}

    def do_GET(self) -> None:
        status, body = self.answers.get(self.path, (404, ""))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", body)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Not on the tests' standard error."""


@pytest.fixture
def pretender() -> Iterator[str]:
    with ThreadingHTTPServer((HOST, 0), Pretender) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_issuer_is_found_by_discovery(pretender: str) -> None:
    signer = Signer.of("RS256")
    metadata = {"issuer": pretender, "jwks_uri": f"{pretender}/keys"}
    unusable = [{"kty": "EC", "crv": "P-1"}, signer.jwk(kid="for encryption", use="enc"), "junk"]
    Pretender.answers = {
        DISCOVERY: (200, json.dumps(metadata)),
        "/keys": (200, json.dumps({"keys": [*unusable, signer.jwk()]})),
    }

    assert fetched(pretender).keys() == {signer.kid}


@pytest.mark.parametrize(
    ("discovery", "keys"),
    [
        ((500, ""), (200, '{"keys": []}')),
        ((200, "<html>"), (200, '{"keys": []}')),
        ((200, "[]"), (200, '{"keys": []}')),
        ((200, '{"jwks_uri": "URL/keys"}'), (200, "KEYS")),
        ((200, '{"issuer": "https://other.example", "jwks_uri": "URL/keys"}'), (200, "KEYS")),
        ((200, '{"issuer": "URL"}'), (200, "KEYS")),
        ((200, '{"issuer": "URL", "jwks_uri": "file:///etc/hostname"}'), (200, "KEYS")),
        ((302, "/elsewhere"), (200, "KEYS")),
        ((200, '{"issuer": "URL", "jwks_uri": "URL/keys"}'), (503, "")),
        ((200, '{"issuer": "URL", "jwks_uri": "URL/keys"}'), (200, "no JSON")),
        ((200, '{"issuer": "URL", "jwks_uri": "URL/keys"}'), (200, '{"keys": []}')),
        ((200, '{"issuer": "URL", "jwks_uri": "URL/keys"}'), (200, '{"keys": 7}')),
    ],
)
def test_an_issuer_that_makes_no_sense_has_no_keys(
    pretender: str, discovery: tuple[int, str], keys: tuple[int, str]
) -> None:
    key_set = json.dumps({"keys": [Signer.of("ES256").jwk()]})
    Pretender.answers = {
        DISCOVERY: (discovery[0], discovery[1].replace("URL", pretender)),
        "/keys": (keys[0], keys[1].replace("KEYS", key_set)),
    }

    with pytest.raises(IssuerUnavailable):
        fetched(pretender)
