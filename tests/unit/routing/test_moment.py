"""What the orders of a batch share: one snapshot, and what its pools have answered."""

from collections import Counter
from dataclasses import dataclass, field

from sluice.markets.catalog import Catalog, ListedPool
from sluice.markets.snapshot import LivePool, Snapshot
from sluice.orders.model import SwapMode
from sluice.routing.route import Route, Wanted
from sluice.routing.router import Router, pair_of
from sluice.venues.base import Address, ChainClock, Quote, Trade, VenueName
from tests.builders import SOL, USDC
from tests.fakes import FixedPool

ENDS = Address(SOL), Address(USDC)
ORDER = Wanted(Address(USDC), Address(SOL), 100_000_000, SwapMode.EXACT_IN, 3)
CLOCK = ChainClock(7, 1_780_000_000, 926)


@dataclass(frozen=True)
class CountingPool(FixedPool):
    """Counts what it is asked."""

    asked: Counter[int] = field(default_factory=Counter)

    def quote(self, trade: Trade, clock: ChainClock) -> Quote:
        self.asked[trade.amount] += 1
        return super().quote(trade, clock)


def at_one_moment(pool: FixedPool) -> Snapshot:
    listed = ListedPool(pair_of(*ENDS), VenueName.RAYDIUM_CPMM, pool.address)
    return Snapshot((LivePool(listed, pool, CLOCK, 7),), ())


def router(snapshot: Snapshot) -> Router:
    return Router(Catalog((), [pool.listed for pool in snapshot.live]), leg_cost_lamports=5_000)


def test_no_pool_is_asked_the_same_twice_however_many_orders_want_it() -> None:
    pool = CountingPool(Address("a"), ENDS, 700_000_000)
    snapshot = at_one_moment(pool)
    routing = router(snapshot)

    answers = [routing.route(ORDER, snapshot) for _ in range(10)]

    assert answers == [answers[0]] * 10
    assert pool.asked == {ORDER.amount: 1}


def test_nothing_of_one_moment_is_told_of_the_next() -> None:
    before = at_one_moment(FixedPool(Address("a"), ENDS, 700_000_000))
    after = at_one_moment(FixedPool(Address("a"), ENDS, 600_000_000))
    routing = router(before)

    paid = []
    for snapshot in (before, after, before):
        route = routing.route(ORDER, snapshot).route
        assert isinstance(route, Route)
        paid.append(route.amount_out)

    assert paid == [700_000_000, 600_000_000, 700_000_000]
