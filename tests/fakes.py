"""Hand-written stand-ins for the ports."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from sluice.errors import DatabaseUnavailable, StoreRefused, SwapRefused
from sluice.markets.accounts import Fetched, SourceUnavailable
from sluice.markets.clock import CLOCK
from sluice.orders.model import Order, OrderEvent, OrderStatus, OrderTerms
from sluice.orders.port import Claim, Execution, Page, Past, Place, Postponed, Written
from sluice.streaming.frames import Frame
from sluice.streaming.poster import Posted, PostFailed
from sluice.venues.base import (
    Account,
    Accounts,
    Address,
    ChainClock,
    Pool,
    Quote,
    SwapKind,
    Trade,
    VenueName,
)
from sluice.venues.integers import ceil_div
from tests.builders import NOON

PROGRAM = Address("11111111111111111111111111111111")


@dataclass
class FakeClock:
    """Stands still."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at


@dataclass
class FakePublisher:
    """Keeps what was published."""

    events: list[OrderEvent] = field(default_factory=list)

    async def publish(self, events: Sequence[OrderEvent]) -> None:
        self.events += events


@dataclass
class MemoryStore:
    """`OrderStore` in memory; an order whose id is in `busy` is leased by another worker."""

    orders: dict[UUID, Order] = field(default_factory=dict)
    events: dict[UUID, list[OrderEvent]] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    busy: set[UUID] = field(default_factory=set)
    lost: set[UUID] = field(default_factory=set)
    unclaimable: set[UUID] = field(default_factory=set)
    unreadable: set[UUID] = field(default_factory=set)
    unrecordable: set[UUID] = field(default_factory=set)
    postponed: list[Postponed] = field(default_factory=list)

    async def claim(
        self, terms: Sequence[OrderTerms], now: datetime, lease_seconds: float
    ) -> Claim:
        if any(each.id in self.unclaimable for each in terms):
            raise StoreRefused("numeric value out of range")
        if any(each.id in self.unreadable for each in terms):
            raise ValueError("no status of ours")
        ours, finished, events = [], set(), []
        for each in terms:
            if each.id in self.busy:
                continue
            if each.id not in self.orders:
                pending = Order(each, OrderStatus.PENDING, 1)
                begun = OrderEvent(each.id, each.account, 1, OrderStatus.PENDING, each.accepted_at)
                self.orders[each.id], routing = pending.advance(OrderStatus.ROUTING, now)
                self.events[each.id] = [begun, routing]
            if self.orders[each.id].status.final:
                finished.add(each.id)
            else:
                ours.append(self.orders[each.id])
            events += self.events[each.id]
        busy = dict.fromkeys(self.busy, 7.0)
        return Claim(tuple(ours), frozenset(finished), busy, frozenset(), tuple(events))

    async def record(
        self, executions: Sequence[Execution], postponed: Sequence[Postponed] = ()
    ) -> frozenset[UUID]:
        if any(each.order.terms.id in self.unrecordable for each in executions):
            raise StoreRefused("violates a check")
        kept = [e for e in executions if e.order.terms.id not in self.lost]
        self.executions += kept
        for execution in kept:
            order_id = execution.order.terms.id
            for event in execution.events:
                self.orders[order_id], _ = self.orders[order_id].advance(event.status, event.at)
                self.events[order_id].append(event)
        later = [p for p in postponed if p.order.terms.id not in self.lost]
        self.postponed += later
        for one in later:
            self.orders[one.order.terms.id] = replace(one.order, attempts=one.attempts)
        ends: list[Execution | Postponed] = [*kept, *later]
        return frozenset(end.order.terms.id for end in ends)


