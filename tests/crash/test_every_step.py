"""A worker dies at each step of its way, or is overtaken there, and nothing is lost or doubled."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from local.waiting import until
from sluice.orders.database import Database
from sluice.orders.message import encode
from sluice.orders.model import OrderTerms
from sluice.orders.received import MAX_RECEIVES
from sluice.orders.returns import SqsReturns
from sluice.orders.store import PostgresStore
from sluice.streaming.accepted import AcceptedOrders
from sluice.streaming.line import Line
from sluice.streaming.publish import ValkeyPublisher
from sluice.streaming.valkey import connect
from sluice.streaming.waiting import WaitingOrders
from sluice.sweeper import Sweeper

from .checks import Accepted, faults, faults_of_claims, unfinished
from .mapping import EventSourceMapping, Hand, Record
from .market import HIGH, LOW
from .orders import hopping, late, other_terms, steady, touchy
from .servers import LEASE_SECONDS, House
from .steps import Step
from .workers import Plan

pytestmark = pytest.mark.integration

END_SECONDS = 60
FALLING = (HIGH, LOW)
"""The prices that a worker's first batch meets: what may not slip by so much is routed again."""
OVERTAKEN_AT = (
    Step.CLAIM_UNREAD,
    Step.CLAIM_AFTER,
    Step.SETTLE_BEFORE,
    Step.SETTLE_AFTER,
    Step.RECORD_BEFORE,
)
AWHILE = timedelta(minutes=10)
"""After which nobody waits any more for what was accepted, and no lease lasts."""


class Scene:
    """One batch with something for every step: its orders, and the queue that they are in.

    Two of the messages are on their last receive, so that a worker that dies over them takes them
    along: one is no order; the other's order slips, and must be sent anew.
    """

    def __init__(self, house: House, name: str, connection: psycopg.Connection[Any]) -> None:
        self._house = house
        self._connection = connection
        self._handed: list[Record] = []
        self.queue = house.queue(name)
        self.worn = accepted_long_ago(touchy(name))
        disputed = accepted_long_ago(steady(name))
        kinds = (steady, hopping, touchy, late)
        self.orders = [self.worn, disputed, *(accepted_long_ago(kind(name)) for kind in kinds)]
        self.poison, self.worn_poison = f"no order, {name}", f"never an order, {name}"
        ids = frozenset(order.id for order in self.orders)
        poison = frozenset({self.poison, self.worn_poison})
        self.accepted = Accepted(name, ids, frozenset({disputed.id}), poison)
        for order in self.orders:
            AcceptedOrders(Line(house.valkey)).remember(order)
        self.queue.send([encode(self.worn), self.worn_poison])
        for _ in range(MAX_RECEIVES - 1):
            self.queue.come_back(self.queue.receive())
        fresh = [*self.orders[1:], other_terms(disputed)]
        self.queue.send([*map(encode, fresh), self.poison])

    def batch(self) -> list[Record]:
        """All messages."""
        records = self.queue.receive()
        assert len(records) == len(self.orders) + 3
        self._handed += records
        return records

    def end(self) -> None:
        """Lets a worker that nothing happens to do what there is to do, and the sweeper look."""
        with closing(self._house.mapping(self.queue, [LOW])) as mapping:
            assert until(lambda: self._round(mapping), END_SECONDS), "not ended"

    def _round(self, mapping: EventSourceMapping) -> bool:
        """Whether all is done."""
        self.wait_awhile()
        depth = self.queue.depth()
        ended = not unfinished(self._connection, self.accepted.orders)
        if depth.there or (depth.later and not ended):
            if records := self.queue.receive(1):
                mapping.run(Hand(records))
                self._handed += records
        elif not ended:
            asyncio.run(self._sweep())
        return ended and not depth.there

    def wait_awhile(self) -> None:
        """Nobody is at work: no lease is left, and what was handed out is there again."""
        self._connection.execute(
            "UPDATE orders SET lease_until = lease_until - %s WHERE id = ANY(%s)",
            (AWHILE, list(self.accepted.orders)),
        )
        self.queue.come_back(self._handed)

    async def _sweep(self) -> None:
        database = Database(self._house.postgres)
        async with connect(self._house.valkey) as valkey:
            await Sweeper(
                PostgresStore(database),
                WaitingOrders(valkey),
                SqsReturns(self.queue.url, lambda: self._house.sqs),
                ValkeyPublisher(valkey),
            ).sweep(datetime.now(UTC))
        await database.close()

    def faults(self) -> list[str]:
        """What is not as it must be, once all is done."""
        found = faults(self._connection, self.accepted, self._house.follower)
        dead = self.queue.dead()
        bodies = {letter.body for letter in dead}
        # What nobody is left to bury, SQS itself puts aside: its order is found without it.
        if not self.accepted.poison <= bodies <= {*self.accepted.poison, encode(self.worn)}:
            found.append(f"dead: {bodies}")
        if not any(letter.error for letter in dead if letter.body == self.poison):
            found.append("what was wrong with the poison is not told")
        return found


def accepted_long_ago(order: OrderTerms) -> OrderTerms:
    """`order` as if it had waited, so that it is missed at once if it is lost."""
    expires_at = order.expires_at and order.expires_at - AWHILE
    return replace(order, accepted_at=order.accepted_at - AWHILE, expires_at=expires_at)


@contextmanager
def scene(house: House, name: str) -> Iterator[Scene]:
    with psycopg.connect(house.postgres, autocommit=True) as connection:
        yield Scene(house, name, connection)


@pytest.mark.parametrize("step", list(Step))
def test_a_worker_that_dies_is_survived(step: Step, crash_house: House) -> None:
    with (
        scene(crash_house, f"dies-{step}") as made,
        closing(crash_house.mapping(made.queue, FALLING)) as mapping,
    ):
        mapping.run(Hand(made.batch(), Plan(dies_at=step)))
        assert mapping.deaths == 1, "the batch does not lead through this step"
        made.end()

        assert made.faults() == []


@pytest.mark.parametrize("step", OVERTAKEN_AT)
def test_a_worker_that_lost_its_claim_cannot_write(step: Step, crash_house: House) -> None:
    slow = Plan(stalls={step: 2.5 * LEASE_SECONDS})
    # It claims after the other's lease is over, and is not done when the other wakes.
    swift = Plan(stalls={Step.RECEIVED: 1.5 * LEASE_SECONDS, Step.RECORD_BEFORE: 2 * LEASE_SECONDS})
    with (
        scene(crash_house, f"is-overtaken-{step}") as made,
        closing(crash_house.mapping(made.queue, FALLING)) as mapping,
    ):
        batch = made.batch()
        # Whoever had them first died: each order is known, and claimed anew.
        mapping.run(Hand(batch, Plan(dies_at=Step.CLAIM_AFTER)))
        made.wait_awhile()
        mapping.run(Hand(batch, slow), Hand(batch, swift))
        made.end()

        assert made.faults() + faults_of_claims(mapping.claims) == []


def test_an_order_that_is_at_work_is_left_alone(crash_house: House) -> None:
    slow, swift = Plan(stalls={Step.SETTLE_BEFORE: 1}), Plan(stalls={Step.RECEIVED: 0.5})
    with (
        scene(crash_house, "at-work") as made,
        closing(crash_house.mapping(made.queue, FALLING, lease_seconds=60)) as mapping,
    ):
        batch = made.batch()
        mapping.run(Hand(batch, slow), Hand(batch, swift))

        late = 1
        assert sorted(mapping.claims.values()) == [1] * (len(made.orders) - late)
        made.end()
        assert made.faults() == []
