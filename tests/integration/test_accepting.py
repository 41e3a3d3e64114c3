"""Accepting an order once, over a real Valkey: keys, limits, and what happens in between."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Barrier
from typing import cast
from uuid import UUID

import boto3
import pytest
from fastapi import FastAPI
from moto import mock_aws
from mypy_boto3_secretsmanager import SecretsManagerClient
from redis import Redis

from api.app import create_app
from api.services import Services
from sluice import secret
from sluice.config import ApiConfig
from sluice.errors import QueueUnavailable
from sluice.orders.identity import keyed_order_id
from sluice.orders.model import OrderTerms
from sluice.orders.queue import SqsOrderQueue
from sluice.streaming.door import Door
from sluice.streaming.line import Line
from sluice.streaming.names import WAITING
from tests.builders import SOL, USDC, buy, changed
from tests.http import Answer, call

pytestmark = pytest.mark.integration

PATH = "/api/orders/execute"
BODY: dict[str, object] = {
    "type": "MARKET",
    "side": "BUY",
    "tokenIn": "USDC",
    "tokenOut": "SOL",
    "amount": 100,
}
OTHER = BODY | {"amount": 101}
NOWHERE = "redis://127.0.0.1:1"
LIMIT = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")


@dataclass
class FakeQueue:
    """Takes orders, or does what `fault` says."""

    sent: list[OrderTerms] = field(default_factory=list)
    fault: QueueUnavailable | None = None
    takes: bool = True
    """Whether it takes the order in spite of the fault."""

    def send(self, terms: OrderTerms) -> None:
        if self.takes:
            self.sent.append(terms)
        if self.fault is not None:
            raise self.fault

    def broken(self, *, taken: bool, told: bool) -> None:
        """Has it fail; `told`: whether it says that it took nothing."""
        self.takes = taken
        self.fault = QueueUnavailable("It is broken.", not_taken=told)

    def mended(self) -> None:
        self.takes, self.fault = True, None


@dataclass(frozen=True)
class ServicesWith(Services):
    """The services of a process, but for the queue."""

    fake: FakeQueue

    @cached_property
    def queue(self) -> SqsOrderQueue:
        return cast("SqsOrderQueue", self.fake)


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """The current loop, as the function's module makes it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def valkey(valkey_server: str) -> Iterator[Redis]:
    with Redis.from_url(valkey_server, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
def line(valkey: Redis, valkey_server: str) -> Line:
    return Line(valkey_server)


@pytest.fixture
def config(valkey: Redis, valkey_server: str) -> ApiConfig:
    # Nothing here may need Postgres, SQS or an RPC.
    return ApiConfig(
        ORDERS_QUEUE_URL="http://127.0.0.1:1/orders",
        DATABASE_URL="postgresql://127.0.0.1:1/x",
        VALKEY_URL=valkey_server,
        SOLANA_RPC_URL="http://127.0.0.1:1",
        MARKETS="simulated",
    )


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


def app_of(config: ApiConfig, queue: FakeQueue) -> FastAPI:
    services = ServicesWith(config, queue)
    return create_app(lambda: services)


@pytest.fixture
def app(config: ApiConfig, queue: FakeQueue) -> FastAPI:
    return app_of(config, queue)


def place(
    app: FastAPI,
    body: Mapping[str, object] = BODY,
    key: str | None = "key-1",
    account: str = "alice",
) -> Answer:
    headers = {} if key is None else {"idempotency-key": key}
    return call(app, "POST", PATH, body, account=account, headers=headers)


def terms(amount: int = 100_000_000) -> OrderTerms:
    """What `BODY` under "key-1" comes to."""
    return buy(keyed_order_id("alice", "key-1"), amount=amount, accepted_at=datetime.now(UTC))


def replayed(answer: Answer) -> bool:
    return answer.headers.get("idempotent-replayed") == "true"


def ids(queue: FakeQueue) -> list[str]:
    return [str(order.id) for order in queue.sent]


def test_the_same_key_is_the_same_order_and_is_sent_once(app: FastAPI, queue: FakeQueue) -> None:
    first, again = place(app), place(app)

    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    assert first.headers["location"] == again.headers["location"]
    assert (replayed(first), replayed(again)) == (False, True)
    order_id = first.body["data"]["orderId"]
    assert UUID(order_id) == keyed_order_id("alice", "key-1")
    assert ids(queue) == [order_id]


def test_without_a_key_every_request_is_an_order(app: FastAPI, queue: FakeQueue) -> None:
    answers = [place(app, key=None), place(app, key=None)]

    assert [answer.status for answer in answers] == [201, 201]
    assert len(set(ids(queue))) == 2
    assert not any(map(replayed, answers))


def test_a_body_that_says_the_same_in_other_words_is_the_same(
    app: FastAPI, queue: FakeQueue
) -> None:
    place(app)
    words = {"slippageBps": 50, "tokenIn": USDC, "tokenOut": SOL, "amount": "100.000000"}

    again = place(app, BODY | words)

    assert replayed(again)
    assert len(queue.sent) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 101},
        {"side": "SELL"},
        {"slippageBps": 51},
        {"limitPrice": 150},
        {"expiresAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_body_under_the_key_is_a_conflict_and_nothing_is_sent(
    app: FastAPI, queue: FakeQueue, change: dict[str, object]
) -> None:
    first = place(app)

    answer = place(app, BODY | change)

    assert (answer.status, answer.body["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    assert first.body["data"]["orderId"] in answer.body["message"]
    assert len(queue.sent) == 1
    assert place(app).body == first.body


def test_keys_of_other_accounts_are_other_keys(app: FastAPI, queue: FakeQueue) -> None:
    answers = [place(app, account="bob"), place(app, OTHER, account="carol")]

    assert [answer.status for answer in answers] == [201, 201]
    assert len(set(ids(queue))) == 2


@pytest.mark.parametrize("key", ["", "a" * 256, "tab\there", "ümlaut", "\x7f"])
def test_a_key_that_is_none_is_named(app: FastAPI, queue: FakeQueue, key: str) -> None:
    answer = place(app, key=key)

    assert (answer.status, answer.body["code"]) == (400, "VALIDATION_FAILED")
    assert [fault["field"] for fault in answer.body["details"]] == ["Idempotency-Key"]
    assert queue.sent == []


def test_a_faulty_body_reserves_nothing(app: FastAPI, valkey: Redis) -> None:
    assert place(app, BODY | {"amount": 0}).status == 400

    assert valkey.keys("*") == []
    assert place(app).status == 201


def test_a_queue_that_took_nothing_leaves_nothing_behind(
    app: FastAPI, queue: FakeQueue, valkey: Redis
) -> None:
    queue.broken(taken=False, told=True)

    answer = place(app)

    assert (answer.status, answer.body["code"]) == (503, "QUEUE_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) >= 1
    assert all(answer.headers[name] for name in LIMIT)
    assert valkey.keys("sluice:reserved:*") + valkey.keys("sluice:accepted:*") == []
    assert valkey.exists(WAITING) == 0
    queue.mended()
    # Nothing was placed under the key, so anything may be.
    assert place(app, OTHER).status == 201
    assert [order.amount for order in queue.sent] == [101_000_000]


def test_a_queue_that_took_nothing_frees_no_key_that_was_reserved_before(
    app: FastAPI, queue: FakeQueue
) -> None:
    queue.broken(taken=True, told=False)
    place(app)
    queue.broken(taken=False, told=True)

    place(app)

    queue.mended()
    assert place(app, OTHER).status == 409


def test_a_queue_that_did_not_say_keeps_the_key_and_the_same_request_is_safe(
    app: FastAPI, queue: FakeQueue
) -> None:
    queue.broken(taken=True, told=False)

    answer = place(app)

    assert (answer.status, answer.body["code"]) == (503, "QUEUE_UNAVAILABLE")
    assert "Idempotency-Key" in answer.body["message"]
    assert "Idempotency-Key" not in place(app, key=None).body["message"]
    queue.mended()
    assert place(app, OTHER).status == 409
    again = place(app)
    assert (again.status, replayed(again)) == (201, False)
    keyed = [order for order in ids(queue) if order == again.body["data"]["orderId"]]
    assert len(keyed) == 2


def test_a_process_that_died_before_queueing_is_followed_by_one_that_queues(
    app: FastAPI, queue: FakeQueue, line: Line
) -> None:
    Door(line, 0, 1).keyed_order(terms())

    assert place(app, OTHER).status == 409
    answer = place(app)

    assert (answer.status, replayed(answer)) == (201, False)
    assert ids(queue) == [answer.body["data"]["orderId"]]
    assert replayed(place(app))


def test_a_process_that_died_after_queueing_is_followed_by_a_harmless_second_message(
    app: FastAPI, queue: FakeQueue, line: Line
) -> None:
    Door(line, 0, 1).keyed_order(terms())
    queue.send(terms())

    answer = place(app)

    assert answer.status == 201
    assert ids(queue) == [answer.body["data"]["orderId"]] * 2
    assert queue.sent[0].asks_the_same(queue.sent[1])


@pytest.mark.parametrize("round_", range(8))
@pytest.mark.parametrize("bodies", [(BODY, OTHER), (BODY, BODY)], ids=["different", "same"])
def test_of_two_requests_at_once_under_one_key_one_order_comes(
    config: ApiConfig, queue: FakeQueue, bodies: tuple[dict[str, object], ...], round_: int
) -> None:
    ready = Barrier(2)

    def at_once(app: FastAPI, body: dict[str, object]) -> Answer:
        asyncio.set_event_loop(asyncio.new_event_loop())
        ready.wait(10)
        answer = place(app, body)
        asyncio.get_event_loop().close()
        return answer

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(at_once, [app_of(config, queue) for _ in bodies], bodies))

    same = bodies[0] is bodies[1]
    assert sorted(answer.status for answer in answers) == ([201, 201] if same else [201, 409])
    accepted = {a.body["data"]["orderId"] for a in answers if a.status == 201}
    assert accepted == set(ids(queue)) == {str(keyed_order_id("alice", "key-1"))}
    assert len({order.amount for order in queue.sent}) == 1


def test_without_valkey_orders_of_keys_are_accepted_all_the_same(
    config: ApiConfig, queue: FakeQueue
) -> None:
    app = app_of(changed(config, VALKEY_URL=NOWHERE, RATE_LIMIT_BURST=1), queue)

    answers = [place(app), place(app), place(app, OTHER)]

    # The worker tells by Postgres that they are one order, and that one is a conflict.
    assert [answer.status for answer in answers] == [201, 201, 201]
    assert len(set(ids(queue))) == 1
    assert not any(name in answer.headers for answer in answers for name in LIMIT)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManagerClient]:
    """An emulated Secrets Manager."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        secret._provider.cache_clear()
        yield boto3.client("secretsmanager")
    secret._provider.cache_clear()


@pytest.mark.parametrize("key", [None, "key-1"])
def test_where_nobody_tells_where_valkey_is_orders_are_accepted_and_it_is_asked_again_later(
    config: ApiConfig,
    queue: FakeQueue,
    valkey: Redis,
    secrets: SecretsManagerClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    key: str | None,
) -> None:
    # It has no value, so it cannot be read.
    arn = secrets.create_secret(Name=f"valkey-{key}")["ARN"]
    app = app_of(changed(config, VALKEY_URL=arn), queue)

    assert [place(app, key=key).status for _ in range(2)] == [201, 201]
    assert len(queue.sent) == 2
    # Once: whoever needs it soon after does not wait for it again.
    assert [one.message for one in caplog.records if one.levelno == logging.ERROR] == [
        "secret not readable"
    ]

    secrets.put_secret_value(SecretId=arn, SecretString=config.VALKEY_URL)
    monkeypatch.setattr(secret, "PAUSE_SECONDS", 0)
    assert place(app, key="key-2").status == 201
    assert valkey.zcard(WAITING) == 1


def test_a_login_that_is_none_does_not_stop_orders_either(
    config: ApiConfig, queue: FakeQueue, secrets: SecretsManagerClient
) -> None:
    arn = secrets.create_secret(Name="login", SecretString='{"username": "sluice"}')["ARN"]
    app = app_of(changed(config, VALKEY_LOGIN=arn), queue)

    assert place(app).status == 201


def test_an_order_that_expires_travels_with_the_moment_and_shows_it(
    app: FastAPI, queue: FakeQueue
) -> None:
    at = datetime.now(UTC) + timedelta(days=7) - timedelta(seconds=30)

    assert place(app, BODY | {"expiresAt": at.isoformat()}).status == 201

    assert [order.expires_at for order in queue.sent] == [at]


@pytest.mark.parametrize(
    "expires_at",
    [
        pytest.param((datetime.now(UTC) + timedelta(days=8)).isoformat(), id="in 8 days"),
        pytest.param(
            (datetime.now(UTC) + timedelta(hours=1)).replace(tzinfo=None).isoformat(),
            id="of no zone",
        ),
        "2026-11-24",
        "soon",
        "",
        1_790_000_000,
        True,
        {"at": "now"},
    ],
)
@pytest.mark.parametrize("key", [None, "key-1"])
def test_an_order_that_expires_at_no_good_time_is_refused_and_reserves_nothing(
    app: FastAPI, queue: FakeQueue, valkey: Redis, expires_at: object, key: str | None
) -> None:
    answer = place(app, BODY | {"expiresAt": expires_at}, key)

    assert (answer.status, answer.body["code"]) == (400, "VALIDATION_FAILED")
    assert [fault["field"] for fault in answer.body["details"]] == ["expiresAt"]
    assert queue.sent == []
    assert valkey.keys("sluice:reserved:*") == []


def test_an_order_without_a_key_that_has_expired_already_is_refused(
    app: FastAPI, queue: FakeQueue
) -> None:
    late = datetime.now(UTC) - timedelta(seconds=1)

    answer = place(app, BODY | {"expiresAt": late.isoformat()}, key=None)

    assert (answer.status, answer.body["details"][0]["field"]) == (400, "expiresAt")
    assert queue.sent == []


@pytest.mark.parametrize("remembered", [True, False])
def test_an_order_that_has_expired_meanwhile_is_still_known_by_its_key(
    app: FastAPI, queue: FakeQueue, line: Line, remembered: bool
) -> None:
    """Told 400, a client whose answer was lost would take it for not placed, and place another."""
    late = datetime.now(UTC) - timedelta(seconds=5)
    body = BODY | {"expiresAt": late.isoformat()}
    if remembered:
        Door(line, 0, 1).keyed_order(replace(terms(), expires_at=late))

    answers = [place(app, body), place(app, body)]

    # Queued: the worker finds what was placed before, or it ends EXPIRED.
    assert [(answer.status, replayed(answer)) for answer in answers] == [(201, False), (201, True)]
    assert [order.expires_at for order in queue.sent] == [late]


def test_who_asks_too_often_is_told_when_to_ask_again(config: ApiConfig, queue: FakeQueue) -> None:
    app = app_of(changed(config, RATE_LIMIT_PER_SECOND=1, RATE_LIMIT_BURST=2), queue)

    answers = [place(app, key=None) for _ in range(3)]

    assert [answer.status for answer in answers] == [201, 201, 429]
    refused = answers[-1]
    assert refused.body["code"] == "RATE_LIMITED"
    assert refused.headers["retry-after"] == "1"
    assert [[answer.headers[name] for name in LIMIT] for answer in answers] == [
        ["2", "1", "1"],
        ["2", "0", "2"],
        ["2", "0", "2"],
    ]
    assert len(queue.sent) == 2
    assert place(app, key=None, account="bob").status == 201


def test_replays_conflicts_and_quotes_take_tokens_too(config: ApiConfig, queue: FakeQueue) -> None:
    app = app_of(changed(config, RATE_LIMIT_PER_SECOND=1, RATE_LIMIT_BURST=4), queue)
    quote = {name: BODY[name] for name in ("side", "tokenIn", "tokenOut", "amount")}

    answers = [
        place(app),
        place(app),
        place(app, OTHER),
        *(call(app, "POST", "/api/quotes", quote, account="alice") for _ in range(2)),
    ]

    assert [answer.status for answer in answers] == [201, 201, 409, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == list("32100")


def test_without_a_limit_no_header_tells_of_one(config: ApiConfig, queue: FakeQueue) -> None:
    app = app_of(changed(config, RATE_LIMIT_PER_SECOND=0), queue)

    answers = [place(app), place(app, key=None)]

    assert [answer.status for answer in answers] == [201, 201]
    assert not any(name in answer.headers for answer in answers for name in LIMIT)
