"""A lost message is survived: the sweeper over real Postgres and Valkey, and moto's SQS."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import boto3
import pytest
from moto import mock_aws
from mypy_boto3_sqs import SQSClient

from sluice import secret
from sluice.orders.database import Database
from sluice.orders.message import decode
from sluice.orders.model import OrderStatus, OrderTerms
from sluice.orders.returns import SqsReturns
from sluice.orders.store import PostgresStore
from sluice.streaming.accepted import UNCLAIMED_FOR, AcceptedOrders
from sluice.streaming.line import Line
from sluice.streaming.publish import ValkeyPublisher
from sluice.streaming.valkey import Valkey
from sluice.streaming.waiting import WaitingOrders
from sluice.sweeper import Found, Sweeper
from sweeper import app
from tests.builders import NOON, buy
from tests.http import Context

pytestmark = pytest.mark.integration

LATE = NOON + UNCLAIMED_FOR


@dataclass(frozen=True)
class Queue:
    """The orders queue in moto."""

    sqs: SQSClient
    url: str

    def received(self) -> list[OrderTerms]:
        """The orders that are in it."""
        answer = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
        return [decode(message["Body"]) for message in answer.get("Messages", [])]


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        sqs = boto3.client("sqs")
        yield Queue(sqs, sqs.create_queue(QueueName="orders")["QueueUrl"])


@pytest.fixture
def accepted(valkey_server: str, client: Valkey) -> AcceptedOrders:
    return AcceptedOrders(Line(valkey_server))


@pytest.fixture
def sweeper(store: PostgresStore, client: Valkey, queue: Queue) -> Sweeper:
    return Sweeper(store, WaitingOrders(client), SqsReturns(queue.url), ValkeyPublisher(client))


async def test_an_accepted_order_whose_message_was_lost_is_put_back(
    sweeper: Sweeper, accepted: AcceptedOrders, queue: Queue
) -> None:
    order = buy(accepted_at=NOON)
    accepted.remember(order)

    assert await sweeper.sweep(LATE - timedelta(seconds=1)) == Found(0, 0, 0)
    assert await sweeper.sweep(LATE) == Found(stuck=0, unclaimed=1, expired=0)

    assert queue.received() == [order]
    # Not each minute anew: next time after twice as long.
    assert await sweeper.sweep(LATE + UNCLAIMED_FOR - timedelta(seconds=1)) == Found(0, 0, 0)
    assert await sweeper.sweep(LATE + UNCLAIMED_FOR) == Found(stuck=0, unclaimed=1, expired=0)


async def test_an_order_that_was_claimed_is_not_put_back_even_if_nobody_could_be_told(
    sweeper: Sweeper, accepted: AcceptedOrders, store: PostgresStore, queue: Queue
) -> None:
    order = buy(accepted_at=NOON)
    accepted.remember(order)
    await store.claim([order], NOON, 30)

    assert await sweeper.sweep(LATE) == Found(0, 0, 0)
    assert await sweeper.sweep(LATE + timedelta(hours=1)) == Found(0, 0, 0)
    assert queue.received() == []


async def test_an_order_that_was_told_of_waits_no_more(
    accepted: AcceptedOrders, store: PostgresStore, client: Valkey
) -> None:
    order = buy(accepted_at=NOON)
    accepted.remember(order)
    claim = await store.claim([order], NOON, 30)

    await ValkeyPublisher(client).publish(claim.events)

    assert await WaitingOrders(client).due(LATE, 10) == []


async def test_a_lost_order_that_expired_meanwhile_ends_when_it_is_claimed(
    sweeper: Sweeper, accepted: AcceptedOrders, store: PostgresStore, queue: Queue
) -> None:
    order = buy(accepted_at=NOON, expires_at=NOON + timedelta(seconds=5))
    accepted.remember(order)
    await sweeper.sweep(LATE)

    claim = await store.claim(queue.received(), LATE, 30)

    assert [event.status for event in claim.events] == [OrderStatus.PENDING, OrderStatus.EXPIRED]


async def test_without_valkey_what_is_stuck_in_postgres_is_still_put_back(
    store: PostgresStore, client: Valkey, queue: Queue
) -> None:
    order = buy(accepted_at=NOON)
    await store.claim([order], NOON, -60)
    nowhere = Valkey.from_url("redis://127.0.0.1:1")
    sweeper = Sweeper(
        store, WaitingOrders(nowhere), SqsReturns(queue.url), ValkeyPublisher(nowhere)
    )

    assert await sweeper.sweep(LATE) == Found(stuck=1, unclaimed=0, expired=0)
    assert queue.received() == [order]


def test_without_the_secret_of_valkey_what_is_stuck_in_postgres_is_still_put_back(
    postgres_url: str, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = buy(accepted_at=NOON)
    asyncio.run(stuck(postgres_url, order))
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("VALKEY_URL", "arn:aws:secretsmanager:us-east-1:1:secret:of-this-test")
    monkeypatch.setenv("ORDERS_QUEUE_URL", queue.url)
    app.config.cache_clear()
    app.sweeper.cache_clear()
    secret._provider.cache_clear()

    assert app.handler({}, Context()) == {"stuck": 1, "unclaimed": 0, "expired": 0}

    assert queue.received() == [order]
    secret._provider.cache_clear()
    app.config.cache_clear()
    app.sweeper.cache_clear()


async def stuck(postgres_url: str, order: OrderTerms) -> None:
    """Has a worker die with the order."""
    database = Database(postgres_url)
    await PostgresStore(database).claim([order], NOON, -60)
    await database.close()
