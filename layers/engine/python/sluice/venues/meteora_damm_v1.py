"""Meteora DAMM v1: constant product over the pool's shares of two dynamic vaults.

Source: MeteoraAg/dynamic-amm-sdk, `dynamic-amm-quote/src/lib.rs` (`compute_quote`, checked against
the built program in `dynamic-amm-quote/tests/fixtures`), `programs/dynamic-amm/src/state.rs` (fees,
activation), and spl-token-swap 3.0.0, `curve/constant_product.rs` (`swap`). Both mints are of SPL
Token.
"""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from sluice.errors import Refusal, SwapRefused
from sluice.venues.addresses import address_of, raw_address
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
from sluice.venues.meteora_damm_v1_accounts import (
    ACTIVATION_TIMESTAMP,
    CURVE_CONSTANT_PRODUCT,
    PROGRAM,
    pool_state,
    vault_state,
)
from sluice.venues.meteora_damm_v1_vault import Vault, decode_balance, decode_vault
from sluice.venues.refusals import bad_amount
from sluice.venues.token import TOKEN_ACCOUNT

Pair = tuple[int, int]
"""One number for token A and one for token B."""


class Rate(NamedTuple):
    """A fee of `numerator / denominator`."""

    numerator: int
    denominator: int

    def of(self, amount: int) -> int:
        """Rounded down, but at least 1 unless rate or amount is zero: `calculate_fee`."""
        if self.numerator == 0 or amount == 0:
            return 0
        if self.denominator == 0:
            raise SwapRefused(Refusal.OVERFLOW, "a fee rate divides by zero")
        return amount * self.numerator // self.denominator or 1


class Moved(NamedTuple):
    """What a swap moves: tokens into and out of the vaults, and the shares minted and burned."""

    into: int
    deposited: int
    minted: int
    paid: int
    burned: int
    fee: int


@dataclass(frozen=True, slots=True)
class DammV1Pool:
    """One pool. Pairs are (token A, token B); `shares` are the pool's of each vault's.

    `protocol` is the protocol's rate of the `trade` fee. `activation_point` is a slot, or a unix
    time in seconds where `activated_by_time`.
    """

    address: Address
    mints: tuple[Address, Address]
    vaults: tuple[Vault, Vault]
    share_accounts: tuple[Address, Address]
    shares: Pair
    trade: Rate
    protocol: Rate
    enabled: bool
    stable: bool
    activation_point: int
    activated_by_time: bool

    @property
    def reserves(self) -> Pair:
        """What the shares are worth with all profit of the vaults unlocked: no clock is known."""
        worth_a, worth_b = (
            share * vault.total // vault.supply if vault.supply else 0
            for share, vault in zip(self.shares, self.vaults, strict=True)
        )
        return worth_a, worth_b

    @property
    def price_x64(self) -> int:
        """Token B per token A, from the reserves; the stable curve has no price here."""
        reserve_a, reserve_b = self.reserves
        return (reserve_b << 64) // reserve_a if reserve_a and not self.stable else 0

    def quote(self, trade: Trade, clock: ChainClock) -> Quote:
        """What the program would move for `trade` at `clock`, in base units.

        Raises `SwapRefused` where it would refuse.
        """
        moved = self._execute(trade, clock)
        return Quote(trade.amount, moved.paid, (Fee(FeeKind.TRADE, trade.input, moved.fee),))

    def swap(self, trade: Trade, clock: ChainClock) -> tuple[Quote, "DammV1Pool"]:
        """`quote`, and the pool with its shares and vaults as the program leaves them."""
        moved = self._execute(trade, clock)
        quote = Quote(trade.amount, moved.paid, (Fee(FeeKind.TRADE, trade.input, moved.fee),))
        into, vaults, shares = moved.into, list(self.vaults), list(self.shares)
        changes = (into, moved.deposited, moved.minted), (1 - into, -moved.paid, -moved.burned)
        for side, amount, share in changes:
            vault = vaults[side]
            vaults[side] = replace(
                vault,
                total=vault.total + amount,
                balance=vault.balance + amount,
                supply=vault.supply + share,
            )
            shares[side] += share
        return quote, replace(self, vaults=(vaults[0], vaults[1]), shares=(shares[0], shares[1]))

    def encode(self, accounts: Accounts) -> dict[Address, Account]:
        """Shares and vaults with this state written in; the pool's own account does not change."""
        written = self.vaults[0].encode(accounts) | self.vaults[1].encode(accounts)
        for address, amount in zip(self.share_accounts, self.shares, strict=True):
            written[address] = TOKEN_ACCOUNT.rewrite(accounts, address, {"amount": amount})
        return written

    def _execute(self, trade: Trade, clock: ChainClock) -> Moved:
        """`compute_quote`; what reaches the curve is what the pool's shares are worth more.

        Unlike `compute_quote`, the deployed program pays out the last token a vault has at hand.
        """
        into = self._open_side(trade, clock)
        vault_in, vault_out = self.vaults[into], self.vaults[1 - into]
        share_in, share_out = self.shares[into], self.shares[1 - into]
        worth_in = vault_in.unlocked(clock.unix_timestamp)
        worth_out = vault_out.unlocked(clock.unix_timestamp)
        supply_in, supply_out = vault_in.supply, vault_out.supply
        if not (worth_in and worth_out and supply_in and supply_out):
            raise SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "a vault is empty")
        fee = self.trade.of(trade.amount)
        protocol_fee = self.protocol.of(fee)
        deposited = trade.amount - protocol_fee
        if protocol_fee > fee or deposited <= 0:
            raise SwapRefused(Refusal.ZERO_AMOUNT, "fees take all")
        reserve_in = share_in * worth_in // supply_in
        minted = deposited * supply_in // worth_in
        after = (share_in + minted) * (worth_in + deposited) // (supply_in + minted)
        traded = after - reserve_in - (fee - protocol_fee)
        bought = _bought(traded, reserve_in, share_out * worth_out // supply_out)
        burned = bought * supply_out // worth_out
        paid = burned * worth_out // supply_out
        if paid > vault_out.balance:
            raise SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "more than the vault has at hand")
        if vault_in.total + deposited > U64_MAX or supply_in + minted > U64_MAX:
            raise SwapRefused(Refusal.OVERFLOW, "the vault would exceed u64")
        return Moved(into, deposited, minted, paid, burned, fee)

    def _open_side(self, trade: Trade, clock: ChainClock) -> int:
        if trade.input not in self.mints:
            raise SwapRefused(Refusal.WRONG_MINT, trade.input)
        if not 0 < trade.amount <= U64_MAX:
            raise bad_amount(trade)
        if trade.kind is not SwapKind.EXACT_IN:
            raise SwapRefused(Refusal.UNSUPPORTED, f"the program knows no {trade.kind} swap")
        if self.stable:
            raise SwapRefused(Refusal.UNSUPPORTED, "the pool's curve is stable")
        into = 0 if trade.input == self.mints[0] else 1
        if not (self.enabled and self.vaults[into].enabled):
            raise SwapRefused(Refusal.POOL_DISABLED)
        point = clock.unix_timestamp if self.activated_by_time else clock.slot
        if point < self.activation_point:
            raise SwapRefused(Refusal.NOT_OPEN, f"activates at {self.activation_point}")
        return into


