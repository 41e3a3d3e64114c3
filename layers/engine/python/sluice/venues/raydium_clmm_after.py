"""What a swap leaves in a Raydium CLMM pool: its fees and the limit orders it filled.

Source: raydium-io/raydium-clmm, `programs/amm/src/instructions/swap.rs` (`spilt_fees`, the
crossing of ticks), `states/tick_array.rs` (`match_limit_order_*`), `states/pool.rs`
(`update_fee`, `flip_tick_array_bit`).
"""

from collections.abc import Iterator
from typing import NamedTuple

from sluice.venues.integers import U64_MAX
from sluice.venues.raydium_clmm_accounts import (
    FULL_REACH,
    NOTHING,
    TICK,
    TICK_ARRAY,
    TICKS_OFFSET,
)
from sluice.venues.raydium_clmm_fees import RATE
from sluice.venues.raydium_clmm_ladder import Ladder, Reached
from sluice.venues.raydium_clmm_math import Q64, U128_MAX, tick_at
from sluice.venues.raydium_clmm_reach import array_index
from sluice.venues.raydium_clmm_steps import State, Step


class Fees(NamedTuple):
    """What one token's fees have come to: per liquidity in Q64.64, and owed in base units."""

    growth: int
    protocol: int
    fund: int


class Arrays(NamedTuple):
    """Raw data of tick arrays by index; those `emptied` of their last tick are in no bitmap."""

    flags: int
    live: dict[int, bytes]
    emptied: dict[int, bytes]


def end_of(ladder: Ladder, reached: Reached) -> tuple[int, State]:
    """The square root of the price and the rest of the state where the swap ended."""
    part = reached.part
    if part is None:
        last = ladder.steps[reached.steps - 1]
        return last.target, last.after
    step = ladder.steps[reached.steps]
    if step.waiting:
        return step.price, step.after if part.sold == step.waiting else step.before
    if part.price == step.target:
        return part.price, step.after
    if part.price == step.price:
        return part.price, step.before
    return part.price, step.before._replace(tick=tick_at(part.price))


def fees_after(
    fees: Fees, ladder: Ladder, reached: Reached, protocol_rate: int, fund_rate: int
) -> Fees:
    """The fees with those of each step shared out; the protocol's where nobody has liquidity."""
    growth, protocol, fund = fees
    for step, fee, _ in _done(ladder, reached):
        to_protocol = fee * protocol_rate // RATE
        to_fund = fee * fund_rate // RATE
        rest = fee - to_protocol - to_fund
        if step.liquidity:
            growth = growth + (rest << 64) // step.liquidity & U128_MAX
        else:
            to_protocol += rest
        protocol += to_protocol
        fund += to_fund
    return Fees(growth, protocol, fund)


def arrays_after(arrays: Arrays, ladder: Ladder, reached: Reached, tick_spacing: int) -> Arrays:
    """The tick arrays with the limit orders filled."""
    if not any(step.waiting for step in ladder.steps[: reached.steps + 1]):
        return arrays
    flags, live, emptied = arrays.flags, dict(arrays.live), dict(arrays.emptied)
    for step, _, sold in _done(ladder, reached):
        if not sold:
            continue
        index = array_index(step.next_tick, tick_spacing)
        data = _filled(live[index], step.next_tick, sold, tick_spacing)
        live[index] = data
        if not TICK_ARRAY.read(data)[2]:
            emptied[index] = live.pop(index)
            flags ^= 1 << FULL_REACH + index
    return Arrays(flags, live, emptied)


def _done(ladder: Ladder, reached: Reached) -> Iterator[tuple[Step, int, int]]:
    """Each step gone, its fee, and what it sold of limit orders."""
    for index, step in enumerate(ladder.steps[: reached.steps]):
        yield step, ladder.fee_of(index), step.waiting
    if reached.part is not None:
        yield ladder.steps[reached.steps], reached.part.fee, reached.part.sold


def _filled(array: bytes, tick: int, sold: int, tick_spacing: int) -> bytes:
    """The array's raw data once `sold` of the tick's limit orders was sold, oldest first."""
    data = bytearray(array)
    _, start, count = TICK_ARRAY.read(array)
    at = TICKS_OFFSET + (tick - start) // tick_spacing * TICK.size
    *_, gross, phase, amount, part_filled, raw_ratio = TICK.read(array, at)
    ratio = int.from_bytes(raw_ratio, "little")
    of_begun = min(part_filled, sold)
    if of_begun:
        ratio = ratio * (part_filled - of_begun) // part_filled
        part_filled -= of_begun
    of_new = sold - of_begun
    if of_new:
        phase = min(phase + 1, U64_MAX)
        ratio = Q64 * (amount - of_new) // amount
        amount, part_filled = 0, amount - of_new
    values = {
        "order_phase": phase,
        "orders_amount": amount,
        "part_filled_orders_remaining": part_filled,
        "unfilled_ratio_x64": ratio.to_bytes(16, "little"),
    }
    TICK.write(data, values, at)
    if gross == NOTHING and not amount and not part_filled:
        TICK_ARRAY.write(data, {"initialized_tick_count": count - 1})
    return bytes(data)
