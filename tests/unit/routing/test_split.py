"""The split against brute force, over real pools of every venue."""

from functools import cache
from heapq import nlargest
from itertools import combinations
from random import Random

import pytest

from sluice.markets.catalog import ListedPool
from sluice.markets.snapshot import LivePool
from sluice.routing.split import Asked, best_split
from sluice.venues.base import Address, SwapKind
from tests.builders import SOL, USDC
from tests.unit.venues.vectors import every_pool

MINTS = {SOL, USDC}
LEGS = 3
GRID = 20
FINE = 10
SETS = 1000


def live_pools() -> list[LivePool]:
    """The SOL/USDC pools of the vectors: they stand at about one price."""
    pools = []
    for vector in every_pool():
        pool = vector.decode()
        if set(pool.mints) == MINTS and vector.chain:
            listed = ListedPool(frozenset(pool.mints), vector.venue.name, vector.pool)
            clock = vector.cases[0].clock
            pools.append(LivePool(listed, pool, clock, clock.slot))
    return pools


POOLS = live_pools()


def asked(pools: list[LivePool], side: Address, kind: SwapKind) -> list[Asked]:
    return [Asked(pool, side, kind) for pool in pools]


def brute_force(pools: list[Asked], amount: int, leg_cost: int) -> int | None:
    """The best worth of any set of up to three pools: on a grid, then finely around the best."""
    tried: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = []
    for legs in range(1, min(LEGS, len(pools)) + 1):
        splits = [
            whole(amount, tuple(amount * part // GRID for part in parts[:-1]))
            for parts in compositions(GRID, legs)
        ]
        for places in combinations(range(len(pools)), legs):
            for shares in splits:
                worth = total(pools, places, shares)
                if worth is not None:
                    tried.append((worth - leg_cost * legs, places, shares))
    if not tried:
        return None
    likely = nlargest(3, tried)
    best = likely[0][0]
    for worth, places, shares in likely:
        best = max(best, worth, *finely(pools, amount, places, shares[:-1], leg_cost))
    return best


def whole(amount: int, shares: tuple[int, ...]) -> tuple[int, ...]:
    """`shares`, and what is left of `amount` as the last of them."""
    return (*shares, amount - sum(shares))


def finely(
    pools: list[Asked], amount: int, places: tuple[int, ...], shares: tuple[int, ...], cost: int
) -> list[int]:
    """The worths of all splits near `shares`, in steps ten times finer."""
    step = amount // (GRID * FINE)
    worths = []
    for moves in offsets(len(shares)):
        moved = tuple(share + step * move for share, move in zip(shares, moves, strict=True))
        everything = whole(amount, moved)
        if min(everything) > 0 and (worth := total(pools, places, everything)) is not None:
            worths.append(worth - cost * len(places))
    return worths


def offsets(dimensions: int) -> list[tuple[int, ...]]:
    around = range(-FINE, FINE + 1)
    if dimensions == 0:
        return [()]
    if dimensions == 1:
        return [(one,) for one in around]
    return [(one, other) for one in around for other in around]


@cache
def compositions(parts: int, places: int) -> list[tuple[int, ...]]:
    """All ways to write `parts` as a sum of `places` numbers above zero."""
    if places == 1:
        return [(parts,)]
    return [
        (first, *rest)
        for first in range(1, parts - places + 2)
        for rest in compositions(parts - first, places - 1)
    ]


def total(pools: list[Asked], places: tuple[int, ...], shares: tuple[int, ...]) -> int | None:
    worth = 0
    for place, share in zip(places, shares, strict=True):
        value = pools[place].value(share)
        if value is None:
            return None
        worth += value
    return worth


@pytest.mark.no_cover
@pytest.mark.parametrize("block", range(4))
def test_a_thousand_splits_are_within_a_basis_points_hundredth_of_brute_force(block: int) -> None:
    rng = Random(block)
    for _ in range(SETS // 4):
        pools = rng.sample(POOLS, rng.randint(1, min(12, len(POOLS))))
        side = Address(rng.choice((SOL, USDC)))
        kind = rng.choice((SwapKind.EXACT_IN, SwapKind.EXACT_OUT))
        amount = int(10 ** rng.uniform(4, 13))
        leg_cost = rng.choice((0, 0, 5_000, 500_000))

        found = best_split(asked(pools, side, kind), amount, LEGS, leg_cost)
        best = brute_force(asked(pools, side, kind), amount, leg_cost)

        if best is None:
            assert found is None
            continue
        assert found is not None
        assert sum(found.shares.values()) == amount
        assert len(found.shares) <= LEGS
        # A unit of rounding a leg is chance, not choice.
        allowed = max(LEGS, abs(best) // 10_000)
        assert best - found.worth <= allowed, (pools, side, kind, amount, leg_cost)


def test_a_split_is_never_worth_less_than_the_best_single_pool() -> None:
    rng = Random(7)
    for _ in range(300):
        pools = rng.sample(POOLS, rng.randint(1, min(12, len(POOLS))))
        side, kind = Address(rng.choice((SOL, USDC))), rng.choice(tuple(SwapKind)[:2])
        amount = int(10 ** rng.uniform(0, 14))

        found = best_split(asked(pools, side, kind), amount, LEGS, 0)
        singles = [one.value(amount) for one in asked(pools, side, kind)]

        worths = [worth for worth in singles if worth is not None]
        assert not worths or (found is not None and found.worth >= max(worths))


def test_with_one_leg_allowed_the_best_single_pool_is_taken() -> None:
    pools = asked(POOLS, Address(USDC), SwapKind.EXACT_IN)

    found = best_split(pools, 10**11, 1, 0)

    assert found is not None
    assert found.shares.keys() == {
        max(range(len(pools)), key=lambda i: pools[i].value(10**11) or 0)
    }


def test_a_leg_that_costs_more_than_it_gains_is_left_out() -> None:
    pools = asked(POOLS, Address(USDC), SwapKind.EXACT_IN)

    free, dear = best_split(pools, 10**12, LEGS, 0), best_split(pools, 10**12, LEGS, 10**15)

    assert free is not None
    assert dear is not None
    assert len(free.shares) > len(dear.shares) == 1
