"""An order's life in Postgres against a model of it, along ways that nobody thought of."""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import pairwise
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from psycopg.rows import dict_row

from sluice.errors import FailReason
from sluice.orders.database import Database
from sluice.orders.model import TRANSITIONS, Order, OrderStatus, OrderTerms
from sluice.orders.port import Execution, Postponed
from sluice.orders.statements import MAX_CLAIMS
from sluice.orders.store import PostgresStore
from tests.builders import NOON, buy, confirmed, failed, seqs

pytestmark = pytest.mark.integration

Result = TypeVar("Result")

LEASE = 3600
HOUR = timedelta(hours=1)
TERMS = [
    replace(buy(UUID(int=n + 1)), expires_at=NOON + n * HOUR if n % 2 else None, amount=1_000 + n)
    for n in range(8)
]
OPEN = {OrderStatus.PENDING, OrderStatus.ROUTING}

numbers = st.integers(0, len(TERMS) - 1)

_LOOK = """
SELECT to_jsonb(o) AS row,
       (SELECT jsonb_agg(jsonb_build_array(e.seq, e.status) ORDER BY e.seq)
        FROM order_events e WHERE e.order_id = o.id) AS events,
       (SELECT coalesce(jsonb_agg(f.amount_in), '[]') FROM fills f WHERE f.order_id = o.id)
       AS fills,
       (SELECT count(*) FROM quotes q WHERE q.order_id = o.id) AS quotes,
       (SELECT count(*) FROM conflicts c WHERE c.order_id = o.id) AS conflicts
FROM orders o
"""


class Lease(Enum):
    HELD = auto()
    OVER = auto()
    LONG_OVER = auto()
    """As one that was never given: the sweeper looks at it."""


class End(Enum):
    """What a worker makes of a claimed order."""

    CONFIRMED = auto()
    FAILED = auto()
    GIVEN_BACK = auto()
    PUT_OFF = auto()


@dataclass
class Expected:
    """An order as it should be; `claims` are all that were ever given out for it."""

    terms: OrderTerms
    status: OrderStatus = OrderStatus.PENDING
    seq: int = 1
    fence: int = 0
    attempts: int = 0
    lease: Lease = Lease.LONG_OVER
    swept: bool = False
    conflicts: set[datetime] = field(default_factory=set)
    claims: list[Order] = field(default_factory=list)
    ended_as: dict[str, Any] | None = None

    def becomes(self, status: OrderStatus, steps: int = 1) -> None:
        self.status = status
        self.seq += steps

    def comes_to(self, end: End) -> None:
        match end:
            case End.CONFIRMED:
                self.becomes(OrderStatus.CONFIRMED, 2)
            case End.FAILED:
                self.becomes(OrderStatus.FAILED)
            case End.GIVEN_BACK:
                self.lease = Lease.OVER
            case End.PUT_OFF:
                self.lease = Lease.HELD
                self.attempts += 1


