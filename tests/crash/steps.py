"""The steps of a batch's way through a worker: at each the process can be told to die or to stall.

The ports of the engine and of the handler are wrapped, and do what they do; that is all.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from functools import partial
from uuid import UUID

from sluice.orders.database import Connection, Database
from sluice.orders.model import OrderEvent, OrderTerms
from sluice.orders.port import Claim, Execution, OrderStore, Postponed
from sluice.orders.received import Received
from sluice.orders.redelivery import Redelivery
from sluice.settlement.base import RoutedOrder, Settled, Settlement
from sluice.streaming.publish import Publisher


class Step(StrEnum):
    """In the order of the way. `UNREAD`: Postgres has committed, its answer lies in the socket."""

    RECEIVED = "received"
    CLAIM_BEFORE = "claim-before"
    CLAIM_UNREAD = "claim-unread"
    CLAIM_AFTER = "claim-after"
    TELL_CLAIMED_BEFORE = "tell-claimed-before"
    TELL_CLAIMED_HALF = "tell-claimed-half"
    TELL_CLAIMED_AFTER = "tell-claimed-after"
    SETTLE_BEFORE = "settle-before"
    SETTLE_AFTER = "settle-after"
    RECORD_BEFORE = "record-before"
    RECORD_UNREAD = "record-unread"
    RECORD_AFTER = "record-after"
    TELL_RECORDED_BEFORE = "tell-recorded-before"
    TELL_RECORDED_HALF = "tell-recorded-half"
    TELL_RECORDED_AFTER = "tell-recorded-after"
    RENEW_BEFORE = "renew-before"
    RENEW_AFTER = "renew-after"
    BURY_BEFORE = "bury-before"
    BURY_AFTER = "bury-after"
    VISIBILITY_BEFORE = "visibility-before"
    VISIBILITY_AFTER = "visibility-after"
    DELETE_BEFORE = "delete-before"
    DELETE_HALF = "delete-half"
    DELETE_AFTER = "delete-after"


class Steps:
    """What a worker does at which step of its batch; told anew for each batch."""

    def __init__(self, dying: Callable[[Step], None]) -> None:
        """`dying` hears of the death in time to tell of it."""
        self._dying = dying
        self._dies_at: Step | None = None
        self._stalls: dict[Step, float] = {}

    def plan(self, dies_at: Step | None, stalls: Mapping[Step, float]) -> None:
        """`stalls` are in seconds."""
        self._dies_at, self._stalls = dies_at, dict(stalls)

    def planned(self, step: Step) -> bool:
        """Whether something is to happen at `step`."""
        return step == self._dies_at or step in self._stalls

    def reach(self, step: Step) -> None:
        """Stalls as a frozen process does, with everything in it; and dies without a word."""
        time.sleep(self._stalls.pop(step, 0))
        if step == self._dies_at:
            self._dying(step)
            os.kill(os.getpid(), signal.SIGKILL)


class WatchedDatabase(Database):
    """`Database` that says when an answer has arrived, before anybody reads it."""

    on_answer: Callable[[], None] | None = None
    """Called once, for the next unit of work."""

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Connection]:
        async with super().work() as connection:
            on_answer, self.on_answer = self.on_answer, None
            if on_answer is None:
                yield connection
                return
            loop = asyncio.get_running_loop()
            # A descriptor of our own: psycopg waits for its answer at the other.
            watched = os.dup(connection.fileno())

            def answered() -> None:
                loop.remove_reader(watched)
                on_answer()

            loop.add_reader(watched, answered)
            try:
                yield connection
            finally:
                loop.remove_reader(watched)
                os.close(watched)


class SteppedStore:
    """`OrderStore`: its two commits, each with what comes before, between and after."""

    def __init__(self, store: OrderStore, database: WatchedDatabase, steps: Steps) -> None:
        self._store = store
        self._database = database
        self._steps = steps
        self.claims: list[tuple[str, int]] = []
        """Order and number of each claim that succeeded."""

    async def claim(
        self, terms: Sequence[OrderTerms], now: datetime, lease_seconds: float
    ) -> Claim:
        self._steps.reach(Step.CLAIM_BEFORE)
        self._watch(Step.CLAIM_UNREAD)
        claim = await self._store.claim(terms, now, lease_seconds)
        self.claims += [(str(order.terms.id), order.fence) for order in claim.orders]
        self._steps.reach(Step.CLAIM_AFTER)
        return claim

    async def record(
        self, executions: Sequence[Execution], postponed: Sequence[Postponed] = ()
    ) -> frozenset[UUID]:
        self._steps.reach(Step.RECORD_BEFORE)
        self._watch(Step.RECORD_UNREAD)
        recorded = await self._store.record(executions, postponed)
        self._steps.reach(Step.RECORD_AFTER)
        return recorded

    def _watch(self, step: Step) -> None:
        if self._steps.planned(step):
            self._database.on_answer = partial(self._steps.reach, step)


class SteppedPublisher:
    """`Publisher`: the engine tells twice, of what it claimed and of what it recorded."""

    def __init__(self, publisher: Publisher, steps: Steps) -> None:
        self._publisher = publisher
        self._steps = steps
        self._told_claimed = False

    def begin(self) -> None:
        """A batch begins."""
        self._told_claimed = False

    async def publish(self, events: Sequence[OrderEvent]) -> None:
        before, half, after = (
            (Step.TELL_RECORDED_BEFORE, Step.TELL_RECORDED_HALF, Step.TELL_RECORDED_AFTER)
            if self._told_claimed
            else (Step.TELL_CLAIMED_BEFORE, Step.TELL_CLAIMED_HALF, Step.TELL_CLAIMED_AFTER)
        )
        self._told_claimed = True
        self._steps.reach(before)
        if self._steps.planned(half):
            middle = len(events) // 2
            await self._publisher.publish(events[:middle])
            self._steps.reach(half)
            events = events[middle:]
        await self._publisher.publish(events)
        self._steps.reach(after)


class SteppedSettlement:
    """`Settlement`."""

    def __init__(self, settlement: Settlement, steps: Steps) -> None:
        self._settlement = settlement
        self._steps = steps

    async def settle(self, routed: Sequence[RoutedOrder], budget: float) -> list[Settled]:
        self._steps.reach(Step.SETTLE_BEFORE)
        settled = await self._settlement.settle(routed, budget)
        self._steps.reach(Step.SETTLE_AFTER)
        return settled


class SteppedQueues:
    """`Redelivery`, as the worker's handler uses it."""

    def __init__(self, queues: Redelivery, steps: Steps) -> None:
        self._queues = queues
        self._steps = steps

    def come_again(self, messages: Sequence[tuple[Received, float]]) -> None:
        self._steps.reach(Step.VISIBILITY_BEFORE)
        self._queues.come_again(messages)
        self._steps.reach(Step.VISIBILITY_AFTER)

    def renew(self, message: Received, seconds: float) -> bool:
        self._steps.reach(Step.RENEW_BEFORE)
        renewed = self._queues.renew(message, seconds)
        self._steps.reach(Step.RENEW_AFTER)
        return renewed

    def bury(self, message: Received, error: str) -> bool:
        self._steps.reach(Step.BURY_BEFORE)
        buried = self._queues.bury(message, error)
        self._steps.reach(Step.BURY_AFTER)
        return buried
