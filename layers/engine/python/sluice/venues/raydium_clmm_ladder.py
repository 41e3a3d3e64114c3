"""The steps of a swap with their sums, so that a quote finds its last step by bisection.

Sums are kept as far as a quote has gone, and are the same for every amount: the next quote of
the same pool and direction pays only for its last step.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from sluice.venues.raydium_clmm_steps import Part, Step, Way, part_in, part_out, whole


class Reached(NamedTuple):
    """How far an amount gets: `steps` are finished, then comes `part`, None if nothing is left.

    `moved` is the other side, `fee` the trade fee, both with that part.
    """

    steps: int
    part: Part | None
    moved: int
    fee: int


class Ladder:
    """Grows by one step whenever an amount reaches beyond the known ones."""

    __slots__ = ("_fees", "_fixed", "_moved", "_reach", "_source", "steps", "way")

    def __init__(self, source: Iterator[Step], way: Way) -> None:
        """`source` yields the steps, each asked for once."""
        self._source = source
        self.way = way
        self.steps: list[Step] = []
        self._fixed, self._moved, self._fees = [0], [0], [0]
        # The least amount that gets beyond each step. A step may need less than one before it,
        # which would break the bisection, so each takes the highest up to there.
        self._reach: list[int] = []

    def climb(self, amount: int) -> Reached | None:
        """How far `amount` of the fixed side gets; None if liquidity ends before."""
        reach, fixed = self._reach, self._fixed
        if not reach or amount >= reach[-1]:
            self._grow(amount)
        index = bisect_right(reach, amount)
        left = amount - fixed[index]
        if not left:
            # The program stops as soon as nothing is left, before steps that would take nothing.
            index = bisect_left(fixed, amount)
            return Reached(index, None, self._moved[index], self._fees[index])
        if index == len(self.steps):
            return None
        finish = part_in if self.way.exact_in else part_out
        part = finish(self.steps[index], left, self.way)
        return Reached(index, part, self._moved[index] + part.moved, self._fees[index] + part.fee)

    def fee_of(self, index: int) -> int:
        """The trade fee of the finished step `index`."""
        return self._fees[index + 1] - self._fees[index]

    @property
    def top(self) -> tuple[int, int]:
        """All of the fixed and the moved side, once an amount was found to reach beyond."""
        return self._fixed[-1], self._moved[-1]

    def _grow(self, amount: int) -> None:
        """Adds steps until one is too high for `amount`, or none is left."""
        fixed, moved, fees = self._fixed[-1], self._moved[-1], self._fees[-1]
        reach = self._reach[-1] if self._reach else 0
        for step in self._source:
            needed, step_fixed, step_moved, fee = whole(step, self.way)
            reach = max(fixed + needed, reach)
            fixed += step_fixed
            moved += step_moved
            fees += fee
            self.steps.append(step)
            self._reach.append(reach)
            self._fixed.append(fixed)
            self._moved.append(moved)
            self._fees.append(fees)
            if amount < reach:
                return
