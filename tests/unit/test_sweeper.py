"""What the sweeper puts back, and in which order it does things, over fakes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import pytest

from sluice.errors import QueueUnavailable
from sluice.orders.model import OrderEvent, OrderStatus, OrderTerms
from sluice.orders.port import Swept
from sluice.sweeper import Found, Sweeper
from tests.builders import NOON, buy
from tests.fakes import FakePublisher

NOTHING = Swept((), ())


@dataclass
class FakeStore:
    """Has found what it was given, and knows the orders it was given."""

    swept: Swept = NOTHING
    stored: set[UUID] = field(default_factory=set)

    async def sweep(self, now: datetime, limit: int) -> Swept:
        return self.swept

    async def known(self, ids: Sequence[UUID]) -> frozenset[UUID]:
        return frozenset(self.stored.intersection(ids))


@dataclass
class FakeWaiting:
    """Keeps what waits, and what is due again later."""

    waiting: list[OrderTerms] = field(default_factory=list)
    again: list[OrderTerms] = field(default_factory=list)

    async def due(self, now: datetime, limit: int) -> list[OrderTerms]:
        return self.waiting[:limit]

    async def later(self, terms: Sequence[OrderTerms], now: datetime) -> None:
        self.again += terms
        self.waiting = [one for one in self.waiting if one not in terms]

    async def known(self, ids: Sequence[UUID]) -> None:
        self.waiting = [one for one in self.waiting if one.id not in ids]


@dataclass
class FakeQueue:
    """Keeps what was sent; can be down."""

    down: bool = False
    sent: list[OrderTerms] = field(default_factory=list)

    def send_all(self, terms: Sequence[OrderTerms]) -> None:
        if self.down:
            raise QueueUnavailable("down")
        self.sent += terms


async def test_stuck_orders_and_lost_messages_go_back_to_the_queue() -> None:
    stuck, lost, claimed = buy(), buy(), buy()
    store = FakeStore(Swept((stuck,), ()), {claimed.id})
    waiting, queue = FakeWaiting([lost, claimed]), FakeQueue()

    found = await Sweeper(store, waiting, queue, FakePublisher()).sweep(NOON)

    assert found == Found(stuck=1, unclaimed=1, expired=0)
    assert queue.sent == [stuck, lost]
    # The one is looked at again if it is still not claimed, the other never more.
    assert (waiting.again, waiting.waiting) == ([lost], [])


async def test_what_expired_is_told() -> None:
    late = buy()
    event = OrderEvent(late.id, late.account, 3, OrderStatus.EXPIRED, NOON)
    publisher, queue = FakePublisher(), FakeQueue()

    found = await Sweeper(FakeStore(Swept((), (event,))), FakeWaiting(), queue, publisher).sweep(
        NOON
    )

    assert found == Found(stuck=0, unclaimed=0, expired=1)
    assert (publisher.events, queue.sent) == ([event], [])


async def test_what_cannot_be_sent_is_found_again_later() -> None:
    lost = buy()
    waiting = FakeWaiting([lost])
    sweeper = Sweeper(FakeStore(), waiting, FakeQueue(down=True), FakePublisher())

    with pytest.raises(QueueUnavailable):
        await sweeper.sweep(NOON)

    assert waiting.again == [lost]
