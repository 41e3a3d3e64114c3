"""The WebSocket's connection handlers, over a real Valkey."""

import json
from collections.abc import Iterator

import pytest
from aiohttp import web
from redis import Redis, RedisError

from sluice.streaming.valkey import CONNECTIONS, RELAY_LEASE
from stream import connections
from tests.http import Context

pytestmark = pytest.mark.integration


class Gateway:
    """API Gateway's side of `@connections`: keeps what is posted."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, str]] = []
        self.signed = True

    async def take(self, request: web.Request) -> web.Response:
        self.posted.append((request.match_info["id"], await request.text()))
        self.signed &= "Signature=" in request.headers["Authorization"]
        return web.Response()


@pytest.fixture
def valkey(valkey_server: str) -> Iterator[Redis]:
    with Redis.from_url(valkey_server, decode_responses=True) as client:
        client.flushall()
        client.set(RELAY_LEASE, "a relay", ex=5)
        yield client


@pytest.fixture
def gateway(
    valkey: Redis, valkey_server: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Gateway]:
    gateway = Gateway()
    app = web.Application()
    app.router.add_post("/live/@connections/{id}", gateway.take)
    runner = web.AppRunner(app)
    connections.loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0)
    connections.loop.run_until_complete(site.start())
    monkeypatch.setenv("VALKEY_URL", valkey_server)
    monkeypatch.setenv("RELAY_FUNCTION", "relay")
    monkeypatch.setenv("WEBSOCKET_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}/live")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for cached in (connections.config, connections.registry):
        cached.cache_clear()
    yield gateway
    connections.loop.run_until_complete(runner.cleanup())


def event(route: str, body: str | None = None, account: str | None = None) -> dict[str, object]:
    request: dict[str, object] = {"routeKey": route, "connectionId": "c=1"}
    if account is not None:
        request["authorizer"] = {"account": account}
    return {"requestContext": request, "body": body}


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(("account", "owner"), [(None, "local"), ("alice", "alice")])
def test_a_connection_is_registered_under_its_account_until_it_closes(
    valkey: Redis, account: str | None, owner: str
) -> None:
    assert connections.handler(event("$connect", account=account), Context()) == {"statusCode": 200}
    assert json.loads(str(valkey.hget(CONNECTIONS, "c=1")))["account"] == owner

    connections.handler(event("$disconnect"), Context())
    assert valkey.hgetall(CONNECTIONS) == {}


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ('{"action": "ping"}', {"type": "pong"}),
        ("{", {"type": "error", "code": "INVALID_JSON"}),
        ("[]", {"type": "error", "code": "UNKNOWN_ACTION"}),
        ('{"action": ["ping"]}', {"type": "error", "code": "UNKNOWN_ACTION"}),
        ('{"action": "fly"}', {"type": "error", "code": "UNKNOWN_ACTION"}),
        ("", {"type": "error", "code": "INVALID_JSON"}),
    ],
)
def test_what_a_client_says_is_answered_on_its_own_connection(
    gateway: Gateway, said: str, answer: dict[str, str]
) -> None:
    connections.handler(event("$default", said), Context())

    ((connection, frame),) = gateway.posted
    assert connection == "c=1"
    assert json.loads(frame).items() >= answer.items()
    assert gateway.signed


def test_without_valkey_a_connection_is_refused(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VALKEY_URL", "redis://127.0.0.1:1")

    with pytest.raises(RedisError):
        connections.handler(event("$connect"), Context())
