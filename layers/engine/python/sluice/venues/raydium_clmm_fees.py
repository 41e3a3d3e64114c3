"""The fee rate on the way of a swap through Raydium CLMM, fixed or rising with volatility.

Source: raydium-io/raydium-clmm, `programs/amm/src/states/pool_fee.rs` (`DynamicFeeInfo`) and
`instructions/swap.rs` (`get_total_fee_rate`, `get_spacing_bounded_price`,
`update_dynamic_fee_index`). Rates are millionths. A spacing is `tick_spacing` ticks, numbered
from tick 0; volatility counts the spacings passed, each 10,000.
"""

from typing import Final, NamedTuple, Protocol

from sluice.venues.integers import ceil_div
from sluice.venues.raydium_clmm_math import MAX_TICK, MIN_TICK, sqrt_price_at

RATE: Final = 1_000_000
MAX_DYNAMIC_RATE: Final = 100_000
VOLATILITY_SCALE: Final = 10_000
REDUCTION: Final = 10_000
CONTROL_SCALE: Final = 100_000 * VOLATILITY_SCALE**2


class Dynamics(NamedTuple):
    """How a pool's fee follows volatility; periods are seconds, `reduction_factor` of 10,000."""

    filter_period: int
    decay_period: int
    reduction_factor: int
    control: int
    maximum: int


class Volatility(NamedTuple):
    """The pool's memory of past swaps; `last_update` is a unix time in seconds."""

    reference_spacing: int
    reference: int
    accumulator: int
    last_update: int


Bound = tuple[int, int, int | None]
"""A rate, the square root of the price where it ends, and the tick there if a spacing ends."""


class Meter(Protocol):
    """Tells the rate step by step, from the pool's price in one direction."""

    accumulator: int

    def bound(self, liquidity: int, target: int) -> Bound:
        """The rate of the next step towards `target`."""
        ...

    def advance(self, tick: int) -> None:
        """That step is done; `tick` is the initialized one it was leading to."""
        ...


def refreshed(memory: Volatility, dynamics: Dynamics, spacing: int, now: int) -> Volatility:
    """The memory as a swap at unix time `now` finds it. Source: `update_reference`."""
    elapsed = max(now - memory.last_update, 0)
    if elapsed < dynamics.filter_period:
        return memory
    reference = 0
    if elapsed < dynamics.decay_period:
        reference = memory.accumulator * dynamics.reduction_factor // REDUCTION
    return Volatility(spacing, reference, memory.accumulator, now)


class FixedRate:
    """The meter of a pool without dynamic fee."""

    __slots__ = ("_rate", "accumulator")

    def __init__(self, rate: int, accumulator: int) -> None:
        """`rate` is in millionths; `accumulator` is only carried on."""
        self._rate = rate
        self.accumulator = accumulator

    def bound(self, liquidity: int, target: int) -> Bound:
        """The one rate, all the way."""
        return self._rate, target, None

    def advance(self, tick: int) -> None:
        """Nothing changes."""


class DynamicRate:
    """The meter of a pool with dynamic fee: each spacing has its own rate, up to the maximum."""

    __slots__ = (
        "_base",
        "_down",
        "_dynamics",
        "_memory",
        "_skips",
        "_spacing",
        "_tick_spacing",
        "accumulator",
    )

    def __init__(
        self,
        base: int,
        dynamics: Dynamics,
        memory: Volatility,
        tick: int,
        tick_spacing: int,
        down: bool,
    ) -> None:
        """`memory` is already `refreshed`; `tick` is the pool's, `base` its config's rate."""
        self._base = base
        self._dynamics = dynamics
        self._memory = memory
        self._tick_spacing = tick_spacing
        self._down = down
        self._spacing = tick // tick_spacing
        self._skips = False
        self.accumulator = memory.accumulator

    def bound(self, liquidity: int, target: int) -> Bound:
        """The rate of this spacing, and where the spacing or the way to `target` ends.

        Where nothing is traded, or the rate is at its maximum, spacings are not told apart.
        """
        self._measure()
        crossed = self.accumulator * self._tick_spacing
        dynamic = ceil_div(self._dynamics.control * crossed * crossed, CONTROL_SCALE)
        rate = min(self._base + min(dynamic, MAX_DYNAMIC_RATE), MAX_DYNAMIC_RATE)
        self._skips = not liquidity or self.accumulator == self._dynamics.maximum
        if self._skips:
            return rate, target, None
        edge = (self._spacing if self._down else self._spacing + 1) * self._tick_spacing
        edge = max(MIN_TICK, min(edge, MAX_TICK))
        stop = sqrt_price_at(edge)
        if (target > stop) if self._down else (target < stop):
            return rate, target, None
        return rate, stop, edge

    def advance(self, tick: int) -> None:
        """Goes on to the next spacing; one that skipped some has arrived at `tick`."""
        if self._skips:
            self._spacing = tick // self._tick_spacing
            if not self._down and tick % self._tick_spacing == 0:
                self._spacing -= 1
            if self.accumulator != self._dynamics.maximum:
                self._measure()
        self._spacing += -1 if self._down else 1

    def _measure(self) -> None:
        """Source: `pool_fee.rs`, `update_volatility_accumulator`."""
        _, reference, _, _ = self._memory
        passed = abs(self._memory.reference_spacing - self._spacing)
        self.accumulator = min(reference + passed * VOLATILITY_SCALE, self._dynamics.maximum)
