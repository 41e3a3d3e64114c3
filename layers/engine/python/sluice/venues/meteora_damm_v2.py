"""Meteora DAMM v2: one price range, or constant product, with fees that follow time or volatility.

Source: MeteoraAg/damm-v2, `programs/cp-amm/src/instructions/swap/*.rs` (checks, transfer fees),
`pool_action_access/permissionless.rs` (status, activation) and `state/pool.rs` (the way of a swap).
A swap may pay out nothing: the program takes it.
"""

from dataclasses import dataclass, field
from typing import Final

from sluice.errors import Refusal, SwapRefused
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
from sluice.venues.meteora_damm_v2_accounts import POOL, PROGRAM, RawPool
from sluice.venues.meteora_damm_v2_after import Flow
from sluice.venues.meteora_damm_v2_side import Side, open_side
from sluice.venues.meteora_damm_v2_state import (
    State,
    Terms,
    fields_of,
    state_after,
    state_of,
    terms_of,
)
from sluice.venues.refusals import bad_amount
from sluice.venues.token import Mint, decode_mint, fee_at


@dataclass(frozen=True, slots=True)
class DammV2Pool:
    """One pool; tokens a and b."""

    address: Address
    tokens: tuple[Mint, Mint]
    terms: Terms
    state: State
    _sides: dict[Address, Side] = field(init=False, compare=False, repr=False, default_factory=dict)

    @property
    def mints(self) -> tuple[Address, Address]:
        """Token a and token b."""
        return self.tokens[0].address, self.tokens[1].address

    @property
    def price_x64(self) -> int:
        """Token b per token a: from the sqrt price, or from the reserves of a compounding pool."""
        if not self.terms.compounding:
            return self.state.price**2 >> 64 if self.terms.liquidity else 0
        a, b = self.state.books.reserves
        return (b << 64) // a if a else 0

    def quote(self, trade: Trade, clock: ChainClock) -> Quote:
        """What the program would move for `trade` at `clock`, in base units.

        Raises `SwapRefused` where it would refuse. Source: `instructions/swap/swap_*.rs`.
        """
        quote, flow, side = self._execute(trade, clock)
        if flow.amount_in > side.room or flow.gross_out > side.limit:
            self._after(flow, side, clock)
        return quote

    def swap(self, trade: Trade, clock: ChainClock) -> tuple[Quote, "DammV2Pool"]:
        """`quote`, and the pool with reserves, fees, price and volatility after it."""
        quote, flow, side = self._execute(trade, clock)
        state = self._after(flow, side, clock)
        return quote, DammV2Pool(self.address, self.tokens, self.terms, state)

    def encode(self, accounts: Accounts) -> dict[Address, Account]:
        """The pool account with this state written in; the vaults' balances are not kept."""
        return {self.address: POOL.rewrite(accounts, self.address, fields_of(self.state))}

    def _execute(self, trade: Trade, clock: ChainClock) -> tuple[Quote, Flow, Side]:
        side, point = self._open_side(trade, clock)
        amount, kind, extra_in, extra_out = trade.amount, trade.kind, 0, 0
        fee_in = fee_out = None
        if not side.free_transfers:
            fee_in, fee_out = fee_at(side.mint_in, clock.epoch), fee_at(side.mint_out, clock.epoch)
        if kind is SwapKind.EXACT_OUT:
            extra_out = fee_out.on_top_of(amount) if fee_out else 0
            flow = side.buy(amount + extra_out, point)
            extra_in = fee_in.on_top_of(flow.amount_in) if fee_in else 0
        else:
            extra_in = fee_in.of(amount) if fee_in else 0
            if extra_in == amount:
                raise SwapRefused(Refusal.ZERO_AMOUNT, "the transfer fee takes all")
            if kind is SwapKind.EXACT_IN:
                flow = side.spend(amount - extra_in, point)
            else:
                flow = side.fill(amount - extra_in, point)
                if not flow.amount_in:
                    raise SwapRefused(Refusal.ZERO_AMOUNT, "the price is at the end of its range")
                extra_in = fee_in.on_top_of(flow.amount_in) if fee_in else 0
            extra_out = fee_out.of(flow.amount_out) if fee_out else 0
        fees: tuple[Fee, ...] = (Fee(FeeKind.TRADE, side.fee_mint, flow.fee),)
        if extra_in or extra_out:
            fees += _transfer_fees(side, extra_in, extra_out)
        return Quote(flow.amount_in + extra_in, flow.amount_out - extra_out, fees), flow, side

    def _open_side(self, trade: Trade, clock: ChainClock) -> tuple[Side, int]:
        """The direction of the trade, and the pool's point in time."""
        side = self._sides.get(trade.input) or self._new_side(trade.input)
        if not 0 < trade.amount <= U64_MAX:
            raise bad_amount(trade)
        point = clock.slot if self.terms.by_slot else clock.unix_timestamp
        if point < self.terms.activation_point:
            raise SwapRefused(Refusal.NOT_OPEN, f"opens at {self.terms.activation_point}")
        return side, point

    def _new_side(self, mint: Address) -> Side:
        if mint not in self.mints:
            raise SwapRefused(Refusal.WRONG_MINT, mint)
        sells_a = mint == self.tokens[0].address
        side = self._sides[mint] = open_side(self.tokens, self.terms, self.state, sells_a)
        return side

    def _after(self, flow: Flow, side: Side, clock: ChainClock) -> State:
        now = clock.unix_timestamp
        return state_after(self.terms, self.state, side.positions, flow, now)


@dataclass(frozen=True, slots=True)
class MeteoraDammV2:
    """The venue; see `base.Venue`."""

    name: VenueName = VenueName.METEORA_DAMM_V2
    program: Address = PROGRAM

    def needs(self, pool: Address, accounts: Accounts) -> frozenset[Address]:
        """The pool, then also its mints; raises `AccountInvalid`."""
        if pool not in accounts:
            return frozenset((pool,))
        raw = _raw_pool(pool, accounts)
        return frozenset((pool, address_of(raw.token_a_mint), address_of(raw.token_b_mint)))

    def decode(self, pool: Address, accounts: Accounts) -> DammV2Pool:
        """The pool from its account and its mints; raises `AccountInvalid`."""
        raw = _raw_pool(pool, accounts)
        tokens = (
            decode_mint(accounts, address_of(raw.token_a_mint)),
            decode_mint(accounts, address_of(raw.token_b_mint)),
        )
        terms = terms_of(raw, all(mint.transferable for mint in tokens))
        return DammV2Pool(pool, tokens, terms, state_of(raw))


VENUE: Final = MeteoraDammV2()


def _raw_pool(pool: Address, accounts: Accounts) -> RawPool:
    return RawPool(*POOL.read(POOL.require(accounts, pool, PROGRAM).data))


def _transfer_fees(side: Side, extra_in: int, extra_out: int) -> tuple[Fee, ...]:
    fees = (
        Fee(FeeKind.TRANSFER, side.mint_in.address, extra_in),
        Fee(FeeKind.TRANSFER, side.mint_out.address, extra_out),
    )
    return tuple(fee for fee in fees if fee.amount)
