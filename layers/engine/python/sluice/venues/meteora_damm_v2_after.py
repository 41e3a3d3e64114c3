"""What a swap leaves behind in a DAMM v2 pool: fees owed, reserves, price and volatility.

Rates are in billionths. Each sum that the program checks is checked here: where one does not fit,
the whole swap is refused.

Source: MeteoraAg/damm-v2, `programs/cp-amm/src/state/pool.rs` (`apply_swap_result`,
`update_post_swap`) and `state/fee.rs` (`split_fees`, `DynamicFeeStruct`). The program also hands a
part of its own fee to a referrer, if the swap names one; a quote never does.
"""

from typing import Final, NamedTuple

from sluice.errors import Refusal, SwapRefused
from sluice.venues.integers import U64_MAX
from sluice.venues.meteora_damm_v2_fees import BASIS_POINTS

U128_MAX: Final = 2**128 - 1
U256_MAX: Final = 2**256 - 1
VARIABLE_FEE_SCALE: Final = 100_000_000_000

Pair = tuple[int, int]
"""One number for token a and one for token b."""


class Volatility(NamedTuple):
    """The pool's memory of past swaps; `last_update` is a unix time in seconds."""

    accumulator: int
    reference: int
    price_reference: int
    last_update: int


class DynamicFee(NamedTuple):
    """How the fee follows volatility; periods are seconds, `price_step` is Q64.64."""

    variable_control: int
    bin_step: int
    price_step: int
    filter_period: int
    decay_period: int
    reduction: int
    maximum: int

    def rate(self, accumulator: int) -> int:
        """Source: `get_variable_fee`; the program's clock does not matter before the swap."""
        square = checked((accumulator * self.bin_step) ** 2, U128_MAX)
        scaled = checked(square * self.variable_control + VARIABLE_FEE_SCALE - 1, U128_MAX)
        return scaled // VARIABLE_FEE_SCALE

    def after(self, memory: Volatility, before: int, price: int, now: int) -> Volatility:
        """The memory after a swap that moved the sqrt price from `before` to `price`.

        Source: `update_references`, then `update_volatility_accumulator`.
        """
        _, reference, price_reference, last_update = memory
        elapsed = max(now - last_update, 0)
        if elapsed >= self.filter_period:
            price_reference, reference = before, 0
            if elapsed < self.decay_period:
                decayed = checked(memory.accumulator * self.reduction, U128_MAX)
                reference = decayed // BASIS_POINTS
        moved = checked(self._steps(price, price_reference) * BASIS_POINTS, U128_MAX)
        accumulator = min(checked(reference + moved, U128_MAX), self.maximum)
        if self._steps(before, price):
            last_update = now
        return Volatility(accumulator, reference, price_reference, last_update)

    def _steps(self, one: int, other: int) -> int:
        """Source: `get_delta_bin_id`."""
        upper, lower = (one, other) if one > other else (other, one)
        if not (lower and self.price_step):
            raise SwapRefused(Refusal.OVERFLOW, "volatility has no price to start from")
        ratio = checked((upper << 64) // lower, U128_MAX)
        return checked((ratio - (1 << 64)) // self.price_step * 2, U128_MAX)


class Books(NamedTuple):
    """What swaps add to. Totals are the program's statistics, which it keeps checked, too."""

    reserves: Pair
    protocol_fees: Pair
    fees_per_liquidity: Pair
    lp_totals: Pair
    protocol_totals: Pair


class Flow(NamedTuple):
    """What passes the pool: into it with and without its fee, out of it before and after it.

    `price` is the sqrt price afterwards, or zero where it follows from the reserves.
    """

    amount_in: int
    net_in: int
    gross_out: int
    amount_out: int
    fee: int
    price: int


class Shares(NamedTuple):
    """How a fee is split: percent to the protocol, basis points of the rest to the reserves."""

    protocol_percent: int
    compounding_bps: int


def settled(
    books: Books, shares: Shares, liquidity: int, positions: tuple[int, int, int], flow: Flow
) -> Books:
    """The books after `flow`; `positions` are those of input, output and fee in each pair."""
    fee = flow.fee
    protocol = checked(fee * shares.protocol_percent // 100, fee)
    kept = fee - protocol
    compounding = checked(kept * shares.compounding_bps // BASIS_POINTS, kept)
    paid_in, paid_out, fee_side = positions
    reserves = added(books.reserves, paid_in, flow.net_in)
    reserves = added(reserves, paid_out, -flow.gross_out)
    per_liquidity = ((kept - compounding) << 128) // liquidity
    return Books(
        added(reserves, 1, compounding),
        added(books.protocol_fees, fee_side, protocol),
        added(books.fees_per_liquidity, fee_side, per_liquidity, U256_MAX),
        added(books.lp_totals, fee_side, kept, U128_MAX),
        added(books.protocol_totals, fee_side, protocol),
    )


def added(pair: Pair, side: int, amount: int, most: int = U64_MAX) -> Pair:
    """`pair` with `amount` added on one `side`; raises `SwapRefused` beyond zero and `most`."""
    total = checked(pair[side] + amount, most)
    return (total, pair[1]) if side == 0 else (pair[0], total)


def checked(value: int, most: int) -> int:
    """`value`; raises `SwapRefused` where the program's own integer would not hold it."""
    if 0 <= value <= most:
        return value
    if value < 0:
        raise SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "more than the reserve holds")
    raise SwapRefused(Refusal.OVERFLOW, "a sum exceeds its integer")
