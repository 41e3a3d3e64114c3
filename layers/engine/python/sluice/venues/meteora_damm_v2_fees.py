"""The base fees of Meteora DAMM v2: constant, falling with time or price, or rising with size.

Rates are in billionths. A point is a slot or a unix time, whichever the pool goes by. The pool is
never asked before its activation point, when only a whitelisted vault may buy.

Source: MeteoraAg/damm-v2, `programs/cp-amm/src/base_fee/*.rs`, `math/fee_math.rs`.
"""

from functools import lru_cache
from math import isqrt
from typing import Final, NamedTuple, Protocol

from sluice.errors import Refusal, SwapRefused
from sluice.venues.integers import U64_MAX, ceil_div

RATE: Final = 1_000_000_000
BASIS_POINTS: Final = 10_000
RATE_PER_BASIS_POINT: Final = RATE // BASIS_POINTS
ONE_X64: Final = 1 << 64
ALWAYS: Final = -1
"""No point is before it: a fee that ended here never changes."""


class BaseFee(Protocol):
    """One base-fee mode."""

    def ends(self, activation: int, sells_a: bool) -> int:
        """The last point at which the rate may be another than `final`."""
        ...

    def final(self) -> int:
        """The rate after `ends`."""
        ...

    def during(self, elapsed: int, sqrt_price: int, amount: int, net: bool) -> int:
        """The rate `elapsed` points after activation, no later than `ends`.

        `amount` is what the fee is taken from, or with `net` what has to be left after it.
        """
        ...


class TimeScheduler(NamedTuple):
    """Falls every `frequency` points, `periods` times. Source: `fee_time_scheduler.rs`."""

    cliff: int
    exponential: bool
    periods: int
    frequency: int
    reduction: int

    def ends(self, activation: int, sells_a: bool) -> int:
        return activation + self.periods * self.frequency - 1 if self.frequency else ALWAYS

    def final(self) -> int:
        if not self.frequency:
            return self.cliff
        return reduced(self.cliff, self.exponential, self.reduction, self.periods)

    def during(self, elapsed: int, sqrt_price: int, amount: int, net: bool) -> int:
        period = elapsed // self.frequency
        return reduced(self.cliff, self.exponential, self.reduction, period)


