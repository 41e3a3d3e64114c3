"""The price arithmetic of Raydium CLMM: ticks, square roots of prices, amounts between two.

Source: raydium-io/raydium-clmm, `programs/amm/src/libraries/{tick_math, sqrt_price_math,
liquidity_math}.rs`. Square roots are of token 1 per token 0, in Q64.64; amounts are base units.
A token is paid in as the price falls (`down`: token 0) or rises (token 1).
"""

from functools import lru_cache
from typing import Final

MIN_TICK: Final = -443_636
MAX_TICK: Final = 443_636
MIN_SQRT_PRICE: Final = 4_295_048_016
MAX_SQRT_PRICE: Final = 79_226_673_521_066_979_257_578_248_091
Q64: Final = 1 << 64
U128_MAX: Final = 2**128 - 1

_HALF_TICKS: Final = (
    0xFFFCB933BD6FB800,
    0xFFF97272373D4000,
    0xFFF2E50F5F657000,
    0xFFE5CACA7E10F000,
    0xFFCB9843D60F7000,
    0xFF973B41FA98E800,
    0xFF2EA16466C9B000,
    0xFE5DEE046A9A3800,
    0xFCBE86C7900BB000,
    0xF987A7253AC65800,
    0xF3392B0822BB6000,
    0xE7159475A2CAF000,
    0xD097F3BDFD2F2000,
    0xA9F746462D9F8000,
    0x70D869A156F31C00,
    0x31BE135F97ED3200,
    0x09AA508B5B85A500,
    0x005D6AF8DEDC582C,
    0x00002216E584F5FA,
)
"""1.0001 to the power of -(2^i) / 2, in Q64.64: `tick_math.rs`, `get_sqrt_price_at_tick`."""

_LOG_BITS: Final = 16
_LOG_SCALE: Final = 59_543_866_431_248
_LOG_ERROR_LOW: Final = 184_467_440_737_095_516
_LOG_ERROR_HIGH: Final = 15_793_534_762_490_258_745
"""2^32 / log2(sqrt(1.0001)), and what the 16-bit logarithm may be off: `get_tick_at_sqrt_price`."""


@lru_cache(maxsize=65_536)
def sqrt_price_at(tick: int) -> int:
    """The square root of the price at `tick`. Source: `tick_math.rs`, `get_sqrt_price_at_tick`."""
    exponent = abs(tick)
    ratio = Q64
    for bit, factor in enumerate(_HALF_TICKS):
        if exponent >> bit & 1:
            ratio = ratio * factor >> 64
    return U128_MAX // ratio if tick > 0 else ratio


def tick_at(sqrt_price: int) -> int:
    """The highest tick whose price is not above. Source: `tick_math.rs`, `get_tick_at_sqrt_price`.

    As the program does it: a base-2 logarithm in 16 bits, then a choice between two ticks.
    """
    msb = sqrt_price.bit_length() - 1
    ratio = sqrt_price >> msb - 63 if msb >= 64 else sqrt_price << 63 - msb
    fraction = 0
    for bit in range(31, 31 - _LOG_BITS, -1):
        ratio *= ratio
        doubled = ratio >> 127
        ratio >>= 63 + doubled
        fraction += doubled << bit
    logarithm = ((msb - 64 << 32) + fraction) * _LOG_SCALE
    low = logarithm - _LOG_ERROR_LOW >> 64
    high = logarithm + _LOG_ERROR_HIGH >> 64
    return high if low != high and sqrt_price_at(high) <= sqrt_price else low


def amounts_between(price: int, target: int, liquidity: int, down: bool) -> tuple[int, int]:
    """What comes in (rounded up) and out (rounded down) from one square root to the other.

    Source: `liquidity_math.rs`, `get_delta_amounts_for_swap`.
    """
    if down:
        amount_1_x64 = liquidity * (price - target)
        return -((-amount_1_x64 << 64) // (price * target)), amount_1_x64 >> 64
    amount_1_x64 = liquidity * (target - price)
    return -(-amount_1_x64 >> 64), (amount_1_x64 << 64) // (price * target)


def price_after_input(price: int, liquidity: int, amount: int, down: bool) -> int:
    """The square root once `amount` came in. Source: `get_next_sqrt_price_from_input`."""
    if down:
        depth = liquidity << 64
        return -(-depth * price // (depth + amount * price))
    return price + (amount << 64) // liquidity


def price_after_output(price: int, liquidity: int, amount: int, down: bool) -> int:
    """The square root once `amount` went out. Source: `get_next_sqrt_price_from_output`."""
    if down:
        return price + (-amount << 64) // liquidity
    depth = liquidity << 64
    return -(-depth * price // (depth - amount * price))


def order_cost(amount: int, sqrt_price: int, down: bool) -> int:
    """What has to come in for `amount` of limit orders at a tick, rounded up.

    Source: `states/tick_array.rs`, `get_limit_order_input_with_price`.
    """
    if down:
        return -((-amount << 64) // (sqrt_price * sqrt_price >> 64))
    return -(-amount * _price_up(sqrt_price) >> 64)


def order_output(amount: int, sqrt_price: int, down: bool) -> int:
    """What limit orders at a tick give for `amount`, rounded down.

    Source: `states/tick_array.rs`, `get_limit_order_output_with_price`.
    """
    if down:
        return amount * (sqrt_price * sqrt_price >> 64) >> 64
    return (amount << 64) // _price_up(sqrt_price)


def _price_up(sqrt_price: int) -> int:
    return -(-sqrt_price * sqrt_price >> 64)
