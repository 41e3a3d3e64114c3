"""One direction of a DAMM v2 pool in one state: fees around the curve.

Amounts are base units of the pool's tokens without transfer fees, rates are billionths, points
are slots or unix times, whichever the pool goes by.

Source: MeteoraAg/damm-v2, `programs/cp-amm/src/state/pool.rs` (`get_swap_result_from_*`) and
`state/fee.rs` (`get_fee_on_amount`, `get_total_fee_numerator`, `FeeMode`).
"""

from contextlib import suppress
from typing import Final, NamedTuple

from sluice.errors import Refusal, SwapRefused
from sluice.venues.base import Address
from sluice.venues.integers import U64_MAX
from sluice.venues.meteora_damm_v2_after import Books, DynamicFee, Flow
from sluice.venues.meteora_damm_v2_curve import Curve, Falling, Product, Rising
from sluice.venues.meteora_damm_v2_fees import BASIS_POINTS, RATE, BaseFee, before_fee
from sluice.venues.meteora_damm_v2_state import State, Terms, tracked_books
from sluice.venues.token import Mint

PERCENT: Final = 100
NO_ROOM: Final = -1
FEE_SUM_HEADROOM: Final = 2**255
LP_TOTAL_HEADROOM: Final = 2**127
SOUND_PRICE_STEP: Final = 2**24
LOWEST_SOUND_PRICE: Final = 2**32
HIGHEST_SOUND_PRICE: Final = 2**96 - 1
"""No ratio of sqrt prices between these exceeds what the program computes volatility with."""


class FeeRate(NamedTuple):
    """The fee rate of one direction: the base fee with the variable one on top, up to `maximum`.

    `settled` is the total once the base fee has come to its end, None where that is refused.
    """

    base: BaseFee
    variable: int
    maximum: int
    activation: int
    ends: int
    sqrt_price: int
    settled: int | None

    def at(self, point: int, amount: int, net: bool) -> int:
        """The rate of `amount`, which with `net` has to be left after the fee."""
        if point > self.ends:
            return self.base.final() if self.settled is None else self.settled
        base = self.base.during(point - self.activation, self.sqrt_price, amount, net)
        return total_rate(base, self.variable, self.maximum)


