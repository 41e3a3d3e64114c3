"""The swaps that are timed: pools of our own from the test data, amounts that reach every depth."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from bench.depth import Depth, depth_of
from sluice.errors import SwapRefused
from sluice.venues.base import ChainClock, Trade, VenueName
from sluice.venues.registry import VENUES
from tests.unit.venues.vectors import PoolVector, load

DIGITS = (10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82)
AMOUNTS = tuple(digits * 10**zeros for zeros in range(2, 14) for digits in DIGITS)
"""Base units paid in, each a fifth more than the one before, so that no depth is stepped over."""
PER_ROW = 8


@dataclass(frozen=True, slots=True)
class Case:
    """One exact-in swap that our quote answers with `amount_out` base units."""

    depth: Depth
    vector: PoolVector
    clock: ChainClock
    trade: Trade
    amount_out: int


@cache
def cases_of(name: VenueName) -> Sequence[Case]:
    """A few swaps of every depth that the venue's pools have, spread over the pools."""
    rows: dict[Depth, list[Case]] = defaultdict(list)
    for vector in load(name):
        for case in _cases(name, vector):
            rows[case.depth].append(case)
    return tuple(case for depth in sorted(rows) for case in _spread(rows[depth]))


def missing() -> list[VenueName]:
    """The venues that are not registered."""
    return [name for name in VenueName if name not in VENUES]


def _cases(name: VenueName, vector: PoolVector) -> list[Case]:
    pool, clock = vector.decode(), vector.cases[0].clock
    found = []
    for mint in pool.mints:
        for amount in AMOUNTS:
            trade = Trade(mint, amount)
            try:
                quote, after = pool.swap(trade, clock)
            except SwapRefused:
                continue
            depth = depth_of(name, vector.accounts, pool, after)
            if depth and quote.amount_out:
                found.append(Case(depth, vector, clock, trade, quote.amount_out))
    return found


def _spread(found: list[Case]) -> list[Case]:
    """Evenly taken from all, which lie pool after pool and amount after amount."""
    count = min(PER_ROW, len(found))
    return [found[index * len(found) // count] for index in range(count)]
