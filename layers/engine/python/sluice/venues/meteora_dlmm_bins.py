"""Swapping through the bins of Meteora DLMM, on plain integers.

Source: MeteoraAg/dlmm-sdk, `commons/src/quote.rs` (the way through the bins),
`extensions/{bin,lb_pair}.rs` (amounts, fees), `math/{price_math,u64x64_math}.rs` (prices).
Amounts are base units, prices y per x in 64.64 fixed point, fee rates in billionths.
"""

from collections.abc import Iterable
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

    `layers` are the amounts on sale in the order they are taken, `total` their sum.
    """

    bin_id: int
    numerator: int
    denominator: int
    layers: tuple[int, ...]
    total: int


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


class Walk(NamedTuple):
    """The sums of a way through the bins; `rest` of the asked amount was not reached."""

    amount_in: int
    amount_out: int
    fee: int
    rest: int


def rung_of(bin_id: int, held: Bin, swap_for_y: bool) -> Rung | None:
    """The bin as a swap towards y (or x) sees it; None where it sells nothing that way."""
    amount = held.amount_y if swap_for_y else held.amount_x
    layers: tuple[int, ...] = (amount,) if amount else ()
    if held.orders_sell_x is not swap_for_y:
        layers += tuple(filter(None, (held.processed_orders, held.open_orders)))
    if not layers:
        return None
    price = held.price
    total = min(sum(layers), U64_MAX)
    return (
        Rung(bin_id, price, ONE, layers, total)
        if swap_for_y
        else Rung(bin_id, ONE, price, layers, total)
    )


def volatility_at(fees: FeeCurve, bin_id: int) -> int:
    """The accumulator in `bin_id`. Source: `lb_pair.rs`, `update_volatility_accumulator`."""
    return min(fees.reference + abs(fees.reference_id - bin_id) * BASIS_POINTS, fees.maximum)


def rate_at(fees: FeeCurve, bin_id: int) -> int:
    """The fee rate in `bin_id`, in billionths. Source: `lb_pair.rs`, `get_total_fee`."""
    if not fees.control:
        return min(fees.base, MAX_FEE_RATE)
    volatility = volatility_at(fees, bin_id)
    variable = ceil_div(fees.control * volatility * volatility, VARIABLE_FEE_SCALE)
    return min(fees.base + variable, MAX_FEE_RATE)


def walk_in(
    rungs: Iterable[Rung],
    amount: int,
    fees: FeeCurve,
    fee_on_input: bool,
    fills: list[Fill] | None = None,
) -> Walk:
    """Spends `amount` bin by bin; what each bin did goes into `fills`, if that is given.

    Raises `SwapRefused(OVERFLOW)`. Source: `quote.rs`, `quote_exact_in`.
    """
    left, bought, paid = amount, 0, 0
    for rung in rungs:
        rate = rate_at(fees, rung.bin_id)
        fee = ceil_div(left * rate, FEE_PRECISION) if fee_on_input else 0
        net, gross = take(rung, left - fee)
        spent = left
        if net < left - fee:
            if fee_on_input:
                fee = ceil_div(net * rate, FEE_PRECISION - rate)
            spent = net + fee
        if not fee_on_input:
            fee = ceil_div(gross * rate, FEE_PRECISION)
        if fills is not None:
            fills.append(Fill(rung, net, gross, fee))
        left -= spent
        bought += gross if fee_on_input else gross - fee
        paid += fee
        if not left:
            break
    return Walk(amount - left, bought, paid, left)


def walk_out(
    rungs: Iterable[Rung],
    amount: int,
    fees: FeeCurve,
    fee_on_input: bool,
    fills: list[Fill] | None = None,
) -> Walk:
    """Buys `amount` bin by bin; what each bin did goes into `fills`, if that is given.

    Raises `SwapRefused`: OVERFLOW, or UNSUPPORTED where the program's own rounding pays out less
    than asked and makes it abort. Source: `quote.rs`, `quote_exact_out`, but for two things that
    the deployed program does otherwise: it rounds the cost of a partly bought bin up once, not
    for each layer, and a bin whose whole output is its fee is paid for all the same.
    """
    wanted, spent, paid = amount, 0, 0
    for rung in rungs:
        rate = rate_at(fees, rung.bin_id)
        asked = wanted
        if not fee_on_input:
            asked += ceil_div(wanted * rate, FEE_PRECISION - rate)
        if asked >= rung.total:
            net, gross = take(rung, U64_MAX)
        else:
            net = ceil_div(asked * rung.denominator, rung.numerator)
            gross = take(rung, net)[1]
            if gross < asked:
                raise SwapRefused(Refusal.UNSUPPORTED, "rounding across limit orders falls short")
        if fee_on_input:
            fee = ceil_div(net * rate, FEE_PRECISION - rate)
            received, added = gross, fee
        else:
            fee = ceil_div(gross * rate, FEE_PRECISION)
            received, added = gross - fee, 0
        if fills is not None:
            fills.append(Fill(rung, net, gross, fee))
        wanted -= min(received, wanted)
        spent += net + added
        paid += fee
        if spent > U64_MAX:
            raise SwapRefused(Refusal.OVERFLOW, "input exceeds u64")
        if not wanted:
            break
    return Walk(spent, amount - wanted, paid, wanted)


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