class Side(NamedTuple):
    """All that a quote in one direction needs.

    Flows up to `room` in and `limit` out leave a state that the program can hold, for sure.
    `positions` are those of the input, the output and the fee.
    """

    curve: Curve
    rate: FeeRate
    on_input: bool
    room: int
    limit: int
    positions: tuple[int, int, int]
    mint_in: Mint
    mint_out: Mint
    fee_mint: Address
    free_transfers: bool

    def spend(self, amount: int, point: int) -> Flow:
        """Source: `get_swap_result_from_exact_input`."""
        rate = self.rate.at(point, amount, False)
        if self.on_input:
            fee = -(-amount * rate // RATE)
            bought, price = self.curve.spend(amount - fee)
            return Flow(amount, amount - fee, bought, bought, fee, price)
        bought, price = self.curve.spend(amount)
        fee = -(-bought * rate // RATE)
        return Flow(amount, amount, bought, bought - fee, fee, price)

    def buy(self, amount: int, point: int) -> Flow:
        """Source: `get_swap_result_from_exact_output`."""
        if self.on_input:
            net, price = self.curve.buy(amount)
            spent = before_fee(net, self.rate.at(point, net, True))
            return Flow(spent, net, amount, amount, spent - net, price)
        gross = before_fee(amount, self.rate.at(point, amount, True))
        spent, price = self.curve.buy(gross)
        return Flow(spent, spent, gross, amount, gross - amount, price)

    def fill(self, amount: int, point: int) -> Flow:
        """Where the range ends early, the fee on the input is that of the part which was used.

        Source: `get_swap_result_from_partial_input`.
        """
        rate = self.rate.at(point, amount, False)
        if not self.on_input:
            used, bought, price = self.curve.fill(amount)
            fee = -(-bought * rate // RATE)
            return Flow(used, used, bought, bought - fee, fee, price)
        fee = -(-amount * rate // RATE)
        net, bought, price = self.curve.fill(amount - fee)
        spent = amount
        if net < amount - fee:
            spent = before_fee(net, self.rate.at(point, net, True))
        return Flow(spent, net, bought, bought, spent - net, price)


def fee_rate(terms: Terms, variable: int, sqrt_price: int, sells_a: bool) -> FeeRate:
    """Raises `SwapRefused` where no swap in this direction has a fee rate at all."""
    settled = None
    # A scheduler may fall below nothing at its end; until then its rates are good.
    with suppress(SwapRefused):
        settled = total_rate(terms.base_fee.final(), variable, terms.maximum_rate)
    return FeeRate(
        base=terms.base_fee,
        variable=variable,
        maximum=terms.maximum_rate,
        activation=terms.activation_point,
        ends=terms.base_fee.ends(terms.activation_point, sells_a),
        sqrt_price=sqrt_price,
        settled=settled,
    )


def total_rate(base: int, variable: int, maximum: int) -> int:
    """Base and variable rate together, capped. Source: `get_total_fee_numerator`."""
    if base + variable > U64_MAX:
        raise SwapRefused(Refusal.OVERFLOW, "fee rate exceeds u64")
    return min(base + variable, maximum)


def open_side(tokens: tuple[Mint, Mint], terms: Terms, state: State, sells_a: bool) -> Side:
    """The side of a pool; raises `SwapRefused` where the program takes no swap on it at all."""
    if not terms.supported:
        raise SwapRefused(Refusal.UNSUPPORTED, "a mode, or the version, is unknown")
    if not terms.enabled:
        raise SwapRefused(Refusal.POOL_DISABLED)
    if not terms.liquidity:
        raise SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "the pool is empty")
    books = tracked_books(terms, state)
    on_input = terms.fee_on_b and not sells_a
    into = 0 if sells_a else 1
    positions = into, 1 - into, 1 if sells_a or terms.fee_on_b else 0
    fullest = max(
        books.reserves[into],
        books.protocol_fees[positions[2]],
        books.protocol_totals[positions[2]],
    )
    room = U64_MAX - fullest if _is_sound(terms, state, books) else NO_ROOM
    variable = terms.dynamic.rate(state.volatility.accumulator) if terms.dynamic else 0
    return Side(
        curve=_curve(terms, state, books, sells_a),
        rate=fee_rate(terms, variable, state.price, sells_a),
        on_input=on_input,
        room=room,
        limit=min(books.reserves[1 - into], room),
        positions=positions,
        mint_in=tokens[into],
        mint_out=tokens[1 - into],
        fee_mint=tokens[positions[2]].address,
        free_transfers=all(mint.fees is None for mint in tokens),
    )


def _curve(terms: Terms, state: State, books: Books, sells_a: bool) -> Curve:
    if terms.compounding:
        a, b = books.reserves
        return Product(a, b) if sells_a else Product(b, a)
    if not (state.price and terms.lowest_price):
        raise SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "the pool has no price")
    if sells_a:
        return Falling(terms.liquidity, state.price, terms.lowest_price)
    return Rising(terms.liquidity, state.price, terms.highest_price)


def _is_sound(terms: Terms, state: State, books: Books) -> bool:
    """Whether nothing but the reserves, and what is owed of them, can outgrow its integer."""
    if not (
        terms.shares.protocol_percent <= PERCENT
        and terms.shares.compounding_bps <= (BASIS_POINTS if terms.compounding else 0)
        and max(books.fees_per_liquidity) < FEE_SUM_HEADROOM
        and max(books.lp_totals) < LP_TOTAL_HEADROOM
        and all(books.reserves)
    ):
        return False
    if terms.dynamic is None:
        return True
    return _has_sound_volatility(terms, terms.dynamic, state)


def _has_sound_volatility(terms: Terms, dynamic: DynamicFee, state: State) -> bool:
    memory = state.volatility
    prices = [state.price]
    if not terms.compounding:
        prices += terms.lowest_price, terms.highest_price
    if memory.last_update:
        # Zero in a new pool only, and then far enough back that the reference is set anew.
        prices.append(memory.price_reference)
    return (
        dynamic.price_step >= SOUND_PRICE_STEP
        and max(memory.accumulator, memory.reference) <= U64_MAX
        and all(LOWEST_SOUND_PRICE <= price <= HIGHEST_SOUND_PRICE for price in prices)
    )