class CapScheduler(NamedTuple):
    """Falls with each `step` basis points that the sqrt price is above where it started.

    Ends after `duration` points. Source: `fee_market_cap_scheduler.rs`.
    """

    cliff: int
    exponential: bool
    periods: int
    step: int
    duration: int
    reduction: int
    opening: int

    def ends(self, activation: int, sells_a: bool) -> int:
        if activation + self.duration > U64_MAX:
            raise SwapRefused(Refusal.OVERFLOW, "the scheduler's last point exceeds u64")
        return activation + self.duration

    def final(self) -> int:
        return reduced(self.cliff, self.exponential, self.reduction, self.periods)

    def during(self, elapsed: int, sqrt_price: int, amount: int, net: bool) -> int:
        period = 0
        if sqrt_price > self.opening:
            if not (self.opening and self.step):
                raise SwapRefused(Refusal.OVERFLOW, "no price to count the fee's steps from")
            risen = (sqrt_price - self.opening) * BASIS_POINTS // self.opening
            period = min(risen // self.step, self.periods)
        return reduced(self.cliff, self.exponential, self.reduction, period)


class RateLimiter(NamedTuple):
    """Takes more of each further `reference` amount of token b; sellers of a pay the cliff.

    `increment` and `maximum` are rates. Ends after `duration` points. Source:
    `fee_rate_limiter.rs`.
    """

    cliff: int
    increment: int
    duration: int
    maximum: int
    reference: int

    def ends(self, activation: int, sells_a: bool) -> int:
        limits = self.reference or self.duration or self.maximum or self.increment
        return activation + self.duration if limits and not sells_a else ALWAYS

    def final(self) -> int:
        return self.cliff

    def during(self, elapsed: int, sqrt_price: int, amount: int, net: bool) -> int:
        return self.of_net(amount) if net else self.of_gross(amount)

    def of_gross(self, amount: int) -> int:
        """The rate that `amount` pays. Source: `get_fee_numerator_from_included_fee_amount`."""
        reference = self.reference
        if amount <= reference:
            return self.cliff
        if not reference:
            raise SwapRefused(Refusal.OVERFLOW, "the rate limiter divides by zero")
        steps, rest = divmod(amount - reference, reference)
        highest = self._highest_step()
        last = self.cliff + self.increment * (steps + 1)
        if steps >= highest:
            rest += (steps - highest) * reference
            steps, last = highest, self.maximum
        rising = self.cliff * (steps + 1) + self.increment * steps * (steps + 1) // 2
        fee = ceil_div(reference * rising + rest * last, RATE)
        if fee > U64_MAX:
            raise SwapRefused(Refusal.OVERFLOW, "fee exceeds u64")
        return ceil_div(fee * RATE, amount)

    def of_net(self, amount: int) -> int:
        """The rate after which `amount` is left.

        Source: `get_fee_numerator_from_excluded_fee_amount`.
        """
        if amount <= self._net(self.reference):
            return self.cliff
        net_of_steps, steps_amount = _all_steps(self)
        if amount == net_of_steps:
            return self.of_gross(steps_amount)
        if amount < net_of_steps:
            gross = self._within_steps(amount)
        elif steps_amount == U64_MAX:
            raise SwapRefused(Refusal.OVERFLOW, "amount with fee exceeds u64")
        else:
            gross = steps_amount + before_fee(amount - net_of_steps, self.maximum)
        if not amount <= gross <= U64_MAX:
            raise SwapRefused(Refusal.OVERFLOW, "amount with fee exceeds u64")
        rate = ceil_div((gross - amount) * RATE, gross)
        if rate < self.cliff:
            raise SwapRefused(Refusal.OVERFLOW, "rate falls below the cliff")
        return rate

    def _within_steps(self, amount: int) -> int:
        """What leaves `amount` after steps that only rise: a quadratic equation, then the rest."""
        reference = self.reference
        y = (2 * RATE + self.increment - 2 * self.cliff) * reference
        discriminant = y * y - 8 * self.increment * amount * RATE * reference
        if y < 0 or discriminant < 0:
            raise SwapRefused(Refusal.OVERFLOW, "no amount leaves that much after the fee")
        whole = (y - isqrt(discriminant)) // (2 * self.increment)
        rest = amount - self._net(whole)
        if rest < 0:
            raise SwapRefused(Refusal.OVERFLOW, "steps leave more than is asked for")
        return whole + before_fee(rest, self.cliff + self.increment * (whole // reference))

    def _highest_step(self) -> int:
        if not self.increment or self.maximum < self.cliff:
            raise SwapRefused(Refusal.OVERFLOW, "the rate limiter's steps do not rise")
        return (self.maximum - self.cliff) // self.increment

    def _net(self, amount: int) -> int:
        net = amount - ceil_div(amount * self.of_gross(amount), RATE)
        if net < 0:
            raise SwapRefused(Refusal.OVERFLOW, "the fee exceeds the amount")
        return net


@lru_cache(maxsize=4_096)
def reduced(cliff: int, exponential: bool, reduction: int, period: int) -> int:
    """The rate after `period` reductions: by a rate each, or by basis points of what is left.

    Source: `get_base_fee_numerator_by_period`; `fee_math.rs`, `get_fee_in_period`.
    """
    if not exponential:
        if cliff < reduction * period:
            raise SwapRefused(Refusal.OVERFLOW, "the fee falls below zero")
        return cliff - reduction * period
    if not reduction:
        return cliff
    base = ONE_X64 - (reduction << 64) // BASIS_POINTS
    if base < 0:
        raise SwapRefused(Refusal.OVERFLOW, "the fee falls by more than all of it")
    factor = _power(base, period)
    if not factor:
        raise SwapRefused(Refusal.OVERFLOW, "the fee falls to nothing")
    return factor * cliff >> 64


def before_fee(amount: int, rate: int) -> int:
    """What has to be paid so that `amount` is left: `state/fee.rs`, `get_included_fee_amount`."""
    if rate >= RATE:
        raise SwapRefused(Refusal.OVERFLOW, "fees of 100 % or more")
    gross = ceil_div(amount * RATE, RATE - rate)
    if gross > U64_MAX:
        raise SwapRefused(Refusal.OVERFLOW, "amount with fee exceeds u64")
    return gross


@lru_cache(maxsize=1_024)
def _all_steps(limiter: RateLimiter) -> tuple[int, int]:
    """What is left of the amount with which the steps end, and that amount, which fits in u64.

    Source: `fee_rate_limiter.rs`, `get_checked_amounts`.
    """
    amount = min((limiter._highest_step() + 1) * limiter.reference, U64_MAX)
    return limiter._net(amount), amount


def _power(base: int, exponent: int) -> int:
    """Q64.64, rounded down after each step as `fee_math.rs`, `pow` does; `base` is below one."""
    result = ONE_X64
    while exponent:
        if exponent & 1:
            result = result * base >> 64
        base = base * base >> 64
        exponent >>= 1
    return result