@dataclass(frozen=True, slots=True)
class MeteoraDammV1:
    """The venue; see `base.Venue`."""

    name: VenueName = VenueName.METEORA_DAMM_V1
    program: Address = PROGRAM

    def needs(self, pool: Address, accounts: Accounts) -> frozenset[Address]:
        """The pool, then its vaults and shares, then what the vaults name."""
        if pool not in accounts:
            return frozenset((pool,))
        state = pool_state(accounts, pool)
        vaults = address_of(state.a_vault), address_of(state.b_vault)
        found = {pool, *vaults, address_of(state.a_vault_lp), address_of(state.b_vault_lp)}
        for address in vaults:
            if address in accounts:
                vault = vault_state(accounts, address)
                found |= {address_of(vault.token_vault), address_of(vault.lp_mint)}
        return frozenset(found)

    def decode(self, pool: Address, accounts: Accounts) -> DammV1Pool:
        """The pool from its nine accounts; raises `AccountInvalid`."""
        state = pool_state(accounts, pool)
        vaults = (
            decode_vault(accounts, address_of(state.a_vault), state.token_a_mint),
            decode_vault(accounts, address_of(state.b_vault), state.token_b_mint),
        )
        share_accounts = address_of(state.a_vault_lp), address_of(state.b_vault_lp)
        shares = (
            decode_balance(accounts, share_accounts[0], raw_address(vaults[0].lp_mint)),
            decode_balance(accounts, share_accounts[1], raw_address(vaults[1].lp_mint)),
        )
        return DammV1Pool(
            address=pool,
            mints=(address_of(state.token_a_mint), address_of(state.token_b_mint)),
            vaults=vaults,
            share_accounts=share_accounts,
            shares=shares,
            trade=Rate(state.trade_fee_numerator, state.trade_fee_denominator),
            protocol=Rate(state.protocol_trade_fee_numerator, state.protocol_trade_fee_denominator),
            enabled=state.enabled != 0,
            stable=state.curve_type != CURVE_CONSTANT_PRODUCT,
            activation_point=state.activation_point,
            activated_by_time=state.activation_type == ACTIVATION_TIMESTAMP,
        )


VENUE: Final = MeteoraDammV1()


def _bought(traded: int, reserve_in: int, reserve_out: int) -> int:
    """What `traded` base units buy of the reserves: `constant_product.rs`, `swap`.

    Raises `SwapRefused` where that is nothing, or so much that the program's division fails.
    """
    if traded <= 0:
        raise SwapRefused(Refusal.ZERO_AMOUNT, "fees and rounding take all")
    product, total = reserve_in * reserve_out, reserve_in + traded
    if product < total:
        raise SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "too much for the pool")
    bought = reserve_out + -product // total
    if bought <= 0:
        raise SwapRefused(Refusal.ZERO_AMOUNT, "nothing to pay out")
    return bought