@dataclass(frozen=True)
class FixedPool:
    """A pool of one price, `answer` for each 100 million that go in; or one that refuses."""

    address: Address
    mints: tuple[Address, Address]
    answer: int | SwapRefused

    @property
    def price_x64(self) -> int:
        return 1 << 64

    def quote(self, trade: Trade, clock: ChainClock) -> Quote:
        if isinstance(self.answer, SwapRefused):
            raise self.answer
        if trade.kind is SwapKind.EXACT_OUT:
            return Quote(ceil_div(trade.amount * 100_000_000, self.answer), trade.amount, ())
        return Quote(trade.amount, trade.amount * self.answer // 100_000_000, ())

    def swap(self, trade: Trade, clock: ChainClock) -> tuple[Quote, Pool]:
        return self.quote(trade, clock), self

    def encode(self, accounts: Accounts) -> dict[Address, Account]:
        return {}


@dataclass
class FakeVenue:
    """A venue of fixed pools that each live in one account."""

    name: VenueName
    pools: dict[Address, FixedPool]
    program: Address = PROGRAM

    def needs(self, pool: Address, accounts: Accounts) -> frozenset[Address]:
        return frozenset({pool})

    def decode(self, pool: Address, accounts: Accounts) -> FixedPool:
        return self.pools[pool]


@dataclass
class FakeSource:
    """Has every account; can be told to be slow or to fail for some, and to change."""

    slow: set[Address] = field(default_factory=set)
    broken: set[Address] = field(default_factory=set)
    calls: list[frozenset[Address]] = field(default_factory=list)
    state: bytes = b""
    moving: bool = False
    slot: int = 7

    async def fetch(self, addresses: Collection[Address]) -> Fetched:
        self.calls.append(frozenset(addresses))
        # As a real one does: who has no time left does not get this far.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if self.slow & set(addresses):
            await asyncio.Event().wait()
        if self.broken & set(addresses):
            raise SourceUnavailable("HTTP 503")
        clock = Account(PROGRAM, bytes(40))
        if self.moving:
            self.state = str(len(self.calls)).encode()
        held = Account(PROGRAM, self.state)
        return Fetched(self.slot, {a: clock if a == CLOCK else held for a in addresses})


@dataclass
class FakePoster:
    """Keeps what each connection was sent; some are gone, some are not open yet, some hang."""

    sent: defaultdict[str, list[Frame]] = field(default_factory=lambda: defaultdict(list))
    gone: set[str] = field(default_factory=set)
    opening: dict[str, int] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    reads: defaultdict[str, asyncio.Event] = field(
        default_factory=lambda: defaultdict(asyncio.Event)
    )
    """Set when a hanging one begins to read."""
    disconnected: list[str] = field(default_factory=list)

    async def post(self, connection_id: str, frame: Frame) -> Posted:
        if connection_id in self.hanging:
            await self.reads[connection_id].wait()
        if connection_id in self.failing:
            raise PostFailed("HTTP 500")
        if connection_id in self.gone:
            return Posted.GONE
        if self.opening.get(connection_id, 0):
            self.opening[connection_id] -= 1
            return Posted.GONE
        self.sent[connection_id].append(frame)
        return Posted.DELIVERED

    async def disconnect(self, connection_id: str) -> None:
        self.disconnected.append(connection_id)


@dataclass
class FakeHistory:
    """Events, each `write` a transaction that is committed at once; or no Postgres for a while."""

    written: list[Written] = field(default_factory=list)
    next_xid: int = 1000
    gone: bool = False

    def write(self, events: Sequence[OrderEvent], at: datetime | None = None) -> None:
        """`at` is when the transaction began, now if it is not said."""
        began = at or datetime.now(UTC)
        self.written += [Written(self.next_xid, began, event) for event in events]
        self.next_xid += 1

    async def snapshot(self) -> str:
        self._answer()
        return f"{self.next_xid}:{self.next_xid}:"

    async def followed(
        self,
        since: str,
        until: str,
        accounts: Collection[str],
        behind: Place | None,
        limit: int,
    ) -> Page:
        self._answer()
        first, end = (int(snapshot.split(":")[0]) for snapshot in (since, until))
        there = sorted(
            (one for one in self.written if first <= one.xid < end), key=lambda one: one.place
        )
        looked_at = [one for one in there if behind is None or one.place > behind][:limit]
        found = tuple(one for one in looked_at if one.event.account in accounts)
        return Page(found, looked_at[-1].place if len(looked_at) == limit else None)

    async def xid_at(self, at: datetime, since: int = 1) -> int:
        self._answer()
        before = max((one.xid for one in self.written if one.at < at), default=0)
        return max(before + 1, since)

    async def events_of(self, account: str, order_id: UUID, after_seq: int) -> Past | None:
        self._answer()
        events = [one.event for one in self.written]
        mine = [e for e in events if (e.order_id, e.account) == (order_id, account)]
        if not mine:
            return None
        return Past(tuple(e for e in mine if e.seq > after_seq), mine[-1].status.final)

    async def over(self, account: str, order_ids: Collection[UUID]) -> Collection[UUID]:
        self._answer()
        ended = (one.event for one in self.written if one.event.status.final)
        return {e.order_id for e in ended if e.account == account and e.order_id in order_ids}

    def _answer(self) -> None:
        if self.gone:
            raise DatabaseUnavailable("it is gone")
