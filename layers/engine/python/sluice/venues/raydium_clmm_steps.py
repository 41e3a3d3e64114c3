"""The way of a swap through Raydium CLMM, cut where price, liquidity, rate or seller change.

Source: raydium-io/raydium-clmm, `programs/amm/src/instructions/swap.rs` (`swap_internal`),
`libraries/swap_math.rs` (`compute_swap`) and `states/tick_array.rs` (`match_limit_order_*`).
A step either moves the price through liquidity or fills the limit orders of a tick. Which steps
follow each other does not depend on the amount swapped, only how far it gets.

An exact input fixes what is spent, an exact output what is bought: that is called the fixed side,
and the amount of the other token the moved side. Both are what the user pays or gets, fees within.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from sluice.errors import Refusal, SwapRefused
from sluice.venues.integers import U64_MAX, ceil_div
from sluice.venues.raydium_clmm_accounts import Tick
from sluice.venues.raydium_clmm_fees import RATE, Meter
from sluice.venues.raydium_clmm_math import (
    MAX_SQRT_PRICE,
    MIN_SQRT_PRICE,
    amounts_between,
    order_cost,
    order_output,
    price_after_input,
    price_after_output,
    sqrt_price_at,
    tick_at,
)

LOWEST: Final = MIN_SQRT_PRICE + 1
HIGHEST: Final = MAX_SQRT_PRICE - 1
"""Where a swap without a price limit ends: `swap.rs`, `exact_internal`."""


class State(NamedTuple):
    """What a swap changes of the pool, apart from price, fees and orders."""

    tick: int
    liquidity: int
    accumulator: int


class Step(NamedTuple):
    """From `price` to `target` (square roots), or what is `waiting` in limit orders there.

    `next_tick` is the next initialized one. The first three of the others hold until the step is
    finished, the last three from then on.
    """

    price: int
    target: int
    rate: int
    waiting: int
    next_tick: int
    tick: int
    liquidity: int
    accumulator: int
    end_tick: int
    end_liquidity: int
    end_accumulator: int

    @property
    def before(self) -> State:
        """The pool until the step is finished."""
        return State(self.tick, self.liquidity, self.accumulator)

    @property
    def after(self) -> State:
        """The pool once the step is finished."""
        return State(self.end_tick, self.end_liquidity, self.end_accumulator)


class Way(NamedTuple):
    """What kind of swap: whether the price falls, what is fixed, where the fee is taken."""

    down: bool
    exact_in: bool
    fee_on_input: bool


class Part(NamedTuple):
    """An unfinished step, which takes all that is left of the fixed side.

    The price got to `price`, or `sold` of the limit orders was sold.
    """

    price: int
    sold: int
    moved: int
    fee: int


def steps_of(
    price: int, state: State, ticks: Iterable[Tick], down: bool, meter: Meter
) -> Iterator[Step]:
    """All steps that move anything, from the pool's price on, through its next `ticks`.

    A tick is crossed only when no limit orders wait there any more. Source: `swap_internal`.
    """
    limit, nearer, sign = (LOWEST, max, -1) if down else (HIGHEST, min, 1)
    if (limit - price) * sign <= 0:
        return
    at, liquidity, _ = state
    for tick, net, waiting in ticks:
        goal = sqrt_price_at(tick)
        target = nearer(goal, limit)
        beyond, facing = (tick - 1, tick) if down else (tick, tick - 1)
        stop = -1
        while stop != target:
            rate, stop, edge = meter.bound(liquidity, target)
            now = meter.accumulator
            meter.advance(tick)
            then = meter.accumulator
            end, crossed = at, liquidity
            if stop == goal:
                end, crossed = facing if waiting else beyond, liquidity + net * sign
            elif stop != price:
                end = tick_at(stop) if edge is None else edge
            if stop != price and liquidity:
                left = liquidity if waiting else crossed
                yield Step(price, stop, rate, 0, tick, at, liquidity, now, end, left, then)
            price, at = stop, end
            if stop == goal and waiting:
                yield Step(
                    stop, stop, rate, waiting, tick, at, liquidity, then, beyond, crossed, then
                )
                at = beyond
            liquidity = crossed
        if price == limit or liquidity < 0:
            return


def whole(step: Step, way: Way) -> tuple[int, int, int, int]:
    """The step done to its end: how much it needs of the fixed side, and fixed, moved, fee.

    It may need more than it takes, because of rounding and because the program only goes on past
    limit orders that could not take all. Source: `compute_swap`, `match_limit_order_*`.
    """
    price, target, rate, waiting, _, _, liquidity, _, _, _, _ = step
    down, exact_in, fee_on_input = way
    if not waiting:
        paid, bought = amounts_between(price, target, liquidity, down)
        surpassing = paid
    else:
        paid, bought = order_cost(waiting, price, down), waiting
        surpassing = order_cost(waiting + 1, price, down)
    if fee_on_input:
        fee = -(-paid * rate // (RATE - rate))
        if exact_in:
            needed = -(-surpassing * RATE // (RATE - rate)) if waiting else paid + fee
            return needed, paid + fee, bought, fee
        return bought, bought, paid + fee, fee
    fee = -(-bought * rate // RATE)
    if exact_in:
        return surpassing, paid, bought - fee, fee
    needed = (bought - 1) * (RATE - rate) // RATE + 1 if bought else 0
    return needed, bought - fee, paid, fee


def part_in(step: Step, left: int, way: Way) -> Part:
    """The step with only `left` to spend. Source: `compute_swap`, `match_limit_order_*`."""
    price, _, rate, waiting, _, _, liquidity, _, _, _, _ = step
    down, _, fee_on_input = way
    traded = left * (RATE - rate) // RATE if fee_on_input else left
    if not waiting:
        end = price_after_input(price, liquidity, traded, down)
        traded, bought = amounts_between(price, end, liquidity, down)
        sold = 0
    else:
        end, sold = price, order_output(traded, price, down)
        bought = sold
    if fee_on_input:
        return Part(end, sold, bought, left - traded)
    fee = ceil_div(bought * rate, RATE)
    return Part(end, sold, bought - fee, fee)


def part_out(step: Step, left: int, way: Way) -> Part:
    """The step with only `left` to buy. Source: `compute_swap`, `match_limit_order_*`."""
    price, _, rate, waiting, _, _, liquidity, _, _, _, _ = step
    down, _, fee_on_input = way
    bought = left if fee_on_input else ceil_div(left * RATE, RATE - rate)
    if bought > U64_MAX:
        raise SwapRefused(Refusal.OVERFLOW, "output and fee exceed u64")
    if not waiting:
        end = price_after_output(price, liquidity, bought, down)
        paid, bought = amounts_between(price, end, liquidity, down)
        sold = 0
    else:
        end, sold = price, bought
        paid = order_cost(bought, price, down)
    if fee_on_input:
        fee = ceil_div(paid * rate, RATE - rate)
        return Part(end, sold, paid + fee, fee)
    return Part(end, sold, paid, bought - left)
