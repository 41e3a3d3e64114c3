"""Which route an order takes, and why."""

from dataclasses import replace

import pytest

from sluice.errors import FailReason, Refusal, SwapRefused
from sluice.markets.catalog import Catalog, ListedPool, Pair
from sluice.markets.snapshot import DeadPool, LivePool, Snapshot
from sluice.orders.model import SwapMode
from sluice.routing.route import Route, Wanted
from sluice.routing.router import Router, pair_of
from sluice.venues.base import Address, ChainClock, VenueName
from tests.builders import SOL, USDC
from tests.fakes import FixedPool

CLOCK = ChainClock(7, 1_780_000_000, 926)
JUP = Address("JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN")
SOL_USDC = pair_of(Address(SOL), Address(USDC))
OTHER_MINTS = (JUP, "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263")
OTHER = pair_of(JUP, Address(OTHER_MINTS[1]))
BUY = Wanted(Address(USDC), Address(SOL), 100_000_000, SwapMode.EXACT_IN, 3)


def live(address: str, answer: int | SwapRefused, mints: tuple[str, str] = (SOL, USDC)) -> LivePool:
    ends = Address(mints[0]), Address(mints[1])
    listed = ListedPool(frozenset(ends), VenueName.RAYDIUM_CPMM, Address(address))
    return LivePool(listed, FixedPool(Address(address), ends, answer), CLOCK, 7)


def dead(address: str, pair: Pair = SOL_USDC) -> DeadPool:
    listed = ListedPool(pair, VenueName.METEORA_DLMM, Address(address))
    return DeadPool(listed, "HTTP 503", passing=True)


def gone(address: str, pair: Pair = SOL_USDC) -> DeadPool:
    listed = ListedPool(pair, VenueName.METEORA_DLMM, Address(address))
    return DeadPool(listed, "no such account", passing=False)


def router(snapshot: Snapshot, leg_cost: int = 0) -> Router:
    pools = [pool.listed for pool in snapshot.live] + [pool.listed for pool in snapshot.dead]
    return Router(Catalog((), pools), leg_cost)


def routed_pools(snapshot: Snapshot, wanted: Wanted = BUY) -> list[list[str]]:
    found = router(snapshot).route(wanted, snapshot).route
    assert isinstance(found, Route)
    return [[leg.pool.listed.address for leg in hop.legs] for hop in found.hops]


@pytest.mark.parametrize(
    "wanted", [BUY, replace(BUY, token_in=Address(SOL), token_out=Address(USDC))]
)
def test_the_pool_that_pays_most_wins_on_both_sides(wanted: Wanted) -> None:
    snapshot = Snapshot((live("a", 10), live("b", 12), live("c", 11)), ())

    assert routed_pools(snapshot, wanted) == [["b"]]


def test_exact_out_takes_the_pool_that_asks_least() -> None:
    snapshot = Snapshot((live("a", 80), live("b", 90)), ())

    assert routed_pools(snapshot, replace(BUY, amount=45, mode=SwapMode.EXACT_OUT)) == [["b"]]


def test_refusals_and_dead_venues_are_recorded_beside_the_winner() -> None:
    refused = SwapRefused(Refusal.POOL_DISABLED, "swaps are off")
    snapshot = Snapshot((live("a", refused), live("b", 50)), (dead("c"),))

    quotes = {quote.pool: quote for quote in router(snapshot).route(BUY, snapshot).quotes}

    assert quotes["a"].error == "POOL_DISABLED: swaps are off"
    assert (quotes["b"].amount_out, quotes["b"].leg_out) == (50, 50)
    assert (quotes["c"].error, quotes["c"].slot) == ("HTTP 503", None)


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
        # Who is gone for good does not speak for the market, as long as somebody does.
        (
            Snapshot((live("a", SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY)),), (gone("c"),)),
            FailReason.INSUFFICIENT_LIQUIDITY,
        ),
        (
            Snapshot((live("a", SwapRefused(Refusal.POOL_DISABLED)),), (gone("c"),)),
            FailReason.NO_ROUTE,
        ),
        (Snapshot((), (gone("c"),)), FailReason.VENUES_UNAVAILABLE),
        (Snapshot((), (gone("b"), dead("c"))), FailReason.VENUES_UNAVAILABLE),
        # Of other pairs than the order's none counts, alive or dead.
        (Snapshot((), (dead("c", OTHER),)), FailReason.NO_ROUTE),
        (
            Snapshot((live("a", 10, OTHER_MINTS),), (gone("c"),)),
            FailReason.VENUES_UNAVAILABLE,
        ),
    ],
)
def test_without_a_route_the_reason_is_the_nearest_true_one(
    snapshot: Snapshot, reason: FailReason
) -> None:
    assert router(snapshot).route(BUY, snapshot).route is reason


