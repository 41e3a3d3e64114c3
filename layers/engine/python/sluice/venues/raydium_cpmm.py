"""Raydium CPMM: constant product over two vaults.

Source: raydium-io/raydium-cp-swap, `programs/cp-swap/src/instructions/swap_base_{input,output}.rs`
(checks, transfer fees, what is written back) and `states/pool.rs` (reserves, owed fees).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

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
from sluice.venues.raydium_cpmm_accounts import (
    AMM_CONFIG,
    CREATOR_FEE_ON_INPUT,
    CREATOR_FEE_ON_TOKEN_1,
    POOL_STATE,
    PROGRAM,
    STATUS_SWAP_DISABLED,
    PoolState,
)
from sluice.venues.raydium_cpmm_curve import RATE, Curve, Rates, curve_in, curve_out
from sluice.venues.refusals import all_or_nothing, bad_amount
from sluice.venues.token import (
    TOKEN_ACCOUNT,
    TOKEN_PROGRAM,
    Mint,
    decode_mint,
    decode_token_account,
    fee_at,
)

Pair = tuple[int, int]
"""One number for token 0 and one for token 1."""


class Side(NamedTuple):
    """All that a quote in one direction needs; amounts in base units."""

    position: int
    reserve_in: int
    reserve_out: int
    room: int
    creator_on_input: bool
    mint_in: Mint
    mint_out: Mint
    free_transfers: bool


@dataclass(frozen=True, slots=True)
class CpmmPool:
    """One pool. Pairs are (token 0, token 1) in base units; `vaults` include the fees owed.

    `creator_fee_on` says which token the creator's fee is taken in: 0 the input, 1 token 0,
    2 token 1. `open_time` is a unix time in seconds.
    """

    address: Address
    tokens: tuple[Mint, Mint]
    vault_addresses: tuple[Address, Address]
    vaults: Pair
    protocol_fees: Pair
    fund_fees: Pair
    creator_fees: Pair
    rates: Rates
    creator_fee_on: int
    enabled: bool
    open_time: int
    recent_epoch: int
    _sides: Mapping[Address, Side] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        sides = {mint.address: self._side(index) for index, mint in enumerate(self.tokens)}
        object.__setattr__(self, "_sides", sides)

    @property
    def mints(self) -> tuple[Address, Address]:
        """Token 0 and token 1."""
        return self.tokens[0].address, self.tokens[1].address

    @property
    def reserves(self) -> Pair:
        """The vaults' balances less the fees owed: `states/pool.rs`, `vault_amount_without_fee`."""
        owed = zip(self.protocol_fees, self.fund_fees, self.creator_fees, strict=True)
        owed_0, owed_1 = map(sum, owed)
        return self.vaults[0] - owed_0, self.vaults[1] - owed_1

    @property
    def price_x64(self) -> int:
        """Token 1 per token 0, from the reserves."""
        reserve_0, reserve_1 = self.reserves
        return (reserve_1 << 64) // reserve_0 if reserve_0 > 0 < reserve_1 else 0

    def quote(self, trade: Trade, clock: ChainClock) -> Quote:
        """What the program would move for `trade` at `clock`, in base units.

        Raises `SwapRefused` where it would refuse. Source: `instructions/swap_base_*.rs`.
        """
        return self._execute(trade, clock)[0]

    def swap(self, trade: Trade, clock: ChainClock) -> tuple[Quote, "CpmmPool"]:
        """`quote`, and the pool with vaults, owed fees and epoch as the program leaves them.

        Source: `states/pool.rs`, `update_fees`; `instructions/swap_base_*.rs`.
        """
        quote, curve, side = self._execute(trade, clock)
        into = side.position
        creator = into if side.creator_on_input else 1 - into
        protocol_fee = curve.trade_fee * self.rates.protocol // RATE
        fund_fee = curve.trade_fee * self.rates.fund // RATE
        paid_in = _add(self.vaults, into, curve.amount_in)
        vault_0, vault_1 = _add(paid_in, 1 - into, -curve.amount_out)
        return quote, replace(
            self,
            vaults=(vault_0 & U64_MAX, vault_1 & U64_MAX),
            protocol_fees=_add(self.protocol_fees, into, protocol_fee),
            fund_fees=_add(self.fund_fees, into, fund_fee),
            creator_fees=_add(self.creator_fees, creator, curve.creator_fee),
            recent_epoch=clock.epoch,
        )

    def encode(self, accounts: Accounts) -> dict[Address, Account]:
        """Pool and vaults with this state written in; the price observations are not kept."""
        state = {"recent_epoch": self.recent_epoch}
        for i in (0, 1):
            state[f"protocol_fees_token_{i}"] = self.protocol_fees[i]
            state[f"fund_fees_token_{i}"] = self.fund_fees[i]
            state[f"creator_fees_token_{i}"] = self.creator_fees[i]
        written = {self.address: POOL_STATE.rewrite(accounts, self.address, state)}
        for vault, amount in zip(self.vault_addresses, self.vaults, strict=True):
            written[vault] = TOKEN_ACCOUNT.rewrite(accounts, vault, {"amount": amount})
        return written

    def _side(self, index: int) -> Side:
        other, reserves = 1 - index, self.reserves
        return Side(
            position=index,
            reserve_in=reserves[index],
            reserve_out=reserves[other],
            room=_room(self.tokens[index], self.vaults[index]),
            creator_on_input=self.creator_fee_on in (CREATOR_FEE_ON_INPUT, index + 1),
            mint_in=self.tokens[index],
            mint_out=self.tokens[other],
            free_transfers=all(mint.fees is None for mint in self.tokens),
        )

    def _execute(self, trade: Trade, clock: ChainClock) -> tuple[Quote, Curve, Side]:
        side = self._open_side(trade, clock)
        _, reserve_in, reserve_out, room, on_input, mint_in, mint_out, free = side
        exact_in = trade.kind is SwapKind.EXACT_IN
        amount, extra_in, extra_out = trade.amount, 0, 0
        fee_in = fee_out = None
        if not free:
            fee_in, fee_out = fee_at(mint_in, clock.epoch), fee_at(mint_out, clock.epoch)
        if exact_in:
            extra_in = fee_in.of(amount) if fee_in else 0
            curve = curve_in(amount - extra_in, reserve_in, reserve_out, self.rates, on_input)
            extra_out = fee_out.of(curve.amount_out) if fee_out else 0
        else:
            extra_out = fee_out.on_top_of(amount) if fee_out else 0
            curve = curve_out(amount + extra_out, reserve_in, reserve_out, self.rates, on_input)
            extra_in = fee_in.on_top_of(curve.amount_in) if fee_in else 0
        paid = curve.amount_out - extra_out
        if paid <= 0:
            raise SwapRefused(Refusal.ZERO_AMOUNT, "the transfer fee takes all")
        if curve.amount_in > room:
            raise SwapRefused(Refusal.OVERFLOW, "the vault's balance would exceed u64")
        fees = _fees(side, curve, extra_in, extra_out)
        return Quote(curve.amount_in + extra_in, paid, fees), curve, side

    def _open_side(self, trade: Trade, clock: ChainClock) -> Side:
        side = self._sides.get(trade.input)
        if side is None:
            raise SwapRefused(Refusal.WRONG_MINT, trade.input)
        if not 0 < trade.amount <= U64_MAX:
            raise bad_amount(trade)
        if trade.kind is SwapKind.PARTIAL_FILL:
            raise all_or_nothing()
        if not self.enabled:
            raise SwapRefused(Refusal.POOL_DISABLED)
        if clock.unix_timestamp < self.open_time:
            raise SwapRefused(Refusal.NOT_OPEN, f"opens at {self.open_time}")
        if side.reserve_in <= 0 or side.reserve_out <= 0:
            raise SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "a vault is empty")
        return side


