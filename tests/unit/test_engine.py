"""The way of an order through the engine, over fakes."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count, cycle
from typing import Any

import pytest

from sluice.engine import Again, Deadline, Engine
from sluice.errors import FailReason, Refusal, SwapRefused
from sluice.markets.accounts import Fetched
from sluice.markets.catalog import Catalog, ListedPool
from sluice.markets.snapshot import Market, Snapshot
from sluice.markets.tokens import Token
from sluice.orders.model import OrderStatus, SwapMode
from sluice.routing.route import Routed, Wanted
from sluice.routing.router import Router
from sluice.settlement.base import RoutedOrder, Settled, Settlement
from sluice.settlement.paper import PaperSettlement, paper_reference
from sluice.venues.base import Accounts, Address, ChainClock, Quote, Trade, VenueName
from tests.builders import NOON, SOL, USDC, buy, seqs
from tests.fakes import (
    FakeClock,
    FakePublisher,
    FakeSource,
    FakeVenue,
    FixedPool,
    MemoryStore,
)

PAIR = frozenset({Address(SOL), Address(USDC)})
TOKENS = (Token("SOL", Address(SOL), 9), Token("USDC", Address(USDC), 6))
CPMM, DLMM = Address("cpmm"), Address("dlmm")
WAY = [OrderStatus.PENDING, OrderStatus.ROUTING, OrderStatus.SUBMITTED, OrderStatus.CONFIRMED]


class House:
    """An engine over two venues, and everything around it."""

    def __init__(
        self,
        cpmm: int | SwapRefused,
        dlmm: int | SwapRefused,
        source: FakeSource | None = None,
        router: type[Router] = Router,
    ) -> None:
        self.store, self.publisher, self.clock = MemoryStore(), FakePublisher(), FakeClock()
        self.source = source or FakeSource(moving=True)
        answers = {VenueName.RAYDIUM_CPMM: (CPMM, cpmm), VenueName.METEORA_DLMM: (DLMM, dlmm)}
        self.venues = {
            name: FakeVenue(
                name, {address: FixedPool(address, (Address(SOL), Address(USDC)), answer)}
            )
            for name, (address, answer) in answers.items()
        }
        pools = [ListedPool(PAIR, name, address) for name, (address, _) in answers.items()]
        catalog = Catalog(TOKENS, pools)
        self.market = Market(
            catalog,
            self.venues,
            self.source,
            venue_timeout=5,
            monotonic=count().__next__,
            wall=lambda: 0.0,
        )
        self.router, self.catalog = router(catalog, leg_cost_lamports=0), catalog
        self.engine = self.executing(PaperSettlement(self.market))

    def executing(self, settlement: Settlement) -> Engine:
        """An engine that settles so; its jitter is always the most there may be."""
        return Engine(
            self.store,
            self.market,
            self.router,
            self.catalog,
            settlement,
            self.publisher,
            self.clock,
            lease_seconds=60,
            jitter=lambda choices: choices - 1,
        )


def deadline() -> Deadline:
    return Deadline(30)


async def test_a_batch_is_filled_on_the_venue_that_pays_most() -> None:
    house = House(cpmm=800_000_000, dlmm=790_000_000)
    orders = [buy(), buy()]

    outcome = await house.engine.execute(orders, deadline())

    assert outcome.done == {order.id for order in orders}
    assert outcome.retry == {}
    for execution, order in zip(house.store.executions, orders, strict=True):
        (fill,) = execution.fills
        assert (fill.venue, fill.amount_in, fill.amount_out) == (
            VenueName.RAYDIUM_CPMM,
            100_000_000,
            800_000_000,
        )
        assert fill.reference == paper_reference(order.id)
        assert execution.events[-1].outcome.execution_price == Decimal(125)
        assert len(execution.quotes) == 2


async def test_every_status_change_is_published_once_and_in_order() -> None:
    house = House(cpmm=800_000_000, dlmm=790_000_000)
    orders = [buy(), buy()]

    await house.engine.execute(orders, deadline())

    for order in orders:
        told = [event for event in house.publisher.events if event.order_id == order.id]
        assert [event.status for event in told] == WAY
        assert seqs(told) == [1, 2, 3, 4]


async def test_a_failing_venue_does_not_stop_the_order() -> None:
    house = House(cpmm=800_000_000, dlmm=790_000_000)
    house.source.broken = {CPMM}

    await house.engine.execute([buy()], deadline())

    (execution,) = house.store.executions
    assert execution.fills[0].venue == VenueName.METEORA_DLMM
    assert {(q.pool, q.error) for q in execution.quotes if q.error} == {(CPMM, "HTTP 503")}


async def test_an_order_without_a_route_fails_with_its_reason_and_no_fill() -> None:
    refused = SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY)
    house = House(cpmm=refused, dlmm=refused)

    await house.engine.execute([buy()], deadline())

    (execution,) = house.store.executions
    assert execution.fills == ()
    assert [(e.status, e.outcome.reason) for e in execution.events] == [
        (OrderStatus.FAILED, FailReason.INSUFFICIENT_LIQUIDITY)
    ]


async def test_the_fill_is_what_the_pool_pays_when_it_is_filled_not_when_it_was_quoted() -> None:
    house = House(cpmm=800_000_000, dlmm=1)

    class Moving(FakeVenue):
        def decode(self, pool: Address, accounts: Accounts) -> FixedPool:
            now = self.pools[pool]
            self.pools[pool] = FixedPool(pool, now.mints, 797_000_000)
            return now

    before = house.venues[VenueName.RAYDIUM_CPMM]
    house.venues[VenueName.RAYDIUM_CPMM] = Moving(before.name, before.pools)

    await house.engine.execute([buy()], deadline())

    (execution,) = house.store.executions
    assert max(quote.amount_out or 0 for quote in execution.quotes) == 800_000_000
    assert execution.fills[0].amount_out == 797_000_000


def sliding(house: House, *later: int | SwapRefused) -> None:
    """From now on the best pool answers 800 million, then as told, and so on in turn."""
    answers = cycle((800_000_000, *later))

    class Sliding(FakeVenue):
        def decode(self, pool: Address, accounts: Accounts) -> FixedPool:
            return FixedPool(pool, self.pools[pool].mints, next(answers))

    before = house.venues[VenueName.RAYDIUM_CPMM]
    house.venues[VenueName.RAYDIUM_CPMM] = Sliding(before.name, before.pools)


@pytest.mark.parametrize(
    ("moved", "reason"),
    [
        (795_999_999, FailReason.SLIPPAGE_EXCEEDED),
        (SwapRefused(Refusal.POOL_DISABLED), FailReason.NO_ROUTE),
        (SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY), FailReason.INSUFFICIENT_LIQUIDITY),
    ],
)
async def test_an_order_whose_price_moved_is_routed_three_times_more_and_then_fails(
    moved: int | SwapRefused, reason: FailReason
) -> None:
    house = House(cpmm=800_000_000, dlmm=1)
    sliding(house, moved)
    order = buy()

    waits = [(await house.engine.execute([order], deadline())).retry[order.id] for _ in range(3)]
    last = await house.engine.execute([order], deadline())

    assert waits == [Again(reason, seconds) for seconds in (2, 4, 7)]
    assert [p.attempts for p in house.store.postponed] == [1, 2, 3]
    assert all(p.quotes for p in house.store.postponed)
    assert last.done == {order.id}
    (execution,) = house.store.executions
    assert [(e.seq, e.status, e.outcome.reason) for e in execution.events] == [
        (3, OrderStatus.FAILED, reason)
    ]
    assert execution.fills == ()


async def test_an_order_whose_price_moved_back_is_filled() -> None:
    house = House(cpmm=800_000_000, dlmm=1)
    sliding(house, 1, 800_000_000, 800_000_000)
    order = buy()
    await house.engine.execute([order], deadline())

    outcome = await house.engine.execute([order], deadline())

    assert outcome.done == {order.id}
    assert house.store.executions[0].fills[0].amount_out == 800_000_000


async def test_what_is_worse_than_the_limit_at_once_fails_at_once() -> None:
    house = House(cpmm=800_000_000, dlmm=1)

    await house.engine.execute([replace(buy(), limit_price=Decimal(1))], deadline())

    assert house.store.postponed == []
    assert house.store.executions[0].events[0].outcome.reason is FailReason.PRICE_LIMIT


@pytest.mark.parametrize("change", [{"limit_price": Decimal(1)}, {}])
async def test_venues_that_cannot_be_asked_are_no_verdict_on_the_market(
    change: dict[str, Any],
) -> None:
    house = House(cpmm=800_000_000, dlmm=790_000_000)
    house.source.broken = {CPMM} if change else {CPMM, DLMM}
    order = replace(buy(), **change)

    waits = [(await house.engine.execute([order], deadline())).retry[order.id] for _ in range(3)]
    await house.engine.execute([order], deadline())

    assert {again.why for again in waits} == {FailReason.VENUES_UNAVAILABLE}
    (execution,) = house.store.executions
    assert execution.events[0].outcome.reason is FailReason.VENUES_UNAVAILABLE


async def test_an_order_that_expires_before_it_is_settled_is_not_settled() -> None:
    class Slow(FakeSource):
        async def fetch(self, addresses: Collection[Address]) -> Fetched:
            house.clock.at = NOON + timedelta(seconds=1)
            return await super().fetch(addresses)

    house = House(cpmm=800_000_000, dlmm=1, source=Slow(moving=True))
    order = replace(buy(), expires_at=NOON + timedelta(seconds=1))

    outcome = await house.engine.execute([order], deadline())

    assert outcome.done == {order.id}
    (execution,) = house.store.executions
    assert [event.status for event in execution.events] == [OrderStatus.EXPIRED]
    assert execution.fills == ()


async def test_an_order_that_breaks_our_routing_fails_alone_and_as_our_fault() -> None:
    class Brittle(Router):
        def route(self, wanted: Wanted, snapshot: Snapshot) -> Routed:
            if wanted.mode is SwapMode.EXACT_OUT:
                raise ZeroDivisionError
            return super().route(wanted, snapshot)

    house = House(cpmm=800_000_000, dlmm=1, router=Brittle)
    bad, good = replace(buy(), swap_mode=SwapMode.EXACT_OUT), buy()
    for _ in range(4):
        await house.engine.execute([bad, good], deadline())

    ends = {e.order.terms.id: e.events[-1] for e in house.store.executions}
    assert ends[good.id].status is OrderStatus.CONFIRMED
    assert (ends[bad.id].status, ends[bad.id].outcome.reason) == (
        OrderStatus.FAILED,
        FailReason.INTERNAL,
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"limit_price": Decimal("124.99")}, FailReason.PRICE_LIMIT),
        ({"limit_price": Decimal(125)}, None),
        ({"min_amount_out": 800_000_001}, FailReason.SLIPPAGE_EXCEEDED),
        ({"min_amount_out": 800_000_000}, None),
    ],
)
async def test_the_clients_own_limits_hold(
    changes: dict[str, Any], reason: FailReason | None
) -> None:
    house = House(cpmm=800_000_000, dlmm=1)

    await house.engine.execute([replace(buy(), **changes)], deadline())

    (execution,) = house.store.executions
    assert execution.events[-1].outcome.reason is reason


async def test_an_exact_out_order_takes_the_least_and_pays_exactly_what_was_asked() -> None:
    house = House(cpmm=800_000_000, dlmm=790_000_000)
    order = replace(buy(amount=400_000_000), swap_mode=SwapMode.EXACT_OUT)

    await house.engine.execute([order], deadline())

    (fill,) = house.store.executions[0].fills
    assert (fill.venue, fill.amount_in, fill.amount_out) == (
        VenueName.RAYDIUM_CPMM,
        50_000_000,
        400_000_000,
    )


async def test_an_order_too_small_to_pay_anything_fails_alone() -> None:
    house = House(cpmm=1, dlmm=1)
    dust, good = buy(amount=1), buy(amount=100_000_000)

    outcome = await house.engine.execute([dust, good], deadline())

    assert outcome.done == {dust.id, good.id}
    ends = {e.order.terms.id: e.events[-1].status for e in house.store.executions}
    assert ends == {dust.id: OrderStatus.FAILED, good.id: OrderStatus.CONFIRMED}


@pytest.mark.parametrize("broken", ["decode", "quote"])
async def test_a_pool_that_breaks_our_code_does_not_stop_the_orders(broken: str) -> None:
    house = House(cpmm=800_000_000, dlmm=790_000_000)

    class BrokenPool(FixedPool):
        def quote(self, trade: Trade, clock: ChainClock) -> Quote:
            raise ZeroDivisionError

    class Broken(FakeVenue):
        def decode(self, pool: Address, accounts: Accounts) -> FixedPool:
            if broken == "decode":
                raise IndexError
            return BrokenPool(pool, self.pools[pool].mints, 1)

    before = house.venues[VenueName.RAYDIUM_CPMM]
    house.venues[VenueName.RAYDIUM_CPMM] = Broken(before.name, before.pools)

    await house.engine.execute([buy()], deadline())

    (execution,) = house.store.executions
    assert execution.fills[0].venue == VenueName.METEORA_DLMM
    (error,) = [quote.error for quote in execution.quotes if quote.error]
    assert "Error" in error


@pytest.mark.parametrize("sound", [0, 1])
async def test_where_our_quotes_break_that_is_our_fault_and_never_the_markets(sound: int) -> None:
    """`sound` quotes are given before they break: none, or just that which decides."""
    house = House(cpmm=800_000_000, dlmm=SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY))

    class BrokenPool(FixedPool):
        def quote(self, trade: Trade, clock: ChainClock) -> Quote:
            given.append(trade)
            if len(given) > sound:
                raise ZeroDivisionError
            return super().quote(trade, clock)

    given: list[Trade] = []
    pools = house.venues[VenueName.RAYDIUM_CPMM].pools
    pools[CPMM] = BrokenPool(CPMM, pools[CPMM].mints, 800_000_000)
    order = replace(buy(), max_splits=1)

    for _ in range(3):
        given.clear()
        outcome = await house.engine.execute([order], deadline())
        assert outcome.retry[order.id].why == FailReason.INTERNAL
    given.clear()
    await house.engine.execute([order], deadline())

    (execution,) = house.store.executions
    assert execution.events[-1].outcome.reason is FailReason.INTERNAL


async def test_orders_whose_time_runs_out_come_again_and_do_not_fail() -> None:
    house = House(cpmm=800_000_000, dlmm=1)
    order = buy()
    seconds = count(step=Deadline.MARGIN_SECONDS)

    # There is time to claim it, and none any more when venues are to be asked.
    outcome = await house.engine.execute(
        [order], Deadline(2 * Deadline.MARGIN_SECONDS + 1, lambda: next(seconds))
    )

    assert outcome.retry == {order.id: Again("out of time", 0)}
    assert house.store.executions == []
    assert [p.attempts for p in house.store.postponed] == [0]


@pytest.mark.parametrize("when", ["claimed", "recorded"])
async def test_an_order_that_cannot_be_stored_does_not_take_its_batch_along(when: str) -> None:
    house = House(cpmm=800_000_000, dlmm=1)
    bad, good = buy(), buy()
    refused = house.store.unclaimable if when == "claimed" else house.store.unrecordable
    refused.add(bad.id)

    outcome = await house.engine.execute([bad, good], deadline())

    assert outcome.done == {good.id}
    assert list(outcome.retry) == [bad.id]
    assert [e.order.terms.id for e in house.store.executions] == [good.id]


async def test_an_order_that_breaks_claiming_does_not_take_its_batch_along() -> None:
    house = House(cpmm=800_000_000, dlmm=1)
    bad, good = buy(), buy()
    house.store.unreadable.add(bad.id)

    outcome = await house.engine.execute([bad, good], deadline())

    assert outcome.done == {good.id}
    assert outcome.retry == {bad.id: Again("ValueError: no status of ours", broken=True)}


async def test_an_order_that_breaks_settling_fails_alone_and_is_given_up() -> None:
    house = House(cpmm=800_000_000, dlmm=1)
    bad, good = buy(amount=7_000_000), buy()

    class Brittle(PaperSettlement):
        async def settle(self, routed: Sequence[RoutedOrder], budget: float) -> list[Settled]:
            if any(one.order.terms == bad for one in routed):
                raise ZeroDivisionError
            return await super().settle(routed, budget)

    outcome = await house.executing(Brittle(house.market)).execute([bad, good], deadline())

    assert outcome.done == {good.id}
    assert outcome.retry == {bad.id: Again("ZeroDivisionError: ", broken=True)}
    # Its lease is given back: it comes again before one would be over, up to the last time.
    assert [(p.order.terms.id, p.seconds) for p in house.store.postponed] == [(bad.id, 0)]


async def test_without_time_nothing_is_claimed() -> None:
    house = House(cpmm=800_000_000, dlmm=1)
    order = buy()

    outcome = await house.engine.execute([order], Deadline(Deadline.MARGIN_SECONDS))

    assert outcome.retry == {order.id: Again("out of time", 0)}
    assert house.store.orders == {}


async def test_an_order_that_comes_twice_is_executed_once_and_told_again() -> None:
    house = House(cpmm=800_000_000, dlmm=1)
    order = buy()
    await house.engine.execute([order], deadline())

    again = await house.engine.execute([order], deadline())

    assert again.done == {order.id}
    assert len(house.store.executions) == 1
    # The first worker may have died between its commit and its publish.
    assert [event.status for event in house.publisher.events] == WAY + WAY


async def test_a_busy_order_comes_again() -> None:
    house = House(cpmm=1, dlmm=1)
    order = buy()
    house.store.busy = {order.id}

    outcome = await house.engine.execute([order], deadline())

    assert outcome.retry == {order.id: Again("at work elsewhere, or waiting", 7.0)}
    assert house.store.executions == []


async def test_an_order_whose_lease_was_lost_comes_again_and_nothing_of_it_is_told() -> None:
    house = House(cpmm=1, dlmm=1)
    order = buy()
    house.store.lost = {order.id}

    outcome = await house.engine.execute([order], deadline())

    assert outcome.done == frozenset()
    assert list(outcome.retry) == [order.id]
    assert seqs(house.publisher.events) == [1, 2]


def test_a_paper_reference_is_the_same_for_an_order_and_for_no_other() -> None:
    order, other = buy(), buy()

    assert len({paper_reference(order.id) for _ in range(2)}) == 1
    assert paper_reference(order.id) != paper_reference(other.id)
    assert paper_reference(order.id).startswith("paper-")
