"""Swapping through the bins of Meteora DLMM, on plain integers.

Source: MeteoraAg/dlmm-sdk, `commons/src/quote.rs` (the way through the bins),
`extensions/{bin,lb_pair}.rs` (amounts, fees), `math/{price_math,u64x64_math}.rs` (prices).
Amounts are base units, prices y per x in 64.64 fixed point, fee rates in billionths.
"""

from typing import Final, NamedTuple

from sluice.errors import Refusal, SwapRefused
from sluice.venues.integers import U64_MAX, ceil_div

FEE_PRECISION: Final = 1_000_000_000
MAX_FEE_RATE: Final = 100_000_000
BASIS_POINTS: Final = 10_000
VARIABLE_FEE_SCALE: Final = 100_000_000_000
ONE: Final = 1 << 64
U128_MAX: Final = 2**128 - 1


class Bin(NamedTuple):
    """One bin: the market makers' amounts, its price, and limit orders on one side of it.

    Orders sell x where `orders_sell_x`, else y; those `processed` are filled before those `open`.
    """

    amount_x: int
    amount_y: int
    price: int
    open_orders: int
    processed_orders: int
    orders_sell_x: bool


class Rung(NamedTuple):
    """A bin seen from one direction: `amount_in * numerator / denominator` is what comes out.

    `layers` are the amounts on sale in the order they are taken, `rate` the fee in billionths.
    """

    bin_id: int
    numerator: int
    denominator: int
    layers: tuple[int, ...]
    rate: int


class FeeCurve(NamedTuple):
    """The fee as a function of the bin; `control` is already multiplied by the squared bin step."""

    base: int
    control: int
    reference: int
    reference_id: int
    maximum: int


class Fill(NamedTuple):
    """What one bin took in (`net` of a fee on the input) and gave out, a fee on that included."""

    rung: Rung
    net: int
    gross: int
    fee: int


def rung_of(bin_id: int, held: Bin, swap_for_y: bool, fees: FeeCurve) -> Rung | None:
    """The bin as a swap towards y (or x) sees it; None where it sells nothing that way."""
    x, y, price, waiting, processed, orders_sell_x = held
    amount = y if swap_for_y else x
    layers: tuple[int, ...] = (amount,) if amount else ()
    if (waiting or processed) and orders_sell_x is not swap_for_y:
        layers += tuple(filter(None, (processed, waiting)))
    if not layers:
        return None
    rate = rate_at(fees, bin_id)
    if swap_for_y:
        return Rung(bin_id, price, ONE, layers, rate)
    return Rung(bin_id, ONE, price, layers, rate)


def volatility_at(fees: FeeCurve, bin_id: int) -> int:
    """The accumulator in `bin_id`. Source: `lb_pair.rs`, `update_volatility_accumulator`."""
    return min(fees.reference + abs(fees.reference_id - bin_id) * BASIS_POINTS, fees.maximum)


def rate_at(fees: FeeCurve, bin_id: int) -> int:
    """The fee rate in `bin_id`, in billionths. Source: `lb_pair.rs`, `get_total_fee`."""
    rate = fees.base
    if fees.control:
        volatility = volatility_at(fees, bin_id)
        rate += ceil_div(fees.control * volatility * volatility, VARIABLE_FEE_SCALE)
    return min(MAX_FEE_RATE, rate)


def part_in(rung: Rung, left: int, fee_on_input: bool) -> Fill:
    """What `left` does in a bin that it does not get beyond.

    Raises `SwapRefused(OVERFLOW)`. Source: `quote.rs`, `quote_exact_in`.
    """
    fee = ceil_div(left * rung.rate, FEE_PRECISION) if fee_on_input else 0
    net, gross = take(rung, left - fee)
    if not fee_on_input:
        fee = ceil_div(gross * rung.rate, FEE_PRECISION)
    return Fill(rung, net, gross, fee)


def part_out(rung: Rung, wanted: int, fee_on_input: bool) -> Fill:
    """What it takes to buy `wanted` of a bin, or all of the bin if that is less.

    Raises `SwapRefused`: OVERFLOW, or UNSUPPORTED where the program's own rounding pays out less
    than asked and makes it abort. Source: `quote.rs`, `quote_exact_out`, but for two things that
    the deployed program does otherwise: it rounds the cost of a partly bought bin up once, not
    for each layer, and a bin whose whole output is its fee is paid for all the same.
    """
    rest = FEE_PRECISION - rung.rate
    asked = wanted if fee_on_input else wanted + ceil_div(wanted * rung.rate, rest)
    if asked >= sum(rung.layers):
        return whole_out(rung, fee_on_input)[0]
    net = ceil_div(asked * rung.denominator, rung.numerator)
    gross = take(rung, net)[1]
    if gross < asked:
        raise SwapRefused(Refusal.UNSUPPORTED, "rounding across limit orders falls short")
    return _charged(rung, net, gross, fee_on_input)


def whole_in(rung: Rung, fee_on_input: bool) -> tuple[Fill, int]:
    """What draining a bin does, and the least amount that gets beyond it.

    Raises `SwapRefused(OVERFLOW)` where no amount does.
    """
    net, gross = take(rung, U64_MAX)
    beyond = net + 1
    if fee_on_input:
        beyond = ceil_div(beyond * FEE_PRECISION, FEE_PRECISION - rung.rate)
    return _charged(rung, net, gross, fee_on_input), beyond


def whole_out(rung: Rung, fee_on_input: bool) -> tuple[Fill, int]:
    """What draining a bin does, and the least amount out for which the program drains it.

    Raises `SwapRefused(OVERFLOW)` where no amount does.
    """
    net, gross = take(rung, U64_MAX)
    least = sum(rung.layers)
    if not fee_on_input:
        least = (least - 1) * (FEE_PRECISION - rung.rate) // FEE_PRECISION + 1
    return _charged(rung, net, gross, fee_on_input), least


def _charged(rung: Rung, net: int, gross: int, fee_on_input: bool) -> Fill:
    """The fill with the fee that comes on top of `net`, or off `gross`."""
    if fee_on_input:
        return Fill(rung, net, gross, ceil_div(net * rung.rate, FEE_PRECISION - rung.rate))
    return Fill(rung, net, gross, ceil_div(gross * rung.rate, FEE_PRECISION))


def take(rung: Rung, amount: int) -> tuple[int, int]:
    """What a bin takes of `amount` (fees left out), and what it gives for that.

    Raises `SwapRefused(OVERFLOW)` where draining a layer costs more than a u64. Source:
    `quote.rs`, `get_exact_in_fill_amount_result`.
    """
    _, numerator, denominator, layers, _ = rung
    left, bought = amount, 0
    for size in layers:
        full = ceil_div(size * denominator, numerator)
        if full > U64_MAX:
            raise SwapRefused(Refusal.OVERFLOW, "draining the bin costs more than a u64")
        if left < full:
            return amount, bought + left * numerator // denominator
        left -= full
        bought += size
        if not left:
            break
    return amount - left, bought


def price_of(bin_id: int, bin_step: int) -> int:
    """The price of a bin whose account has not stored it yet, in 64.64 fixed point.

    Source: `math/price_math.rs`, `get_price_from_id`; `math/u64x64_math.rs`, `pow`, which works
    on the inverse so that products stay within 128 bits.
    """
    if bin_id == 0:
        return ONE
    square = U128_MAX // (ONE + (bin_step << 64) // BASIS_POINTS)
    result, exponent = ONE, abs(bin_id)
    while exponent:
        if exponent & 1:
            result = result * square >> 64
        square = square * square >> 64
        exponent >>= 1
    return result if bin_id < 0 else U128_MAX // result
