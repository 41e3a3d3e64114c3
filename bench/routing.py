"""What the best split of an order costs, and what it is worth beside the best single pool."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from statistics import mean, median, quantiles
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from sluice.markets.catalog import ListedPool
from sluice.markets.snapshot import LivePool
from sluice.routing.router import SOL, USDC
from sluice.routing.split import Asked, Split, best_split
from sluice.venues.base import SwapKind
from tests.unit.venues.vectors import PoolVector, every_pool

from .compare import Row, rendered
from .timing import millis

POOLS: Final = (2, 6, 12)
SIZES: Final = (1, 100, 3_000)
"""SOL: what any pool takes, what is worth splitting, and what drains the smaller pools."""
LAMPORTS: Final = 10**9
WAYS: Final = {"sell": (SOL, SwapKind.EXACT_IN), "buy": (USDC, SwapKind.EXACT_OUT)}
MAX_LEGS: Final = 3
SETS = 20
GOAL_MILLIS: Final = 5.0
WARM_RUNS, FIRST_RUNS = 25, 5
"""Splits timed of each set of pools: kept from the run before, and just decoded."""


@dataclass(frozen=True, slots=True)
class SplitRow:
    """Splits of `sol` over sets of `pools`, in milliseconds.

    `gain` is the mean worth beside the best single pool, in basis points; `quotes` is how many
    times as long the median takes as one quote of every pool.
    """

    pools: int
    way: str
    sol: int
    p50: float
    p99: float
    first_p50: float
    first_p99: float
    gain: float
    quotes: float


def run(console: Console) -> dict[str, Any]:
    """Prints the table, and returns the same."""
    vectors = [vector for vector in every_pool() if _is_sol_usdc(vector)]
    with console.status("splits"):
        rows = [_row(vectors, pools, way, sol) for pools in POOLS for way in WAYS for sol in SIZES]
    _show(console, rows, len(vectors))
    return {"rows": [rendered(_slowest(rows))], "splits": [_rendered(row) for row in rows]}


def _slowest(rows: Sequence[SplitRow]) -> Row:
    most = [row for row in rows if row.pools == max(POOLS)]
    name = f"best split of {max(POOLS)} pools just decoded, ms of the slowest order"
    # The median: a busy machine takes its turns out of the slowest of a hundred.
    return Row(name, max(row.first_p50 for row in most), limit=GOAL_MILLIS)


def _is_sol_usdc(vector: PoolVector) -> bool:
    """Those that are swapped on from state to state stand at about one price."""
    return bool(vector.chain) and set(vector.decode().mints) == {SOL, USDC}


def _row(vectors: Sequence[PoolVector], pools: int, way: str, sol: int) -> SplitRow:
    warm: list[float] = []
    first: list[float] = []
    gains: list[float] = []
    singles: list[float] = []
    for place in range(SETS):
        chosen = _mixed(vectors, place)[:pools]
        first += [millis(_split(_live(chosen), way, sol)) for _ in range(FIRST_RUNS)]
        live = _live(chosen)
        split = _split(live, way, sol)
        gains.append(_gain(split(), _values(live, way, sol)))
        for _ in range(WARM_RUNS):
            warm.append(millis(split))
            singles.append(millis(partial(_values, live, way, sol)))
    p50, p99 = _percentiles(warm)
    return SplitRow(
        pools, way, sol, p50, p99, *_percentiles(first), mean(gains), p50 / median(singles)
    )


def _mixed(vectors: Sequence[PoolVector], seed: int) -> list[PoolVector]:
    """All in an order of chance that is the same in every run."""
    return sorted(vectors, key=lambda vector: sha256(f"{seed}{vector.pool}".encode()).digest())


def _live(vectors: Sequence[PoolVector]) -> list[LivePool]:
    """The pools, just decoded."""
    return [
        LivePool(
            ListedPool(frozenset((SOL, USDC)), vector.venue.name, vector.pool),
            vector.decode(),
            clock := vector.cases[0].clock,
            clock.slot,
        )
        for vector in vectors
    ]


def _asked(pools: Sequence[LivePool], way: str) -> list[Asked]:
    """The pools with no answer known."""
    return [Asked(pool, *WAYS[way]) for pool in pools]


def _split(pools: Sequence[LivePool], way: str, sol: int) -> Callable[[], Split | None]:
    return lambda: best_split(_asked(pools, way), sol * LAMPORTS, MAX_LEGS, 0)


def _values(pools: Sequence[LivePool], way: str, sol: int) -> list[int | None]:
    """The worth of every single pool."""
    return [asked.value(sol * LAMPORTS) for asked in _asked(pools, way)]


def _gain(split: Split | None, singles: Sequence[int | None]) -> float:
    """In basis points; what no single pool can take gains nothing that can be compared."""
    best = max((worth for worth in singles if worth is not None), default=None)
    if split is None or best is None:
        return 0
    return (split.worth - best) * 10_000 / abs(best)


def _percentiles(samples: Sequence[float]) -> tuple[float, float]:
    """The 50th and the 99th."""
    cuts = quantiles(samples, n=100, method="inclusive")
    return cuts[49], cuts[98]


def _rendered(row: SplitRow) -> dict[str, Any]:
    return {
        "pools": row.pools,
        "way": row.way,
        "sol": row.sol,
        "p50Millis": round(row.p50, 3),
        "p99Millis": round(row.p99, 3),
        "firstP50Millis": round(row.first_p50, 3),
        "firstP99Millis": round(row.first_p99, 3),
        "gainBasisPoints": round(row.gain, 3),
        "timesSingleQuotes": round(row.quotes, 1),
    }


def _show(console: Console, rows: Sequence[SplitRow], known: int) -> None:
    title = f"best split over up to {MAX_LEGS} pools, milliseconds"
    table = Table(title=title, title_justify="left", box=None)
    for name in ("pools", "order"):
        table.add_column(name)
    for name in ("p50", "p99", "first p50", "first p99", "gain, bp", "x quotes"):
        table.add_column(name, justify="right")
    for row in rows:
        times = (row.p50, row.p99, row.first_p50, row.first_p99)
        table.add_row(
            str(row.pools),
            f"{row.way} {row.sol:,} SOL",
            *(f"{time:.2f}" for time in times),
            f"{row.gain:.2f}",
            f"{row.quotes:.1f}",
        )
    console.print(table)
    console.print(
        f"{SETS} sets of each number out of {known} SOL/USDC pools; first: just decoded.\n"
        "gain: beside the best single pool; x quotes: beside one quote of each of the pools.\n"
    )
