"""The worker function as Lambda calls it, over real Postgres and Valkey."""

import json
from collections.abc import Iterator

import psycopg
import pytest

from sluice.observability import metrics
from sluice.orders.message import encode
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
    app.engine.cache_clear()
    # Engines of other tests have counted, too.
    metrics.clear_metrics()
    yield
    app.engine.cache_clear()


def message(number: int, body: str) -> dict[str, object]:
    return {"messageId": f"m{number}", "body": body, "eventSource": "aws:sqs"}


def test_a_batch_reports_only_the_messages_that_must_come_again(
    postgres_url: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    order = buy()
    event = {"Records": [message(1, encode(order)), message(2, "no order")]}

    response = app.handler(event, Context())

    assert response == {"batchItemFailures": [{"itemIdentifier": "m2"}]}
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("SELECT id, status, reason FROM orders").fetchone()
        errors = connection.execute("SELECT DISTINCT error FROM quotes").fetchall()
    # No RPC answers: the order is told so, and every pool's error is kept.
    assert row == (order.id, "FAILED", "VENUES_UNAVAILABLE")
    assert errors == [("ClientConnectorError",)]
    done = [record for record in caplog.records if record.message == "order done"]
    assert [vars(record)["order_id"] for record in done] == [str(order.id)]
    numbers = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert numbers["OrdersReceived"] == [1.0]
    assert numbers["OrdersFailed"] == [1.0]


def test_without_postgres_every_order_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://postgres@127.0.0.1:1/postgres")
    event = {"Records": [message(n, encode(buy())) for n in range(3)]}

    response = app.handler(event, Context())

    assert [failure["itemIdentifier"] for failure in response["batchItemFailures"]] == [
        "m0",
        "m1",
        "m2",
    ]
