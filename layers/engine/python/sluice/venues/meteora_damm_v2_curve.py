"""The curves of Meteora DAMM v2, one class for each way a swap can go, on plain integers.

Square roots of prices (token b per token a) are Q64.64, amounts base units, liquidity is scaled
by 2**64. Every answer may exceed u64; whoever asks checks that, together with the reserves.

Source: MeteoraAg/damm-v2, `programs/cp-amm/src/liquidity_handler/*.rs`.
"""

from math import isqrt
from typing import NamedTuple, Protocol

from sluice.errors import Refusal, SwapRefused
from sluice.venues.integers import ceil_div


class Curve(Protocol):
    """One direction of a pool in one state; each answer ends with the sqrt price afterwards."""

    def spend(self, amount: int) -> tuple[int, int]:
        """What `amount` buys."""
        ...

    def buy(self, amount: int) -> tuple[int, int]:
        """What `amount` costs."""
        ...

    def fill(self, amount: int) -> tuple[int, int, int]:
        """What `amount` is used for up to the end of the price range, and what that buys."""
        ...


class Falling(NamedTuple):
    """Token a for token b between two prices. Source: `concentrated_liquidity.rs`."""

    liquidity: int
    price: int
    lowest: int

    def spend(self, amount: int) -> tuple[int, int]:
        liquidity, price, lowest = self
        after = -(-liquidity * price // (liquidity + amount * price))
        if after < lowest:
            raise _out_of_range()
        return liquidity * (price - after) >> 128, after

    def buy(self, amount: int) -> tuple[int, int]:
        liquidity, price, lowest = self
        after = price - ceil_div(amount << 128, liquidity)
        if after < lowest:
            raise _out_of_range()
        return ceil_div(liquidity * (price - after), after * price), after

    def fill(self, amount: int) -> tuple[int, int, int]:
        liquidity, price, lowest = self
        if price < lowest:
            raise _out_of_range()
        most = ceil_div(liquidity * (price - lowest), lowest * price)
        if amount < most:
            return (amount, *self.spend(amount))
        return most, liquidity * (price - lowest) >> 128, lowest


class Rising(NamedTuple):
    """Token b for token a between two prices. Source: `concentrated_liquidity.rs`."""

    liquidity: int
    price: int
    highest: int

    def spend(self, amount: int) -> tuple[int, int]:
        liquidity, price, highest = self
        after = price + (amount << 128) // liquidity
        if after > highest:
            raise _out_of_range()
        return liquidity * (after - price) // (price * after), after

    def buy(self, amount: int) -> tuple[int, int]:
        liquidity, price, highest = self
        left = liquidity - amount * price
        if left <= 0:
            raise _out_of_range()
        after = ceil_div(liquidity * price, left)
        if after > highest:
            raise _out_of_range()
        return -(-liquidity * (after - price) >> 128), after

    def fill(self, amount: int) -> tuple[int, int, int]:
        liquidity, price, highest = self
        if price > highest:
            raise _out_of_range()
        most = -(-liquidity * (highest - price) >> 128)
        if amount < most:
            return (amount, *self.spend(amount))
        return most, liquidity * (highest - price) // (price * highest), highest


class Product(NamedTuple):
    """Constant product over the reserves, in both directions and without a price range.

    Its price follows from the reserves once fees were added to them, so it answers none.
    Source: `compounding_liquidity.rs`.
    """

    reserve_in: int
    reserve_out: int

    def spend(self, amount: int) -> tuple[int, int]:
        reserve_in, reserve_out = self
        total = reserve_in + amount
        if not total:
            raise SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "a reserve is empty")
        return reserve_out * amount // total, 0

    def buy(self, amount: int) -> tuple[int, int]:
        reserve_in, reserve_out = self
        if amount >= reserve_out:
            raise SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "more than the reserve holds")
        return ceil_div(reserve_in * amount, reserve_out - amount), 0

    def fill(self, amount: int) -> tuple[int, int, int]:
        return (amount, *self.spend(amount))


def reserves_between(liquidity: int, price: int, lowest: int, highest: int) -> tuple[int, int]:
    """Tokens a and b that liquidity over a price range takes.

    Source: `concentrated_liquidity.rs`, `get_reserves_amount`.
    """
    a = ceil_div(liquidity * (highest - price), price * highest)
    return a, -(-liquidity * (price - lowest) >> 128)


def price_of_reserves(a: int, b: int) -> int:
    """The sqrt price of `b` tokens for `a` tokens, rounded down; `a` must not be zero.

    Source: `compounding_liquidity.rs`, `get_sqrt_price_from_amounts`.
    """
    return isqrt((b << 128) // a)


def _out_of_range() -> SwapRefused:
    return SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "the price would leave the pool's range")
