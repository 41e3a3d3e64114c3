"""The WebSocket's connection handlers, over a real Valkey."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Barrier
from typing import Any

import pytest
from aiohttp import web
from redis import Redis

from sluice.streaming.arrivals import Arrivals, TooManyConnections
from sluice.streaming.commands import COMMANDS_BURST
from sluice.streaming.letters import LONGEST_MS, Connection
from sluice.streaming.line import Line
from sluice.streaming.names import (
    CONNECTIONS,
    CONNECTIONS_OF,
    RELAY_CALLED,
    RELAY_LEASE,
    RELAY_MAIL,
)
from sluice.streaming.wire import LineError
from stream import connections, said
from tests.http import Context

pytestmark = pytest.mark.integration


class Gateway:
    """API Gateway's side of `@connections`: keeps what is posted."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, str]] = []
        self.signed = True
        self.status = HTTPStatus.OK

    async def take(self, request: web.Request) -> web.Response:
        self.posted.append((request.match_info["id"], await request.text()))
        self.signed &= "Signature=" in request.headers["Authorization"]
        return web.Response(status=self.status)


@pytest.fixture
def valkey(valkey_server: str) -> Iterator[Redis]:
    with Redis.from_url(valkey_server, decode_responses=True) as client:
        client.flushall()
        client.set(RELAY_LEASE.format(shard=0), "a relay", ex=5)
        yield client


@pytest.fixture
def gateway(
    valkey: Redis, valkey_server: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Gateway]:
    gateway = Gateway()
    app = web.Application()
    app.router.add_post("/live/@connections/{id}", gateway.take)
    runner = web.AppRunner(app)
    said.loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0)
    said.loop.run_until_complete(site.start())
    monkeypatch.setenv("VALKEY_URL", valkey_server)
    monkeypatch.setenv("RELAY_FUNCTION", "relay")
    monkeypatch.setenv("WEBSOCKET_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}/live")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    forget()
    yield gateway
    said.loop.run_until_complete(connections.hearing().poster.close())
    forget()
    said.loop.run_until_complete(runner.cleanup())


def forget() -> None:
    """Has everything that is kept per process made anew."""
    kept = (connections.config, connections.line, connections.arrivals, connections.hearing)
    for cached in kept:
        cached.cache_clear()


NOON_MS = 1_793_534_400_000
LONG_AGO_MS = NOON_MS - 10 * 60 * 1000


def event(
    route: str, body: str | None = None, account: str | None = "local", id_: str = "c=1"
) -> dict[str, Any]:
    request: dict[str, Any] = {"routeKey": route, "connectionId": id_}
    if account is not None:
        request["authorizer"] = {"account": account}
    return {"requestContext": request, "body": body}


@pytest.mark.usefixtures("gateway")
def test_a_connection_is_registered_under_its_account_until_it_closes(valkey: Redis) -> None:
    opened = connections.handler(event("$connect", account="alice"), Context())
    assert opened == {"statusCode": 200}
    assert json.loads(str(valkey.hget(CONNECTIONS, "c=1")))["account"] == "alice"

    connections.handler(event("$disconnect"), Context())
    assert valkey.hgetall(CONNECTIONS) == {}


@pytest.mark.usefixtures("gateway")
def test_a_connection_that_came_past_the_authorizer_is_refused(valkey: Redis) -> None:
    with pytest.raises(KeyError):
        connections.handler(event("$connect", account=None), Context())
    assert valkey.hgetall(CONNECTIONS) == {}


def connected(*ids: str, account: str = "alice") -> list[int]:
    """What each is answered that wants to connect."""
    return [
        connections.handler(event("$connect", account=account, id_=id_), Context())["statusCode"]
        for id_ in ids
    ]


