"""How far a DLMM pool can be seen: which bin arrays hold liquidity, and which of them were fetched.

Source: MeteoraAg/dlmm-sdk, `commons/src/quote.rs`, `get_bin_array_pubkeys_for_swap`, and
`extensions/{lb_pair,bin_array_bitmap}.rs`: a swap visits only arrays flagged in the bitmaps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sluice.errors import AccountInvalid
from sluice.venues.addresses import address_of
from sluice.venues.base import Accounts, Address
from sluice.venues.meteora_dlmm_accounts import (
    BINS_PER_ARRAY,
    BITMAP_EXTENSION,
    BITMAP_REACH,
    PROGRAM,
    LbPair,
    array_index,
    bin_array_address,
    bitmap_extension_address,
    flagged_arrays,
)
from sluice.venues.meteora_dlmm_arrays import Bins
from sluice.venues.meteora_dlmm_bins import FeeCurve, Rung, rung_of

ARRAYS_PER_SIDE: Final = 4
"""Bin arrays fetched in each direction, the active one counted in both.

Four full arrays are 210 to 280 bins, more than a transaction can walk within its compute limit.
"""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The indices, rising, of the bin arrays that hold liquidity, and which of them were fetched.

    `lower_known` and `upper_known` say whether `flagged` is complete at that end.
    """

    flagged: tuple[int, ...]
    fetched: frozenset[int]
    lower_known: bool
    upper_known: bool

    def outward(self, active_id: int, swap_for_y: bool) -> tuple[int, ...]:
        """The flagged arrays that a swap meets from `active_id` on, nearest first."""
        here = array_index(active_id)
        if swap_for_y:
            return tuple(index for index in reversed(self.flagged) if index <= here)
        return tuple(index for index in self.flagged if index >= here)


def needed_arrays(pool: Address, pair: LbPair, accounts: Accounts) -> frozenset[Address]:
    """The nearest bin arrays on both sides, and the bitmap extension where it may tell of some.

    Raises `AccountInvalid`.
    """
    own = Coverage(flagged_arrays(pair.bin_array_bitmap, None), frozenset(), False, False)
    extension = bitmap_extension_address(pool)
    outside = not -BITMAP_REACH <= array_index(pair.active_id) < BITMAP_REACH
    beyond = _beyond_bitmap(pair)
    short = any(
        reaches and len(own.outward(pair.active_id, side)) < ARRAYS_PER_SIDE
        for side, reaches in zip((True, False), beyond, strict=True)
    )
    needed: set[Address] = set()
    if outside or short:
        needed.add(extension)
        if outside and extension not in accounts:
            return frozenset(needed)
        own = coverage_of(pool, pair, accounts)
    for side in (True, False):
        nearest = own.outward(pair.active_id, side)[:ARRAYS_PER_SIDE]
        needed.update(bin_array_address(pool, index) for index in nearest)
    return frozenset(needed)


def coverage_of(pool: Address, pair: LbPair, accounts: Accounts) -> Coverage:
    """What the bitmaps among `accounts` tell; raises `AccountInvalid`.

    Only arrays that a chain of fetched ones connects to the active bin count as fetched, because
    a swap has to walk through all before.
    """
    address = bitmap_extension_address(pool)
    extension, known = None, address in accounts
    if accounts.get(address) is not None:
        account = BITMAP_EXTENSION.require(accounts, address, PROGRAM)
        owner, above, below = BITMAP_EXTENSION.read(account.data)
        if address_of(owner) != pool:
            raise AccountInvalid(f"DLMM bitmap extension {address}: of another pair")
        extension = above, below
    lower, upper = _beyond_bitmap(pair)
    flagged = flagged_arrays(pair.bin_array_bitmap, extension)
    coverage = Coverage(flagged, frozenset(), known or not lower, known or not upper)
    fetched: set[int] = set()
    for side in (True, False):
        for index in coverage.outward(pair.active_id, side):
            if accounts.get(bin_array_address(pool, index)) is None:
                break
            fetched.add(index)
    return Coverage(flagged, frozenset(fetched), coverage.lower_known, coverage.upper_known)


def rungs(
    coverage: Coverage, bins: Bins, active_id: int, swap_for_y: bool, fees: FeeCurve
) -> Iterator[Rung]:
    """All that can be bought from `active_id` on, nearest first, in the fetched arrays."""
    for index in coverage.outward(active_id, swap_for_y):
        if index not in coverage.fetched:
            return
        first = index * BINS_PER_ARRAY
        last = first + BINS_PER_ARRAY - 1
        if swap_for_y:
            ids = range(min(last, active_id), first - 1, -1)
        else:
            ids = range(max(first, active_id), last + 1)
        for bin_id in ids:
            held = bins.at(bin_id)
            rung = held and rung_of(bin_id, held, swap_for_y, fees)
            if rung:
                yield rung


def is_complete(coverage: Coverage, active_id: int, swap_for_y: bool) -> bool:
    """Whether no liquidity lies beyond the fetched arrays on that side."""
    known = coverage.lower_known if swap_for_y else coverage.upper_known
    return known and coverage.fetched.issuperset(coverage.outward(active_id, swap_for_y))


def _beyond_bitmap(pair: LbPair) -> tuple[bool, bool]:
    """Whether the pair's lowest and highest bins lie outside its own bitmap."""
    return (
        array_index(pair.min_bin_id) < -BITMAP_REACH,
        array_index(pair.max_bin_id) >= BITMAP_REACH,
    )
