"""The worker function as Lambda calls it, over real Postgres and Valkey."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from redis import Redis

from sluice import secret
from sluice.observability import metrics
from sluice.orders.message import encode
from sluice.streaming.accepted import AcceptedOrders
from sluice.streaming.door import Door, Seen
from sluice.streaming.line import Line
from tests.builders import buy
from tests.http import Context
from worker import app

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def environment(
    postgres_url: str, valkey_server: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("VALKEY_URL", valkey_server)
    monkeypatch.setenv("SOLANA_RPC_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("MARKETS", "simulated")
    monkeypatch.setenv("ORDERS_QUEUE_URL", "http://127.0.0.1:1/orders")
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", "http://127.0.0.1:1/orders-dead")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    app.config.cache_clear()
    app.composed.cache_clear()
    app.redelivery.cache_clear()
    # Engines of other tests have counted, too.
    metrics.clear_metrics()
    yield
    app.config.cache_clear()
    app.composed.cache_clear()
    app.redelivery.cache_clear()


def message(number: int, body: str) -> dict[str, object]:
    return {"messageId": f"m{number}", "body": body, "eventSource": "aws:sqs"}


def test_a_batch_keeps_only_the_messages_that_must_come_again(postgres_url: str) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    late = replace(buy(accepted_at=before), expires_at=before + timedelta(seconds=1))
    event = {
        "Records": [message(1, encode(buy())), message(2, "no order"), message(3, encode(late))]
    }

    response = app.handler(event, Context())

    # No RPC answers, so the first is routed again another time; the third has nothing to wait for.
    assert response == {"batchItemFailures": [{"itemIdentifier": "m2"}, {"itemIdentifier": "m1"}]}
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute("SELECT status, attempts FROM orders ORDER BY 1").fetchall()
        errors = connection.execute("SELECT DISTINCT error FROM quotes").fetchall()
    assert rows == [("ROUTING", 1), ("EXPIRED", 0)]
    # Why it was in vain is kept of every pool.
    assert errors == [("ClientConnectorError",)]


def test_when_no_venue_can_be_asked_four_times_the_order_is_told_so(
    postgres_url: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    order = buy()
    event = {"Records": [message(1, encode(order))]}
    for _ in range(4):
        response = app.handler(event, Context())
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("UPDATE orders SET lease_until = now() - interval '1 second'")

    assert response == {"batchItemFailures": []}
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("SELECT id, status, reason, attempts FROM orders").fetchone()
    assert row == (order.id, "FAILED", "VENUES_UNAVAILABLE", 3)
    done = [record for record in caplog.records if record.message == "batch"]
    assert [vars(record)["orders"] for record in done] == [[str(order.id)]] * 4
    numbers = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert numbers["OrdersReceived"] == [1.0]
    assert numbers["OrdersFailed"] == [1.0]


def assert_all_come_again() -> None:
    response = app.handler({"Records": [message(n, encode(buy())) for n in range(3)]}, Context())
    failed = [failure["itemIdentifier"] for failure in response["batchItemFailures"]]
    assert failed == ["m0", "m1", "m2"]


def test_without_postgres_every_order_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://postgres@127.0.0.1:1/postgres")
    assert_all_come_again()


def test_without_the_secret_of_the_rpc_every_order_comes_again_and_the_alarm_hears_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOLANA_RPC_URL", "arn:aws:secretsmanager:us-east-1:1:secret:of-this-test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    secret._provider.cache_clear()
    assert_all_come_again()
    # A release that may not read it is to be taken back.
    numbers = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert numbers["MessagesBroken"] == [3.0]
    secret._provider.cache_clear()


def test_whoever_placed_an_order_is_known_again_though_valkey_forgot_and_another_body_came(
    valkey_server: str,
) -> None:
    """Told that the key is another's, it would take a new one, and have two orders."""
    before = datetime.now(UTC) - timedelta(minutes=1)
    placed = replace(buy(accepted_at=before), expires_at=before + timedelta(seconds=1))
    other = replace(placed, amount=1, accepted_at=datetime.now(UTC))
    app.handler({"Records": [message(1, encode(placed))]}, Context())
    with Redis.from_url(valkey_server) as valkey:
        valkey.flushall()
    door, accepted = Door(Line(valkey_server), 0, 1), AcceptedOrders(Line(valkey_server))
    assert door.keyed_order(other).seen is Seen.NEW

    app.handler({"Records": [message(2, encode(other))]}, Context())
    # The API may come to this after the worker.
    accepted.remember(other)

    again = replace(placed, accepted_at=datetime.now(UTC))
    assert door.keyed_order(again).seen is Seen.ACCEPTED
    assert door.keyed_order(other).seen is Seen.OTHER
    assert accepted.find(placed.account, placed.id) == placed