@pytest.mark.parametrize(
    ("missing", "passing"),
    [((), False), ((gone("c"),), False), ((dead("c", OTHER),), False), ((dead("c"),), True)],
)
@pytest.mark.parametrize("answer", [10, SwapRefused(Refusal.POOL_DISABLED)])
def test_a_passing_fault_of_a_pool_of_the_order_is_told_with_the_route_or_the_reason(
    answer: int | SwapRefused, missing: tuple[DeadPool, ...], passing: bool
) -> None:
    snapshot = Snapshot((live("a", answer),), missing)

    assert router(snapshot).route(BUY, snapshot).passing_faults is passing


JUP_TO_SOL = Wanted(JUP, Address(SOL), 100_000_000, SwapMode.EXACT_IN, 3)
VIA_USDC = (live("jup-usdc", 45_000_000, (JUP, USDC)), live("sol-usdc", 700_000_000))


def test_without_a_pool_of_the_pair_the_route_leads_through_a_hub() -> None:
    snapshot = Snapshot(VIA_USDC, ())
    found = router(snapshot).route(JUP_TO_SOL, snapshot)

    assert isinstance(found.route, Route)
    assert [(h.token_in, h.token_out, h.amount_out) for h in found.route.hops] == [
        (JUP, USDC, 45_000_000),
        (USDC, SOL, 315_000_000),
    ]
    assert [(q.hop, q.pool, q.leg_out) for q in found.quotes] == [
        (0, "jup-usdc", 45_000_000),
        (1, "sol-usdc", 315_000_000),
    ]


def test_a_passing_fault_on_the_way_through_a_hub_counts() -> None:
    snapshot = Snapshot(VIA_USDC, (dead("c", pair_of(JUP, Address(USDC))),))

    assert router(snapshot).route(JUP_TO_SOL, snapshot).passing_faults


def test_exact_out_through_a_hub_asks_the_last_hop_first() -> None:
    snapshot = Snapshot(VIA_USDC, ())
    wanted = replace(JUP_TO_SOL, amount=315_000_000, mode=SwapMode.EXACT_OUT)
    found = router(snapshot).route(wanted, snapshot).route

    assert isinstance(found, Route)
    assert (found.amount_in, found.amount_out) == (100_000_000, 315_000_000)


@pytest.mark.parametrize(("direct", "hops"), [(314_000_000, 2), (316_000_000, 1)])
def test_a_hub_is_taken_only_where_it_pays_more(direct: int, hops: int) -> None:
    snapshot = Snapshot((*VIA_USDC, live("jup-sol", direct, (JUP, SOL))), ())
    found = router(snapshot).route(JUP_TO_SOL, snapshot).route

    assert isinstance(found, Route)
    assert len(found.hops) == hops


def test_what_a_leg_costs_is_counted_against_the_longer_route() -> None:
    # The way through the hub pays a million lamports more, and its second leg costs two.
    snapshot = Snapshot((*VIA_USDC, live("jup-sol", 314_000_000, (JUP, SOL))), ())
    found = router(snapshot, leg_cost=2_000_000).route(JUP_TO_SOL, snapshot).route

    assert isinstance(found, Route)
    assert len(found.hops) == 1


def test_a_leg_is_priced_through_usdc_for_a_token_without_a_sol_pool() -> None:
    # Straight from SOL to JUP pays 7 less than the two hops through USDC, whose second leg costs 9.
    bonk = Address("DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263")
    pools = (
        live("sol-usdc", 10**8),
        live("bonk-sol", 10**8, (bonk, SOL)),
        live("usdc-jup", 10**8, (USDC, JUP)),
        live("bonk-usdc", 10**8, (bonk, USDC)),
        live("bonk-jup", 10**8 - 7, (bonk, JUP)),
    )
    snapshot = Snapshot(pools, ())
    wanted = Wanted(bonk, JUP, 10**8, SwapMode.EXACT_IN, 3)

    def hops(leg_cost: int) -> int:
        found = router(snapshot, leg_cost).route(wanted, snapshot).route
        assert isinstance(found, Route)
        return len(found.hops)

    assert SOL_USDC in router(snapshot, leg_cost=9).pairs(wanted)
    assert (hops(0), hops(9)) == (2, 1)


def test_only_listed_pairs_are_asked_for() -> None:
    snapshot = Snapshot((*VIA_USDC, live("jup-sol", 1, (JUP, SOL))), ())

    assert router(snapshot).pairs(JUP_TO_SOL) == {
        pair_of(JUP, Address(SOL)),
        pair_of(JUP, Address(USDC)),
        SOL_USDC,
    }
    assert router(snapshot).pairs(BUY) == {SOL_USDC}
