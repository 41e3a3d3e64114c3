"""What the engine asks of a store of orders, and what passes between the two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from .model import Fill, Order, OrderEvent, OrderStatus, OrderTerms, Side, VenueQuote


@dataclass(frozen=True, slots=True)
class Claim:
    """What a batch's claim found.

    `orders` are ours to execute. `finished` are final, some by this very claim: it came too late,
    or they were claimed too often. `busy` are leased by another worker, or wait for their next
    routing, for so many seconds. `conflicts` came with other terms than the order of that id has.
    `events` are all events of `orders` and `finished`: whoever claimed them before may have died
    between its commit and its publish. `disputed` are `conflicts` as they are stored: those of
    `orders` and `finished`.
    """

    orders: tuple[Order, ...]
    finished: frozenset[UUID]
    busy: Mapping[UUID, float]
    conflicts: frozenset[UUID]
    events: tuple[OrderEvent, ...]
    disputed: tuple[OrderTerms, ...] = ()


@dataclass(frozen=True, slots=True)
class Execution:
    """What a claimed order came to: its new events, with the quotes and fills behind them."""

    order: Order
    events: tuple[OrderEvent, ...]
    quotes: tuple[VenueQuote, ...]
    fills: tuple[Fill, ...] = ()


@dataclass(frozen=True, slots=True)
class Postponed:
    """A claimed order that is given back: it may be claimed again in so many seconds.

    `attempts` is how often it now was routed in vain, `quotes` are what the last time was like.
    `broken`: what it came to could not be stored.
    """

    order: Order
    seconds: float
    attempts: int
    why: str
    quotes: tuple[VenueQuote, ...] = ()
    broken: bool = False

    @property
    def events(self) -> tuple[OrderEvent, ...]:
        """None: its status stays."""
        return ()


@dataclass(frozen=True, slots=True)
class Swept:
    """What the sweeper found: orders to be put back in the queue, and events of those it ended."""

    back: tuple[OrderTerms, ...]
    events: tuple[OrderEvent, ...]


Snapshot = str
"""Which transactions had committed at a moment, as Postgres writes it: "xmin:xmax:running,..."."""

Place = tuple[int, UUID, int]
"""Where an event stands among all: its transaction, its order, its seq."""


@dataclass(frozen=True, slots=True)
class Written:
    """An event as a follower reads it: the number of its transaction, and when that began."""

    xid: int
    at: datetime
    event: OrderEvent

    @property
    def place(self) -> Place:
        return self.xid, self.event.order_id, self.event.seq


@dataclass(frozen=True, slots=True)
class Page:
    """A part of what there was to read; `behind` is where the next begins, None after the last."""

    written: tuple[Written, ...]
    behind: Place | None


@dataclass(frozen=True, slots=True)
class Past:
    """An order's events behind one; `final`: none can come any more."""

    events: tuple[OrderEvent, ...]
    final: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """Which orders of an account are asked for; None asks for all. From `since`, before `until`."""

    statuses: Sequence[OrderStatus] | None = None
    side: Side | None = None
    token_in: str | None = None
    token_out: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class OrderStore(Protocol):
    """What the engine asks of a store."""

    async def claim(
        self, terms: Sequence[OrderTerms], now: datetime, lease_seconds: float
    ) -> Claim: ...

    async def record(
        self, executions: Sequence[Execution], postponed: Sequence[Postponed] = ()
    ) -> frozenset[UUID]: ...
