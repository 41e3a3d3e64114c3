"""The constant-product curve of Raydium CPMM with its fees, on plain integers.

Source: raydium-io/raydium-cp-swap, `programs/cp-swap/src/curve/`: `calculator.rs`,
`constant_product.rs`, `fees.rs`.
"""

from typing import Final, NamedTuple

from sluice.errors import Refusal, SwapRefused
from sluice.venues.integers import U64_MAX, ceil_div

RATE: Final = 1_000_000
"""Fee rates are in millionths: `curve/fees.rs`, `FEE_RATE_DENOMINATOR_VALUE`."""


class Rates(NamedTuple):
    """Fee rates in millionths: `trade` and `creator` of an amount, the others of the trade fee."""

    trade: int
    protocol: int
    fund: int
    creator: int


class Curve(NamedTuple):
    """What passes the curve in base units: into and out of the vaults, and the fees within."""

    amount_in: int
    amount_out: int
    trade_fee: int
    creator_fee: int


def curve_in(
    amount: int, reserve_in: int, reserve_out: int, rates: Rates, creator_on_input: bool
) -> Curve:
    """What `amount` base units, all of them spent, buy from the reserves.

    The result's `amount_out` is what leaves the vault: a creator fee on the output stays in it.
    Raises `SwapRefused(ZERO_AMOUNT)` where nothing is left to trade or to pay out.
    Source: `calculator.rs`, `swap_base_input`.
    """
    if creator_on_input:
        fee = ceil_div(amount * (rates.trade + rates.creator), RATE)
        creator_fee = _creator_share(fee, rates)
    else:
        fee = ceil_div(amount * rates.trade, RATE)
        creator_fee = 0
    traded = amount - fee
    bought = traded * reserve_out // (reserve_in + traded) if traded > 0 else 0
    if creator_on_input:
        paid = bought
    else:
        creator_fee = ceil_div(bought * rates.creator, RATE)
        paid = bought - creator_fee
    if paid <= 0:
        raise SwapRefused(Refusal.ZERO_AMOUNT, "nothing to pay out")
    return Curve(amount, paid, fee - creator_fee if creator_on_input else fee, creator_fee)


def curve_out(
    amount: int, reserve_in: int, reserve_out: int, rates: Rates, creator_on_input: bool
) -> Curve:
    """What has to come in so that exactly `amount` base units leave the vault.

    Raises `SwapRefused`: INSUFFICIENT_LIQUIDITY where the reserve does not hold them, OVERFLOW
    where the input is no u64. Source: `calculator.rs`, `swap_base_output`.
    """
    bought = amount if creator_on_input else _before_fee(amount, rates.creator)
    if bought >= reserve_out:
        raise SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "more than the vault holds")
    traded = ceil_div(reserve_in * bought, reserve_out - bought)
    spent = _before_fee(traded, rates.trade + rates.creator if creator_on_input else rates.trade)
    if spent > U64_MAX:
        raise SwapRefused(Refusal.OVERFLOW, "input exceeds u64")
    fee = spent - traded
    if creator_on_input:
        creator_fee = _creator_share(fee, rates)
        return Curve(spent, amount, fee - creator_fee, creator_fee)
    return Curve(spent, amount, fee, bought - amount)


def _creator_share(fee: int, rates: Rates) -> int:
    if rates.trade + rates.creator == 0:
        raise SwapRefused(Refusal.ZERO_AMOUNT, "no fee to share: the program divides by zero")
    return fee * rates.creator // (rates.trade + rates.creator)


def _before_fee(after: int, rate: int) -> int:
    if rate == 0:
        return after
    if rate >= RATE:
        raise SwapRefused(Refusal.OVERFLOW, "fees of 100 % or more")
    return ceil_div(after * RATE, RATE - rate)
