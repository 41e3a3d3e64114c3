"""How deep a swap reaches into a pool, and the depths that are told apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Final

from sluice.venues.base import Accounts, Pool, VenueName
from sluice.venues.meteora_dlmm import DlmmPool


@dataclass(frozen=True, slots=True, order=True)
class Depth:
    """A row of the table: swaps that reach `low` to `high` bins or ticks deep."""

    low: int
    high: int
    name: str


ANY: Final = Depth(0, 0, "")
DEPTHS: Final[Mapping[VenueName, tuple[Depth, ...]]] = {
    VenueName.RAYDIUM_CLMM: (
        Depth(0, 0, "0 ticks"),
        Depth(8, 12, "8-12 ticks"),
        Depth(40, 60, "40-60 ticks"),
    ),
    VenueName.METEORA_DLMM: (
        Depth(1, 1, "1 bin"),
        Depth(4, 7, "4-7 bins"),
        Depth(10, 18, "10-18 bins"),
        Depth(59, 10_000, "59+ bins"),
    ),
}
"""Of the other venues, every swap is as deep as any."""

TICK_ARRAY_LENGTH: Final = 10_240
TICKS_OFFSET: Final = 44
TICK: Final = Struct("<i16xQQ132x")
"""raydium-clmm `states/tick_array.rs`, `TickState`: tick, liquidity_gross in two halves."""
TICKS_PER_ARRAY: Final = 60


def depth_of(name: VenueName, accounts: Accounts, before: Pool, after: Pool) -> Depth | None:
    """The row that the swap between two states belongs to."""
    depths = DEPTHS.get(name)
    if depths is None:
        return ANY
    reached = (
        _bins(before, after)
        if isinstance(before, DlmmPool) and isinstance(after, DlmmPool)
        else _ticks(accounts, before.price_x64, after.price_x64)
    )
    return next((depth for depth in depths if depth.low <= reached <= depth.high), None)


def _bins(before: DlmmPool, after: DlmmPool) -> int:
    return sum(held != after.bins.get(at) for at, held in before.bins.items())


def _ticks(accounts: Accounts, before: int, after: int) -> int:
    """Ticks with liquidity between two prices, which are near enough to 1.0001 to the tick."""
    low, high = sorted((before, after))
    return sum(low <= _price(tick) < high for tick in _initialized(accounts))


def _initialized(accounts: Accounts) -> list[int]:
    found = []
    for account in accounts.values():
        if account is None or len(account.data) != TICK_ARRAY_LENGTH:
            continue
        ticks = account.data[TICKS_OFFSET : TICKS_OFFSET + TICKS_PER_ARRAY * TICK.size]
        found += [tick for tick, *gross in TICK.iter_unpack(ticks) if any(gross)]
    return found


def _price(tick: int) -> float:
    """Q64.64, only to place a tick between two prices."""
    return float(1.0001**tick * 2.0**64)
