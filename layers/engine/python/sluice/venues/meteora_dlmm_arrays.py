"""The bins of a DLMM pool, each read from its array's raw data only when it is asked for.

A swap reaches few of the hundreds of bins that are fetched for it.
"""

from collections.abc import Iterator, Mapping

from sluice.venues.meteora_dlmm_accounts import (
    BIN,
    BIN_STRUCT,
    BINS_OFFSET,
    BINS_PER_ARRAY,
)
from sluice.venues.meteora_dlmm_bins import Bin, price_of


class Bins(Mapping[int, Bin]):
    """Bins by id, those that hold anything; never changes."""

    __slots__ = ("_arrays", "_bin_step", "_changed", "_limit_orders")

    def __init__(
        self,
        arrays: Mapping[int, bytes],
        bin_step: int,
        limit_orders: bool,
        changed: Mapping[int, Bin | None],
    ) -> None:
        """`arrays` are raw by index; `changed` is what holds instead, None for an emptied bin."""
        self._arrays = arrays
        self._bin_step = bin_step
        self._limit_orders = limit_orders
        self._changed = changed

    def at(self, bin_id: int) -> Bin | None:
        """The bin, None if it holds nothing or was not fetched."""
        if bin_id in self._changed:
            return self._changed[bin_id]
        index, slot = divmod(bin_id, BINS_PER_ARRAY)
        data = self._arrays.get(index)
        if data is None:
            return None
        x, y, price, waiting, processed, sells_x = BIN_STRUCT.unpack_from(
            data, BINS_OFFSET + slot * BIN.size
        )
        if not self._limit_orders:
            waiting = processed = sells_x = 0
        if not (x or y or waiting or processed):
            return None
        fixed = int.from_bytes(price, "little") or price_of(bin_id, self._bin_step)
        return Bin(x, y, fixed, waiting, processed, bool(sells_x))

    def after(self, changed: Mapping[int, Bin | None]) -> "Bins":
        """These bins with some `changed`, None for an emptied one."""
        return Bins(self._arrays, self._bin_step, self._limit_orders, {**self._changed, **changed})

    def __getitem__(self, bin_id: int) -> Bin:
        held = self.at(bin_id)
        if held is None:
            raise KeyError(bin_id)
        return held

    def __iter__(self) -> Iterator[int]:
        for index in self._arrays:
            first = index * BINS_PER_ARRAY
            for bin_id in range(first, first + BINS_PER_ARRAY):
                if self.at(bin_id) is not None:
                    yield bin_id

    def __len__(self) -> int:
        return sum(1 for _ in self)
