"""Which pool an order is routed to, and why."""

import pytest

from sluice.errors import FailReason, Refusal, SwapRefused
from sluice.markets.catalog import ListedPool
from sluice.markets.snapshot import DeadPool, LivePool, Snapshot
from sluice.orders.model import OrderTerms, OrderType, Side
from sluice.routing.best import Route, best_route
from sluice.venues.base import Address, ChainClock, VenueName
from tests.builders import NOON, SOL, USDC, buy
from tests.fakes import FixedPool

PAIR = frozenset({Address(SOL), Address(USDC)})
CLOCK = ChainClock(7, 1_780_000_000, 926)


def live(address: str, answer: int | SwapRefused) -> LivePool:
    pool = FixedPool(Address(address), (Address(SOL), Address(USDC)), answer)
    listed = ListedPool(PAIR, VenueName.RAYDIUM_CPMM, Address(address))
    return LivePool(listed, pool, CLOCK, 7)


def dead(address: str) -> DeadPool:
    return DeadPool(ListedPool(PAIR, VenueName.METEORA_DLMM, Address(address)), "HTTP 503")


def sell() -> OrderTerms:
    order = buy()
    return OrderTerms(
        order.id, "alice", OrderType.MARKET, Side.SELL, SOL, USDC, order.amount_in, NOON
    )


@pytest.mark.parametrize("terms", [buy(), sell()], ids=["BUY", "SELL"])
def test_the_pool_that_pays_most_wins_on_both_sides(terms: OrderTerms) -> None:
    routed = best_route(terms, Snapshot((live("a", 10), live("b", 12), live("c", 11)), ()))

    assert isinstance(routed.route, Route)
    assert routed.route.pool.listed.address == "b"
    assert {(q.pool, q.amount_out) for q in routed.quotes} == {("a", 10), ("b", 12), ("c", 11)}


def test_equal_payouts_are_decided_by_address() -> None:
    routed = best_route(buy(), Snapshot((live("z", 10), live("a", 10)), ()))

    assert isinstance(routed.route, Route)
    assert routed.route.pool.listed.address == "a"


def test_refusals_and_dead_venues_are_recorded_beside_the_winner() -> None:
    refused = SwapRefused(Refusal.POOL_DISABLED, "swaps are off")
    routed = best_route(buy(), Snapshot((live("a", refused), live("b", 1)), (dead("c"),)))

    assert isinstance(routed.route, Route)
    assert {(q.pool, q.error) for q in routed.quotes if q.error} == {
        ("a", "POOL_DISABLED: swaps are off"),
        ("c", "HTTP 503"),
    }


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        (Snapshot((), ()), FailReason.NO_ROUTE),
        (Snapshot((live("a", SwapRefused(Refusal.POOL_DISABLED)),), ()), FailReason.NO_ROUTE),
        (
            Snapshot((live("a", SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY)),), ()),
            FailReason.INSUFFICIENT_LIQUIDITY,
        ),
        # Whoever did not answer might have paid.
        (
            Snapshot((live("a", SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY)),), (dead("c"),)),
            FailReason.VENUES_UNAVAILABLE,
        ),
    ],
)
def test_without_a_route_the_reason_is_the_nearest_true_one(
    snapshot: Snapshot, reason: FailReason
) -> None:
    assert best_route(buy(), snapshot).route is reason