class Lifecycle(RuleBasedStateMachine):
    """Begins with no orders, in a database that each example finds empty."""

    store: PostgresStore
    connection: psycopg.Connection[dict[str, Any]]
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.orders: dict[UUID, Expected] = {}
        self.connection.execute("TRUNCATE orders CASCADE")

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(work)

    def accept(self, terms: OrderTerms) -> Expected:
        return self.orders.setdefault(terms.id, Expected(terms))

    def late(self, order: Expected) -> bool:
        return order.terms.expires_at is not None and order.terms.expires_at <= self.now

    @rule(batch=st.lists(st.tuples(numbers, st.booleans()), min_size=1, max_size=6))
    def claim(self, batch: list[tuple[int, bool]]) -> None:
        """Each is an order, and whether it comes with other terms under the same id."""
        self.claimed([another(TERMS[n]) if other else TERMS[n] for n, other in batch])

    def claimed(self, batch: list[OrderTerms]) -> None:
        """Claims `batch`, and compares what comes of it with what should."""
        for terms in sorted(batch, key=lambda terms: terms.accepted_at):
            self.accept(terms)
        conflicts = set()
        for terms in batch:
            if not terms.asks_the_same(self.orders[terms.id].terms):
                conflicts.add(terms.id)
                self.orders[terms.id].conflicts.add(terms.accepted_at)
        ids = {terms.id for terms in batch}
        ours = {each for each in ids if self.leased(self.orders[each])}

        found = self.run(self.store.claim(batch, self.now, LEASE))

        assert found.conflicts == conflicts
        assert {order.terms.id for order in found.orders} == ours
        assert found.finished == {each for each in ids if self.orders[each].status.final}
        assert found.busy.keys() == ids - ours - found.finished
        for order in found.orders:
            expected = self.orders[order.terms.id]
            expected.claims.append(order)
            assert order == Order(
                expected.terms, OrderStatus.ROUTING, 2, expected.fence, expected.attempts
            )
        for each in ids:
            told = seqs([event for event in found.events if event.order_id == each])
            known = [] if each in found.busy else list(range(1, self.orders[each].seq + 1))
            assert told == known

    def leased(self, order: Expected) -> bool:
        """Whether a claim, now, gives the order out."""
        if order.status not in OPEN or order.lease is Lease.HELD:
            return False
        worn_out = order.fence >= MAX_CLAIMS
        order.fence += 1
        order.lease, order.swept = Lease.HELD, False
        if self.late(order):
            order.becomes(OrderStatus.EXPIRED)
        elif worn_out:
            order.becomes(OrderStatus.FAILED)
        elif order.status is OrderStatus.PENDING:
            order.becomes(OrderStatus.ROUTING)
        return not order.status.final

    @rule(batch=st.sets(numbers, min_size=1))
    def leases_run_out(self, batch: set[int]) -> None:
        for number in batch:
            if order := self.orders.get(TERMS[number].id):
                self.lapse(order)

    def lapse(self, order: Expected) -> None:
        if order.status is OrderStatus.ROUTING:
            self.connection.execute(
                "UPDATE orders SET lease_until = now() - interval '1 minute' WHERE id = %s",
                [order.terms.id],
            )
            order.lease = Lease.LONG_OVER

    @rule(number=numbers)
    def every_worker_dies_of_it(self, number: int) -> None:
        order = self.orders.get(TERMS[number].id)
        while order is not None and order.status in OPEN:
            self.lapse(order)
            self.claimed([order.terms])

    @rule(
        ends=st.lists(
            st.tuples(numbers, st.integers(0, 3), st.sampled_from(End)),
            min_size=1,
            unique_by=lambda end: end[0],
        )
    )
    def record(self, ends: list[tuple[int, int, End]]) -> None:
        """Each is an order, how many claims after its own it had, and what it came to."""
        executions: list[Execution] = []
        postponed: list[Postponed] = []
        recorded = set()
        for number, later, end in ends:
            order = self.orders.get(TERMS[number].id)
            if order is None or len(order.claims) <= later:
                continue
            claim = order.claims[-1 - later]
            if claim.fence == order.fence and order.status is OrderStatus.ROUTING:
                recorded.add(order.terms.id)
                order.comes_to(end)
            match end:
                case End.CONFIRMED:
                    executions.append(confirmed(claim))
                case End.FAILED:
                    executions.append(failed(claim, FailReason.NO_ROUTE))
                case End.GIVEN_BACK:
                    postponed.append(Postponed(claim, 0, claim.attempts, "out of time"))
                case End.PUT_OFF:
                    postponed.append(Postponed(claim, LEASE, claim.attempts + 1, "it moved"))

        assert self.run(self.store.record(executions, postponed)) == recorded

    @rule(number=numbers, waits=st.booleans())
    def cancel(self, number: int, waits: bool) -> None:
        """`waits`: the order is known to wait in the queue, whether it still does or not."""
        terms = TERMS[number]
        if waits:
            self.accept(terms)
        order = self.orders.get(terms.id)
        if order is not None and order.status is OrderStatus.PENDING:
            order.becomes(OrderStatus.CANCELLED)

        found = self.run(self.store.cancel("alice", terms.id, terms if waits else None, self.now))

        if order is None:
            assert found is None
        else:
            assert found is not None
            row, events = found
            assert (row["status"], row["seq"]) == (order.status, order.seq)
            assert seqs(events) == list(range(1, order.seq + 1))

    @rule(batch=st.sets(numbers, min_size=1))
    def strangers_cancel(self, batch: set[int]) -> None:
        """They may learn nothing and end nothing: what is new is stored, PENDING."""
        for number in batch:
            terms = TERMS[number]
            self.accept(terms)

            assert self.run(self.store.cancel("bob", terms.id, terms, self.now)) is None

    @rule()
    def sweep(self) -> None:
        stuck = [
            order
            for order in self.orders.values()
            if order.status in OPEN and order.lease is Lease.LONG_OVER and not order.swept
        ]
        over = {order.terms.id for order in stuck if self.late(order)}
        for order in stuck:
            order.swept = True
            if order.terms.id in over:
                order.becomes(OrderStatus.EXPIRED)
                order.fence += 1

        found = self.run(self.store.sweep(self.now, 100))

        assert {event.order_id for event in found.events} == over
        assert sorted(found.back, key=lambda terms: terms.id) == sorted(
            [order.terms for order in stuck if order.terms.id not in over],
            key=lambda terms: terms.id,
        )

    @rule(hours=st.integers(1, 4))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR

    @invariant()
    def the_table_is_as_the_model(self) -> None:
        found = {UUID(each["row"]["id"]): each for each in self.connection.execute(_LOOK)}
        assert found.keys() == self.orders.keys()
        for each, order in found.items():
            row, expected = order["row"], self.orders[each]
            assert (row["status"], row["seq"], row["fence"], row["attempts"]) == (
                expected.status,
                expected.seq,
                expected.fence,
                expected.attempts,
            )
            done = expected.status is OrderStatus.CONFIRMED
            assert order["fills"] == ([expected.terms.amount] if done else [])
            assert order["quotes"] == (2 if done else 0)
            assert order["conflicts"] == len(expected.conflicts)

    @invariant()
    def every_way_is_legal_and_told_without_a_gap(self) -> None:
        for order in self.connection.execute(_LOOK):
            numbers, statuses = zip(*order["events"], strict=True)
            assert list(numbers) == list(range(1, order["row"]["seq"] + 1))
            way = [OrderStatus(status) for status in statuses]
            assert (way[0], way[-1]) == (OrderStatus.PENDING, order["row"]["status"])
            assert all(new in TRANSITIONS[old] for old, new in pairwise(way))

    @invariant()
    def what_is_final_stays_as_it_is(self) -> None:
        for order in self.connection.execute(_LOOK):
            expected = self.orders[UUID(order["row"]["id"])]
            if expected.status.final:
                seen = {name: order[name] for name in ("row", "events", "fills", "quotes")}
                expected.ended_as = expected.ended_as or seen
                assert seen == expected.ended_as


def another(terms: OrderTerms) -> OrderTerms:
    """Another order, that came a second later under the same id."""
    return replace(
        terms, amount=terms.amount + 1, accepted_at=terms.accepted_at + timedelta(seconds=1)
    )


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def test_whatever_happens_to_orders_they_live_as_the_model_says(
    postgres_url: str, loop: asyncio.AbstractEventLoop
) -> None:
    database = Database(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True, row_factory=dict_row) as connection:
        real = {"store": PostgresStore(database), "connection": connection, "loop": loop}
        run_state_machine_as_test(
            type("Real", (Lifecycle,), real),
            settings=settings(
                max_examples=50, stateful_step_count=30, derandomize=True, deadline=None
            ),
        )
    loop.run_until_complete(database.close())