@dataclass(frozen=True, slots=True)
class RaydiumCpmm:
    """The venue; see `base.Venue`."""

    name: VenueName = VenueName.RAYDIUM_CPMM
    program: Address = PROGRAM

    def needs(self, pool: Address, accounts: Accounts) -> frozenset[Address]:
        """The pool, then also its config, vaults and mints; raises `AccountInvalid`."""
        if pool not in accounts:
            return frozenset((pool,))
        state = _pool_state(pool, accounts)
        return frozenset((pool, *map(address_of, state[:5])))

    def decode(self, pool: Address, accounts: Accounts) -> CpmmPool:
        """The pool from its six accounts; raises `AccountInvalid`."""
        state = _pool_state(pool, accounts)
        config, vault_0, vault_1, mint_0, mint_1 = map(address_of, state[:5])
        trade, protocol, fund, creator = AMM_CONFIG.read(
            AMM_CONFIG.require(accounts, config, PROGRAM).data
        )
        tokens = decode_mint(accounts, mint_0), decode_mint(accounts, mint_1)
        vaults = (
            decode_token_account(accounts, vault_0, tokens[0]),
            decode_token_account(accounts, vault_1, tokens[1]),
        )
        movable = all(m.transferable for m in tokens) and not any(v.frozen for v in vaults)
        return CpmmPool(
            address=pool,
            tokens=tokens,
            vault_addresses=(vault_0, vault_1),
            vaults=(vaults[0].amount, vaults[1].amount),
            protocol_fees=(state.protocol_fees_token_0, state.protocol_fees_token_1),
            fund_fees=(state.fund_fees_token_0, state.fund_fees_token_1),
            creator_fees=(state.creator_fees_token_0, state.creator_fees_token_1),
            rates=Rates(trade, protocol, fund, creator if state.enable_creator_fee else 0),
            creator_fee_on=state.creator_fee_on,
            enabled=movable and not state.status & STATUS_SWAP_DISABLED,
            open_time=state.open_time,
            recent_epoch=state.recent_epoch,
        )


VENUE: Final = RaydiumCpmm()


def _pool_state(pool: Address, accounts: Accounts) -> PoolState:
    state = PoolState(*POOL_STATE.read(POOL_STATE.require(accounts, pool, PROGRAM).data))
    if state.creator_fee_on > CREATOR_FEE_ON_TOKEN_1:
        raise AccountInvalid(f"CPMM pool {pool}: creator fee mode {state.creator_fee_on}")
    return state


def _room(mint: Mint, balance: int) -> int:
    """What a vault can still take: Token-2022 refuses a balance beyond u64, SPL Token lets it wrap.

    The latter was read off the deployed program; a mint's supply keeps real pools away from it.
    """
    return U64_MAX if mint.program == TOKEN_PROGRAM else U64_MAX - balance


def _fees(side: Side, curve: Curve, extra_in: int, extra_out: int) -> tuple[Fee, ...]:
    mint_in, mint_out = side.mint_in.address, side.mint_out.address
    trade = Fee(FeeKind.TRADE, mint_in, curve.trade_fee)
    if not (curve.creator_fee or extra_in or extra_out):
        return (trade,)
    others = (
        Fee(FeeKind.CREATOR, mint_in if side.creator_on_input else mint_out, curve.creator_fee),
        Fee(FeeKind.TRANSFER, mint_in, extra_in),
        Fee(FeeKind.TRANSFER, mint_out, extra_out),
    )
    return (trade, *(fee for fee in others if fee.amount))


def _add(pair: Pair, index: int, amount: int) -> Pair:
    return (pair[0] + amount, pair[1]) if index == 0 else (pair[0], pair[1] + amount)
