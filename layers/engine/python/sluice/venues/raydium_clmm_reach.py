"""How far a CLMM pool can be seen: which tick arrays are initialized, and which were fetched.

Source: raydium-io/raydium-clmm, `programs/amm/src/states/pool.rs`
(`first_tick_array_index_with_extension_info`, `next_tick_array_index_with_extension_info`): a
swap visits only arrays flagged in the pool's bitmap and its extension. An array's index is its
first tick divided by the ticks an array spans.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from sluice.errors import AccountInvalid
from sluice.venues.addresses import raw_address
from sluice.venues.base import Accounts, Address
from sluice.venues.raydium_clmm_accounts import (
    BITMAP_EXTENSION,
    EXTENSION_FROM_SPACING,
    FULL_REACH,
    OWN_REACH,
    PROGRAM,
    TICK_ARRAY,
    TICKS_PER_ARRAY,
    PoolState,
    array_flags,
    bitmap_extension_address,
    tick_array_address,
)

ARRAYS_PER_SIDE: Final = 6
"""Tick arrays fetched in each direction, the current one counted in both.

More than a swap through densely initialized ticks can cross within its compute limit.
"""


class Horizon(NamedTuple):
    """The bitmap of initialized arrays (see `array_flags`), and whether its ends are known."""

    flags: int
    complete: bool


def array_index(tick: int, tick_spacing: int) -> int:
    """The tick array that holds `tick`. Source: `tick_array.rs`, `get_array_start_index`."""
    return tick // (tick_spacing * TICKS_PER_ARRAY)


def array_address(pool: Address, index: int, tick_spacing: int) -> Address:
    """Where the array `index` lives."""
    return tick_array_address(pool, index * tick_spacing * TICKS_PER_ARRAY)


def outward(flags: int, index: int, down: bool) -> Iterator[int]:
    """The initialized arrays that a swap meets from array `index` on, nearest first."""
    at = FULL_REACH + index
    left = flags & (1 << at + 1) - 1 if down else flags >> at << at
    while left:
        bit = left if down else left & -left
        found = bit.bit_length() - 1
        yield found - FULL_REACH
        left ^= 1 << found


def horizon_of(pool: Address, state: PoolState, accounts: Accounts) -> Horizon:
    """What the bitmaps among `accounts` tell; raises `AccountInvalid`.

    A pool whose price lies beyond its own bitmap is swapped with its extension or not at all.
    """
    address = bitmap_extension_address(pool)
    extension = None
    if accounts.get(address) is not None:
        account = BITMAP_EXTENSION.require(accounts, address, PROGRAM)
        owner, positive, negative = BITMAP_EXTENSION.read(account.data)
        if owner != raw_address(pool):
            raise AccountInvalid(f"CLMM bitmap extension {address}: of another pool")
        extension = positive, negative
    elif address in accounts and _outside(state):
        raise AccountInvalid(f"CLMM pool {pool}: beyond its bitmap, without extension")
    complete = address in accounts or state.tick_spacing >= EXTENSION_FROM_SPACING
    return Horizon(array_flags(state.tick_array_bitmap, extension), complete)


def needed_arrays(pool: Address, state: PoolState, accounts: Accounts) -> frozenset[Address]:
    """The nearest tick arrays on both sides, and the bitmap extension where it may tell of some.

    Raises `AccountInvalid`.
    """
    spacing = state.tick_spacing
    here = array_index(state.tick_current, spacing)
    extension = bitmap_extension_address(pool)
    if _outside(state) and extension not in accounts:
        return frozenset((extension,))
    own = array_flags(state.tick_array_bitmap, None)
    flags = horizon_of(pool, state, accounts).flags
    needed = set()
    for down in (True, False):
        nearest = list(islice(outward(own, here, down), ARRAYS_PER_SIDE))
        if spacing < EXTENSION_FROM_SPACING and (len(nearest) < ARRAYS_PER_SIDE or _outside(state)):
            needed.add(extension)
            nearest = list(islice(outward(flags, here, down), ARRAYS_PER_SIDE))
        needed.update(array_address(pool, index, spacing) for index in nearest)
    return frozenset(needed)


def fetched_arrays(
    pool: Address, state: PoolState, flags: int, accounts: Accounts
) -> dict[int, bytes]:
    """The raw data of the arrays that a chain of fetched ones connects to the current tick.

    A swap has to walk through all before. Raises `AccountInvalid`.
    """
    found = {}
    here = array_index(state.tick_current, state.tick_spacing)
    for down in (True, False):
        for index in outward(flags, here, down):
            address = array_address(pool, index, state.tick_spacing)
            if accounts.get(address) is None:
                break
            data = TICK_ARRAY.require(accounts, address, PROGRAM).data
            owner, start, _ = TICK_ARRAY.read(data)
            if owner != raw_address(pool) or array_index(start, state.tick_spacing) != index:
                raise AccountInvalid(f"CLMM tick array {address}: of another pool or start")
            found[index] = data
    return found


def _outside(state: PoolState) -> bool:
    """Whether the current tick lies beyond the pool's own bitmap."""
    index = array_index(state.tick_current, state.tick_spacing)
    return not -OWN_REACH <= index < OWN_REACH