@pytest.fixture
def two_each(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account may have two connections."""
    monkeypatch.setenv("CONNECTIONS_PER_ACCOUNT", "2")


@pytest.mark.usefixtures("two_each")
def test_an_account_has_no_more_connections_than_it_may(
    valkey: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    assert connected("a1", "a2", "a3") == [200, 200, 429]
    assert connected("b1", account="bob") == [200]

    assert set(valkey.hkeys(CONNECTIONS)) == {"a1", "a2", "b1"}
    # The relay was not told either.
    assert valkey.llen(RELAY_MAIL.format(shard=0)) == 3
    assert "refused" in [one.message for one in caplog.records if one.levelname == "WARNING"]


@pytest.mark.usefixtures("two_each")
def test_for_a_connection_that_has_closed_another_may_come(valkey: Redis) -> None:
    assert connected("a1", "a2") == [200, 200]
    connections.handler(event("$disconnect", id_="a1"), Context())
    assert connected("a3", "a4") == [200, 429]

    # As a relay does that finds it gone.
    valkey.hdel(CONNECTIONS, "a2")
    assert connected("a4", "a5") == [200, 429]


@pytest.mark.usefixtures("two_each")
def test_a_connection_that_vanished_unnoticed_does_not_count_for_ever(valkey: Redis) -> None:
    mine = CONNECTIONS_OF.format(account="alice")
    assert connected("a1", "a2") == [200, 200]
    assert 0 < valkey.pttl(mine) <= LONGEST_MS
    valkey.zincrby(mine, -LONGEST_MS - 1000, "a1")

    assert connected("a3", "a4") == [200, 429]


@pytest.mark.usefixtures("two_each")
def test_a_connection_that_is_open_goes_on_and_counts_however_many_there_are(
    valkey: Redis,
) -> None:
    assert connected("a1", "a2", "a1") == [200, 200, 200]
    valkey.flushall()
    for id_ in ("a1", "a2", "a3"):
        connections.handler(event("$default", '{"action": "ping"}', "alice", id_), Context())

    assert valkey.hlen(CONNECTIONS) == 3
    assert connected("a4") == [429]


def test_where_there_is_no_limit_there_is_none(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTIONS_PER_ACCOUNT", "0")

    assert set(connected(*(f"a{n}" for n in range(120)))) == {200}


@pytest.mark.usefixtures("gateway")
def test_unless_it_is_said_otherwise_they_are_a_hundred() -> None:
    assert connected(*(f"a{n}" for n in range(101))) == [200] * 100 + [429]


def test_of_many_that_come_at_once_no_more_are_let_in(valkey: Redis, valkey_server: str) -> None:
    start = Barrier(16)

    def come(number: int) -> bool:
        start.wait(10)
        try:
            return Arrivals(Line(valkey_server), most=5).opened(
                Connection(f"a{number}", "alice", datetime.now(UTC))
            )
        except TooManyConnections:
            return False

    with ThreadPoolExecutor(16) as threads:
        let_in = list(threads.map(come, range(16)))

    assert sum(let_in) == valkey.hlen(CONNECTIONS) == 5


ORDER = "01961f2e-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ('{"action": "ping"}', {"type": "pong"}),
        ("{", {"code": "INVALID_JSON"}),
        ("", {"code": "INVALID_JSON"}),
        ("[" * 2000, {"code": "INVALID_JSON"}),
        ("[]", {"code": "UNKNOWN_ACTION"}),
        ('{"action": ["ping"]}', {"code": "UNKNOWN_ACTION"}),
        ('{"action": "fly"}', {"code": "UNKNOWN_ACTION"}),
        ('{"action": "ping", "a": 1}', {"code": "INVALID_FIELD"}),
        ('{"action": "subscribe", "orderId": "x"}', {"code": "INVALID_FIELD"}),
        (f'{{"action": "subscribe", "orderId": "{ORDER}", "afterSeq": -1}}', {}),
        (f'{{"action": "subscribe", "orderId": "{ORDER}", "after": "1"}}', {}),
        ('{"action": "subscribe", "afterSeq": 1}', {"code": "INVALID_FIELD"}),
        ('{"action": "subscribe", "after": 1}', {"code": "INVALID_FIELD"}),
        ('{"action": "subscribe", "after": "x"}', {"code": "CURSOR_INVALID"}),
        (f'{{"action": "{"x" * 4096}"}}', {"code": "MESSAGE_TOO_LARGE"}),
    ],
)
def test_what_a_client_says_is_answered_on_its_own_connection(
    gateway: Gateway, command: str, answer: dict[str, str]
) -> None:
    connections.handler(event("$default", command), Context())

    ((connection, frame),) = gateway.posted
    assert connection == "c=1"
    if "type" not in answer:
        answer = {"type": "error", "code": "INVALID_FIELD"} | answer
    assert json.loads(frame).items() >= answer.items()
    assert gateway.signed


def test_a_field_that_is_wrong_is_named(gateway: Gateway) -> None:
    connections.handler(event("$default", '{"action": "subscribe", "orderId": 7}'), Context())

    assert json.loads(gateway.posted[0][1])["message"].startswith("orderId: ")


def test_what_the_relay_has_to_do_is_passed_on_to_it_and_it_answers(
    gateway: Gateway, valkey: Redis
) -> None:
    command = f'{{"action": "subscribe", "orderId": "{ORDER}"}}'
    connections.handler(event("$connect", account="alice"), Context())
    connections.handler(event("$default", command, account="alice"), Context())

    assert gateway.posted == []
    letters = [json.loads(letter) for letter in valkey.lrange(RELAY_MAIL.format(shard=0), 0, -1)]
    assert [letter.get("said") for letter in letters] == [None, command]
    assert letters[1]["of"]["account"] == "alice"


def test_a_connection_that_valkey_has_forgotten_is_registered_by_its_next_command(
    gateway: Gateway, valkey: Redis
) -> None:
    connections.handler(event("$default", '{"action": "ping"}', account="alice"), Context())

    assert json.loads(str(valkey.hget(CONNECTIONS, "c=1")))["account"] == "alice"
    (letter,) = valkey.lrange(RELAY_MAIL.format(shard=0), 0, -1)
    assert json.loads(letter)["again"]
    assert [json.loads(frame) for _, frame in gateway.posted] == [{"type": "pong"}]


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("spoke_ms", "opened_ms"), [(NOON_MS + 1, NOON_MS), (NOON_MS, LONG_AGO_MS)]
)
def test_one_that_was_forgotten_is_told_from_when_it_was_opened_or_from_when_it_surely_was_known(
    valkey: Redis, spoke_ms: int, opened_ms: int
) -> None:
    said = event("$default", '{"action": "ping"}')
    # An emulator gives the moment of speaking for both.
    said["requestContext"] |= {"connectedAt": NOON_MS, "requestTimeEpoch": spoke_ms}

    connections.handler(said, Context())

    assert json.loads(str(valkey.hget(CONNECTIONS, "c=1")))["openedMs"] == opened_ms


def test_a_command_keeps_what_was_registered_before(gateway: Gateway, valkey: Redis) -> None:
    valkey.hset(CONNECTIONS, "c=1", "what the relay has written")
    connections.handler(event("$default", '{"action": "ping"}'), Context())

    assert valkey.hget(CONNECTIONS, "c=1") == "what the relay has written"


@pytest.mark.usefixtures("gateway")
def test_what_the_relay_wrote_of_a_connection_outlives_that_it_is_let_in(valkey: Redis) -> None:
    valkey.hset(CONNECTIONS, "c=1", "what the relay has written")
    connections.handler(event("$connect"), Context())

    assert valkey.hget(CONNECTIONS, "c=1") == "what the relay has written"


def test_too_many_commands_are_refused_for_a_while(gateway: Gateway) -> None:
    for _ in range(COMMANDS_BURST + 10):
        connections.handler(event("$default", '{"action": "ping"}'), Context())

    answers = [json.loads(frame) for _, frame in gateway.posted]
    assert {answer["type"] for answer in answers[:COMMANDS_BURST]} == {"pong"}
    assert answers[-1]["code"] == "TOO_MANY_COMMANDS"


def test_without_valkey_a_connection_is_refused(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VALKEY_URL", "redis://127.0.0.1:1")

    with pytest.raises(LineError):
        connections.handler(event("$connect"), Context())


def test_without_valkey_a_ping_is_answered_and_the_rest_said_to_be_unavailable(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VALKEY_URL", "redis://127.0.0.1:1")

    for command in ('{"action": "ping"}', '{"action": "subscribe"}'):
        connections.handler(event("$default", command), Context())

    ping, other = [json.loads(frame) for _, frame in gateway.posted]
    assert ping == {"type": "pong"}
    assert other["code"] == "UNAVAILABLE"


@pytest.mark.usefixtures("gateway")
def test_who_comes_while_no_relay_can_be_called_is_let_in_and_answered(
    valkey: Redis, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody listens there.
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:1")
    valkey.delete(RELAY_LEASE.format(shard=0))

    assert connections.handler(event("$connect"), Context()) == {"statusCode": 200}
    assert valkey.hlen(CONNECTIONS) == 1
    valkey.delete(RELAY_CALLED.format(shard=0))
    connections.handler(event("$default", '{"action": "ping"}'), Context())

    assert gateway.posted == [("c=1", '{"type":"pong"}')]


def test_who_cannot_be_answered_in_time_breaks_nothing(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(said, "ANSWER_SECONDS", 0.5)
    gateway.status = HTTPStatus.TOO_MANY_REQUESTS

    answer = connections.handler(event("$default", '{"action": "ping"}'), Context())

    assert answer == {"statusCode": 200}
    assert len(gateway.posted) > 1
