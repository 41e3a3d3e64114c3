"""What nobody is at work on goes back to the queue: orders stuck half way, and lost messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sluice.observability import logger
from sluice.orders.model import OrderTerms
from sluice.orders.port import Swept
from sluice.streaming.publish import Publisher

LIMIT = 500
"""Orders looked at in one go; a backlog is worked off minute by minute."""


class Stuck(Protocol):
    """What the sweeper asks of the store; see `PostgresStore`."""

    async def sweep(self, now: datetime, limit: int) -> Swept: ...

    async def known(self, ids: Sequence[UUID]) -> frozenset[UUID]: ...


class Waiting(Protocol):
    """Orders that were accepted and not claimed so far; see `WaitingOrders`."""

    async def due(self, now: datetime, limit: int) -> list[OrderTerms]: ...

    async def later(self, terms: Sequence[OrderTerms], now: datetime) -> None: ...

    async def known(self, ids: Sequence[UUID]) -> None: ...


class Queue(Protocol):
    """Where orders are sent to be worked on; see `SqsOrderQueue`."""

    def send_all(self, terms: Sequence[OrderTerms]) -> None: ...


@dataclass(frozen=True, slots=True)
class Found:
    """How many orders a round put back: stuck ones, and unclaimed ones whose message may be lost.

    `expired` ended here.
    """

    stuck: int
    unclaimed: int
    expired: int


class Sweeper:
    """One look at everything; several at once do no harm."""

    def __init__(self, store: Stuck, waiting: Waiting, queue: Queue, publisher: Publisher) -> None:
        self._store = store
        self._waiting = waiting
        self._queue = queue
        self._publisher = publisher

    async def sweep(self, now: datetime) -> Found:
        """Raises `DatabaseUnavailable`, and `QueueUnavailable`: the next minute comes.

        What is due again is noted before it is sent: should this process die between, the order is
        found again after twice the time.
        """
        swept = await self._store.sweep(now, LIMIT)
        await self._publisher.publish(swept.events)
        self._send(swept.back, "stuck")
        due = await self._waiting.due(now, LIMIT)
        stored = await self._store.known([terms.id for terms in due]) if due else frozenset()
        # Claimed, but whoever claimed them could not say so.
        await self._waiting.known(list(stored))
        lost = [terms for terms in due if terms.id not in stored]
        await self._waiting.later(lost, now)
        self._send(lost, "never claimed")
        return Found(len(swept.back), len(lost), len(swept.events))

    def _send(self, orders: Sequence[OrderTerms], why: str) -> None:
        if orders:
            ids = [str(terms.id) for terms in orders]
            logger.warning("orders put back", extra={"order_ids": ids, "why": why})
            self._queue.send_all(orders)
