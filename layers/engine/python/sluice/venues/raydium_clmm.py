"""Raydium CLMM: liquidity between ticks, limit orders on them, a fee that may follow volatility.

Source: raydium-io/raydium-clmm, `programs/amm/src/instructions/{swap,swap_v2}.rs` (checks,
transfer fees, what is written back), `states/pool_fee.rs` (which token the fee is taken in).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from sluice.errors import AccountInvalid, Refusal, SwapRefused
from sluice.venues.addresses import address_of
from sluice.venues.base import (
    Account,
    Accounts,
    Address,
    ChainClock,
    Fee,
    FeeKind,
    Quote,
    SwapKind,
    Trade,
    VenueName,
)
from sluice.venues.integers import U64_MAX
from sluice.venues.raydium_clmm_accounts import (
    AMM_CONFIG,
    BITMAP_EXTENSION,
    FEE_ON_TOKEN_0,
    FEE_ON_TOKEN_1,
    POOL_STATE,
    PROGRAM,
    STATUS_SWAP_DISABLED,
    PoolState,
    Tick,
    bitmap_extension_address,
    extension_bitmaps,
    own_bitmap,
    ticks_of,
)
from sluice.venues.raydium_clmm_after import (
    Arrays,
    Fees,
    arrays_after,
    end_of,
    fees_after,
)
from sluice.venues.raydium_clmm_fees import (
    RATE,
    DynamicRate,
    Dynamics,
    FixedRate,
    Meter,
    Volatility,
    refreshed,
)
from sluice.venues.raydium_clmm_ladder import Ladder, Reached
from sluice.venues.raydium_clmm_math import MAX_SQRT_PRICE, MIN_SQRT_PRICE
from sluice.venues.raydium_clmm_reach import (
    array_address,
    array_index,
    fetched_arrays,
    horizon_of,
    needed_arrays,
    outward,
)
from sluice.venues.raydium_clmm_steps import State, Way, steps_of
from sluice.venues.refusals import all_or_nothing, bad_amount
from sluice.venues.token import Mint, TransferFee, decode_mint, fee_at

NOWHERE: Final = Reached(0, None, 0, 0)


class PoolDrained(SwapRefused):
    """A refusal because liquidity ends, or was fetched no further.

    `amount_in` and `amount_out` are what a swap with its price limit there moves: the program
    accepts to fill in part where it is given a limit, and the official SDK quotes it unasked.
    """

    def __init__(self, refusal: Refusal, message: str, amount_in: int, amount_out: int) -> None:
        super().__init__(refusal, message)
        self.amount_in = amount_in
        self.amount_out = amount_out


@dataclass(frozen=True, slots=True)
class Terms:
    """What a swap never changes; rates in millionths, `open_time` a unix time in seconds.

    `fee_on` says which token the fee is taken in: 1 token 0, 2 token 1, else the input.
    """

    tick_spacing: int
    trade_rate: int
    protocol_rate: int
    fund_rate: int
    fee_on: int
    dynamics: Dynamics | None
    enabled: bool
    open_time: int


@dataclass(frozen=True, slots=True)
class ClmmPool:
    """One pool; `sqrt_price` is Q64.64, `fees` are (token 0, token 1).

    `arrays` holds the raw data of the fetched tick arrays by index, and `flags` which exist;
    `complete` says whether `flags` is known to its ends.
    """

    address: Address
    tokens: tuple[Mint, Mint]
    terms: Terms
    sqrt_price: int
    tick: int
    liquidity: int
    volatility: Volatility
    fees: tuple[Fees, Fees]
    flags: int
    complete: bool
    arrays: Mapping[int, bytes]
    emptied: Mapping[int, bytes] = field(compare=False, default_factory=dict)
    _ladders: dict[tuple[bool, bool, int, int], Ladder] = field(
        init=False, compare=False, repr=False, default_factory=dict
    )

    @property
    def mints(self) -> tuple[Address, Address]:
        """Token 0 and token 1."""
        return self.tokens[0].address, self.tokens[1].address

    @property
    def price_x64(self) -> int:
        """Token 1 per token 0."""
        return self.sqrt_price * self.sqrt_price >> 64

    def quote(self, trade: Trade, clock: ChainClock) -> Quote:
        """What the program would move for `trade` at `clock`, in base units.

        Raises `SwapRefused` where it would refuse, and with ACCOUNTS_MISSING where the way leads
        beyond the fetched tick arrays. Source: `swap_v2.rs`, `exact_internal_v2`.
        """
        return self._execute(trade, clock)[0]

    def swap(self, trade: Trade, clock: ChainClock) -> tuple[Quote, "ClmmPool"]:
        """`quote`, and the pool with price, liquidity, fees, volatility and limit orders after it.

        Source: `pool.rs`, `update_after_swap`.
        """
        quote, ladder, reached = self._execute(trade, clock)
        terms, way = self.terms, ladder.way
        price, (tick, liquidity, accumulator) = end_of(ladder, reached)
        on_0 = way.down == way.fee_on_input
        paid, rates = self.fees[not on_0], (terms.protocol_rate, terms.fund_rate)
        paid = fees_after(paid, ladder, reached, *rates)
        before = Arrays(self.flags, dict(self.arrays), dict(self.emptied))
        flags, arrays, emptied = arrays_after(before, ladder, reached, terms.tick_spacing)
        memory = self._memory(clock.unix_timestamp)
        return quote, replace(
            self,
            sqrt_price=price,
            tick=tick,
            liquidity=liquidity,
            volatility=memory._replace(accumulator=accumulator),
            fees=(paid, self.fees[1]) if on_0 else (self.fees[0], paid),
            flags=flags,
            arrays=arrays,
            emptied=emptied,
        )

    def encode(self, accounts: Accounts) -> dict[Address, Account]:
        """Pool, fetched tick arrays and bitmap extension with this state written in.

        What only liquidity providers are paid by (fees and rewards outside of ticks), the vaults'
        balances and the price observations are not kept.
        """
        spacing, extension = self.terms.tick_spacing, bitmap_extension_address(self.address)
        state: dict[str, int | bytes] = {
            "liquidity": self.liquidity.to_bytes(16, "little"),
            "sqrt_price_x64": self.sqrt_price.to_bytes(16, "little"),
            "tick_current": self.tick,
            "tick_array_bitmap": own_bitmap(self.flags),
            "tick_spacing_index_reference": self.volatility.reference_spacing,
            "volatility_reference": self.volatility.reference,
            "volatility_accumulator": self.volatility.accumulator,
            "last_update_timestamp": self.volatility.last_update,
        }
        for side, fees in enumerate(self.fees):
            state[f"fee_growth_global_{side}_x64"] = fees.growth.to_bytes(16, "little")
            state[f"protocol_fees_token_{side}"] = fees.protocol
            state[f"fund_fees_token_{side}"] = fees.fund
        written = {self.address: POOL_STATE.rewrite(accounts, self.address, state)}
        for index, data in (*self.arrays.items(), *self.emptied.items()):
            written[array_address(self.address, index, spacing)] = Account(PROGRAM, data)
        if accounts.get(extension) is not None:
            positive, negative = extension_bitmaps(self.flags)
            bitmaps = {
                "positive_tick_array_bitmap": positive,
                "negative_tick_array_bitmap": negative,
            }
            written[extension] = BITMAP_EXTENSION.rewrite(accounts, extension, bitmaps)
        return written

    def _execute(self, trade: Trade, clock: ChainClock) -> tuple[Quote, Ladder, Reached]:
        down = self._direction(trade, clock)
        exact_in = trade.kind is SwapKind.EXACT_IN
        ladder = self._ladder(down, exact_in, clock.unix_timestamp)
        mint_in, mint_out = self.tokens if down else self.tokens[::-1]
        fee_in, fee_out = fee_at(mint_in, clock.epoch), fee_at(mint_out, clock.epoch)
        amount, extra_in, extra_out = trade.amount, 0, 0
        if exact_in:
            extra_in = fee_in.of(amount) if fee_in else 0
            amount -= extra_in
        else:
            extra_out = fee_out.on_top_of(amount) if fee_out else 0
            amount += extra_out
        reached = ladder.climb(amount) if amount else NOWHERE
        if reached is None:
            raise self._drained(ladder, fee_in, fee_out)
        if reached.moved > U64_MAX:
            raise SwapRefused(Refusal.OVERFLOW, "the other side exceeds u64")
        if exact_in:
            paid, bought = amount, reached.moved
            extra_out = fee_out.of(bought) if fee_out else 0
        else:
            paid, bought = reached.moved, amount
            extra_in = fee_in.on_top_of(paid) if fee_in else 0
        if not paid or bought <= extra_out:
            raise SwapRefused(Refusal.ZERO_AMOUNT, "too little to pay in or out")
        fee_mint = mint_in if ladder.way.fee_on_input else mint_out
        fees: tuple[Fee, ...] = (Fee(FeeKind.TRADE, fee_mint.address, reached.fee),)
        if extra_in:
            fees = (*fees, Fee(FeeKind.TRANSFER, mint_in.address, extra_in))
        if extra_out:
            fees = (*fees, Fee(FeeKind.TRANSFER, mint_out.address, extra_out))
        return Quote(paid + extra_in, bought - extra_out, fees), ladder, reached

    def _drained(
        self, ladder: Ladder, fee_in: TransferFee | None, fee_out: TransferFee | None
    ) -> SwapRefused:
        down, exact_in, _ = ladder.way
        paid, bought = ladder.top if exact_in else ladder.top[::-1]
        if max(paid, bought) > U64_MAX:
            return SwapRefused(Refusal.OVERFLOW, "an amount on the way exceeds u64")
        paid += fee_in.on_top_of(paid) if fee_in else 0
        bought -= fee_out.of(bought) if fee_out else 0
        here = array_index(self.tick, self.terms.tick_spacing)
        ahead = outward(self.flags, here, down)
        if self.complete and all(index in self.arrays for index in ahead):
            return PoolDrained(
                Refusal.INSUFFICIENT_LIQUIDITY, "no initialized tick left", paid, bought
            )
        return PoolDrained(
            Refusal.ACCOUNTS_MISSING, "the swap leaves the fetched tick arrays", paid, bought
        )

    def _ladder(self, down: bool, exact_in: bool, now: int) -> Ladder:
        memory = self._memory(now)
        key = down, exact_in, memory.reference, memory.reference_spacing
        kept = self._ladders.get(key)
        if kept is None:
            state = State(self.tick, self.liquidity, memory.accumulator)
            meter = self._meter(memory, down)
            source = steps_of(self.sqrt_price, state, self._ticks(down), down, meter)
            fee_on = self.terms.fee_on
            on_input = down if fee_on == FEE_ON_TOKEN_0 else not down
            if fee_on not in (FEE_ON_TOKEN_0, FEE_ON_TOKEN_1):
                on_input = True
            kept = self._ladders[key] = Ladder(source, Way(down, exact_in, on_input))
        return kept

    def _memory(self, now: int) -> Volatility:
        """The volatility as a swap at unix time `now` finds it."""
        dynamics = self.terms.dynamics
        if dynamics is None:
            return self.volatility
        return refreshed(self.volatility, dynamics, self.tick // self.terms.tick_spacing, now)

    def _meter(self, memory: Volatility, down: bool) -> Meter:
        terms = self.terms
        if terms.dynamics is None:
            return FixedRate(terms.trade_rate, memory.accumulator)
        return DynamicRate(
            terms.trade_rate, terms.dynamics, memory, self.tick, terms.tick_spacing, down
        )

    def _ticks(self, down: bool) -> Iterator[Tick]:
        """The initialized ticks that a swap meets, as far as the fetched arrays tell."""
        here = array_index(self.tick, self.terms.tick_spacing)
        for index in outward(self.flags, here, down):
            data = self.arrays.get(index)
            if data is None:
                return
            ticks = ticks_of(data)
            for tick in reversed(ticks) if down else ticks:
                if index != here or (tick.tick <= self.tick) is down:
                    yield tick

    def _direction(self, trade: Trade, clock: ChainClock) -> bool:
        """Whether token 0 is paid in; raises `SwapRefused` where no such swap is taken at all."""
        down = trade.input == self.tokens[0].address
        if not down and trade.input != self.tokens[1].address:
            raise SwapRefused(Refusal.WRONG_MINT, trade.input)
        if not 0 < trade.amount <= U64_MAX:
            raise bad_amount(trade)
        if trade.kind is SwapKind.PARTIAL_FILL:
            raise all_or_nothing()
        if not self.terms.enabled:
            raise SwapRefused(Refusal.POOL_DISABLED)
        if clock.unix_timestamp <= self.terms.open_time:
            raise SwapRefused(Refusal.NOT_OPEN, f"opens after {self.terms.open_time}")
        return down


@dataclass(frozen=True, slots=True)
class RaydiumClmm:
    """The venue; see `base.Venue`."""

    name: VenueName = VenueName.RAYDIUM_CLMM
    program: Address = PROGRAM

    def needs(self, pool: Address, accounts: Accounts) -> frozenset[Address]:
        """The pool, then its config, mints, nearest tick arrays and maybe the bitmap extension.

        Raises `AccountInvalid`.
        """
        if pool not in accounts:
            return frozenset((pool,))
        state = _pool_state(pool, accounts)
        return needed_arrays(pool, state, accounts) | {pool, *map(address_of, state[:3])}

    def decode(self, pool: Address, accounts: Accounts) -> ClmmPool:
        """The pool with all fetched tick arrays that a swap can reach; raises `AccountInvalid`."""
        state = _pool_state(pool, accounts)
        config, mint_0, mint_1 = map(address_of, state[:3])
        tokens = decode_mint(accounts, mint_0), decode_mint(accounts, mint_1)
        flags, complete = horizon_of(pool, state, accounts)
        sqrt_price = int.from_bytes(state.sqrt_price_x64, "little")
        if not MIN_SQRT_PRICE <= sqrt_price < MAX_SQRT_PRICE:
            raise AccountInvalid(f"CLMM pool {pool}: square root of price {sqrt_price}")
        return ClmmPool(
            address=pool,
            tokens=tokens,
            terms=_terms(state, config, accounts, all(mint.transferable for mint in tokens)),
            sqrt_price=sqrt_price,
            tick=state.tick_current,
            liquidity=int.from_bytes(state.liquidity, "little"),
            volatility=Volatility(*state[22:26]),
            fees=(
                Fees(
                    int.from_bytes(state.fee_growth_global_0_x64, "little"),
                    state.protocol_fees_token_0,
                    state.fund_fees_token_0,
                ),
                Fees(
                    int.from_bytes(state.fee_growth_global_1_x64, "little"),
                    state.protocol_fees_token_1,
                    state.fund_fees_token_1,
                ),
            ),
            flags=flags,
            complete=complete,
            arrays=fetched_arrays(pool, state, flags, accounts),
        )


VENUE: Final = RaydiumClmm()


def _pool_state(pool: Address, accounts: Accounts) -> PoolState:
    state = PoolState(*POOL_STATE.read(POOL_STATE.require(accounts, pool, PROGRAM).data))
    if not state.tick_spacing:
        raise AccountInvalid(f"CLMM pool {pool}: no tick spacing")
    return state


def _terms(state: PoolState, config: Address, accounts: Accounts, movable: bool) -> Terms:
    """Source: `pool_fee.rs`, `get_dynamic_fee_info`: none is one whose every byte is zero."""
    protocol, trade, fund = AMM_CONFIG.read(AMM_CONFIG.require(accounts, config, PROGRAM).data)
    if trade >= RATE:
        raise AccountInvalid(f"CLMM config {config}: a fee of 100 % or more")
    dynamics = Dynamics(*state[17:22])
    volatile = any(state[17:26]) or any(state.dynamic_fee_padding)
    return Terms(
        tick_spacing=state.tick_spacing,
        trade_rate=trade,
        protocol_rate=protocol,
        fund_rate=fund,
        fee_on=state.fee_on,
        dynamics=dynamics if volatile else None,
        enabled=movable and not state.status & STATUS_SWAP_DISABLED,
        open_time=state.open_time,
    )
