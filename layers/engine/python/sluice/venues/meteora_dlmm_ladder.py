"""The bins of a swap with their sums, so that a quote finds its last bin by bisection.

Bins are read and summed as far as a quote has gone, and that is the same for every amount: the
next quote of the same pool, direction and fees pays only for its last bin.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple

from sluice.errors import SwapRefused
from sluice.venues.integers import U64_MAX
from sluice.venues.meteora_dlmm_bins import Fill, Rung, part_in, part_out, whole_in, whole_out

NEVER: Final = 1 << 128
"""More than any amount."""


class Reached(NamedTuple):
    """How far an amount gets: `drained` bins, then `part` of one, None if nothing is left for it.

    `moved` is the other side, without a fee on it.
    """

    drained: int
    part: Fill | None
    moved: int
    fee: int


class Ladder:
    """Grows by one bin whenever an amount reaches beyond the known ones."""

    __slots__ = (
        "_exact_in",
        "_fees",
        "_fills",
        "_fixed",
        "_moved",
        "_reach",
        "_rungs",
        "_source",
        "fee_on_input",
    )

    def __init__(self, source: Iterator[Rung], exact_in: bool, fee_on_input: bool) -> None:
        """`source` yields the bins, each asked for once."""
        self._source = source
        self._exact_in = exact_in
        self.fee_on_input = fee_on_input
        self._rungs: list[Rung] = []
        self._fills: list[Fill] = []
        self._fixed, self._moved, self._fees = [0], [0], [0]
        # The least amount that gets beyond each bin. A bin may need less than one before it,
        # which would break the bisection, so each takes the highest up to there.
        self._reach: list[int] = []

    def climb(self, amount: int) -> Reached | None:
        """How far `amount` of the fixed side gets; None if liquidity ends before.

        Raises `SwapRefused`, see `part_in` and `part_out`.
        """
        reach, fixed = self._reach, self._fixed
        if not reach or amount >= reach[-1]:
            self._grow(amount)
        index = bisect_right(reach, amount)
        left = amount - fixed[index]
        if not left:
            # The program stops as soon as nothing is left, before bins that would give nothing.
            index = bisect_left(fixed, amount)
            return Reached(index, None, self._moved[index], self._fees[index])
        if index == len(reach):
            return None
        finish = part_in if self._exact_in else part_out
        part = finish(self._rungs[index], left, self.fee_on_input)
        moved = self._moved[index] + _sides(part, self.fee_on_input)[self._exact_in]
        return Reached(index, part, moved, self._fees[index] + part.fee)

    def fills(self, reached: Reached) -> list[Fill]:
        """What each bin did on the way to what `climb` answered."""
        part = () if reached.part is None else (reached.part,)
        return [*self._fills[: reached.drained], *part]

    def _grow(self, amount: int) -> None:
        """Adds bins until one is too much for `amount`, or none is left."""
        exact_in, fee_on_input = self._exact_in, self.fee_on_input
        drain = whole_in if exact_in else whole_out
        fixed, moved, fees = self._fixed[-1], self._moved[-1], self._fees[-1]
        reach = self._reach[-1] if self._reach else 0
        for rung in self._source:
            self._rungs.append(rung)
            try:
                fill, beyond = drain(rung, fee_on_input)
            except SwapRefused:
                self._reach.append(NEVER)
                return
            paid, bought = _sides(fill, fee_on_input)
            reach = max(fixed + beyond, reach)
            fixed += paid if exact_in else bought
            moved += bought if exact_in else paid
            fees += fill.fee
            if not exact_in and moved > U64_MAX:
                self._reach.append(NEVER)
                return
            self._fills.append(fill)
            self._reach.append(reach)
            self._fixed.append(fixed)
            self._moved.append(moved)
            self._fees.append(fees)
            if amount < reach:
                return


def _sides(fill: Fill, fee_on_input: bool) -> tuple[int, int]:
    """What is paid in and what is bought, with the fee taken where it is due."""
    _, net, gross, fee = fill
    return (net + fee, gross) if fee_on_input else (net, gross - fee)
