"""Raydium AMM v4: constant product over two vaults, without an order book.

Source: raydium-io/raydium-amm, `program/src/processor.rs` (`process_swap_base_{in,out}` and their
`_v2`, which move the same amounts) and `math.rs` (`Calculator`). Both mints are of SPL Token.
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
from sluice.venues.raydium_amm_v4_accounts import (
    AMM_INFO,
    PROGRAM,
    STATUS_INITIALIZED,
    STATUS_SWAP_ONLY,
    STATUS_WAITING_TRADE,
    amm_info,
)
from sluice.venues.refusals import all_or_nothing, bad_amount
from sluice.venues.token import STATE_INITIALIZED, TOKEN_ACCOUNT, TOKEN_PROGRAM

U128_MAX: Final = 2**128 - 1

Pair = tuple[int, int]
"""One number for the coin and one for the pc token."""


class Side(NamedTuple):
    """All that a quote in one direction needs; reserves in base units."""

    mint: Address
    reserve_in: int
    reserve_out: int


@dataclass(frozen=True, slots=True)
class AmmV4Pool:
    """One pool. Pairs are (coin, pc) in base units; `vaults` include the profit owed, `owed`.

    The fee is `fee_numerator / fee_denominator` of what is paid in; `open_time` is a unix time in
    seconds and only holds a pool that still waits for it.
    """

    address: Address
    mints: tuple[Address, Address]
    vault_addresses: tuple[Address, Address]
    vaults: Pair
    owed: Pair
    fee_numerator: int
    fee_denominator: int
    status: int
    open_time: int
    recent_epoch: int
    frozen: bool
    _sides: Mapping[Address, Side] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        coin, pc = self.reserves
        sides = Side(self.mints[0], coin, pc), Side(self.mints[1], pc, coin)
        object.__setattr__(self, "_sides", {side.mint: side for side in sides})

    @property
    def reserves(self) -> Pair:
        """`math.rs`, `calc_total_without_take_pnl_no_orderbook`."""
        return self.vaults[0] - self.owed[0], self.vaults[1] - self.owed[1]

    @property
    def price_x64(self) -> int:
        """Pc per coin, from the reserves."""
        coin, pc = self.reserves
        return (pc << 64) // coin if coin > 0 < pc else 0

    def quote(self, trade: Trade, clock: ChainClock) -> Quote:
        """What the program would move for `trade` at `clock`, in base units.

        Raises `SwapRefused` where it would refuse.
        """
        side = self._open_side(trade, clock)
        if trade.kind is SwapKind.EXACT_IN:
            return self._spend(trade.amount, side)
        return self._buy(trade.amount, side)

    def swap(self, trade: Trade, clock: ChainClock) -> tuple[Quote, "AmmV4Pool"]:
        """`quote`, and the pool as the program leaves it: a pool that waited has now opened.

        The deployed SPL Token lets a balance wrap beyond u64; a mint's supply keeps real pools
        away from it.
        """
        quote = self.quote(trade, clock)
        coin, pc = self.vaults
        if trade.input == self.mints[0]:
            vaults = (coin + quote.amount_in) & U64_MAX, pc - quote.amount_out
        else:
            vaults = coin - quote.amount_out, (pc + quote.amount_in) & U64_MAX
        return quote, replace(
            self, vaults=vaults, status=STATUS_SWAP_ONLY, recent_epoch=clock.epoch
        )

    def encode(self, accounts: Accounts) -> dict[Address, Account]:
        """Pool and vaults with this state written in."""
        state = {"status": self.status, "recent_epoch": self.recent_epoch}
        written = {self.address: AMM_INFO.rewrite(accounts, self.address, state)}
        for vault, amount in zip(self.vault_addresses, self.vaults, strict=True):
            written[vault] = TOKEN_ACCOUNT.rewrite(accounts, vault, {"amount": amount})
        return written

    def _spend(self, amount: int, side: Side) -> Quote:
        """`process_swap_base_in`, `swap_token_amount_base_in`."""
        mint, reserve_in, reserve_out = side
        fee = -(-amount * self.fee_numerator // self.fee_denominator)
        traded = amount - fee
        paid = traded * reserve_out // (reserve_in + traded)
        if paid <= 0:
            raise SwapRefused(Refusal.ZERO_AMOUNT, "nothing to pay out")
        return Quote(amount, paid, (Fee(FeeKind.TRADE, mint, fee),))

    def _buy(self, amount: int, side: Side) -> Quote:
        """`process_swap_base_out`, `swap_token_amount_base_out`."""
        mint, reserve_in, reserve_out = side
        if amount >= reserve_out:
            raise SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "more than the vault holds")
        traded = -(-reserve_in * amount // (reserve_out - amount))
        scaled = traded * self.fee_denominator
        if scaled > U128_MAX:
            raise SwapRefused(Refusal.OVERFLOW, "input with fee exceeds u128")
        spent = -(-scaled // (self.fee_denominator - self.fee_numerator))
        if spent > U64_MAX:
            raise SwapRefused(Refusal.OVERFLOW, "input exceeds u64")
        return Quote(spent, amount, (Fee(FeeKind.TRADE, mint, spent - traded),))

    def _open_side(self, trade: Trade, clock: ChainClock) -> Side:
        side = self._sides.get(trade.input)
        if side is None:
            raise SwapRefused(Refusal.WRONG_MINT, trade.input)
        if not 0 < trade.amount <= U64_MAX:
            raise bad_amount(trade)
        if trade.kind is SwapKind.PARTIAL_FILL:
            raise all_or_nothing()
        if self.status != STATUS_SWAP_ONLY or self.frozen:
            self._require_open(clock)
        if side.reserve_in <= 0 or side.reserve_out <= 0:
            raise SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "a vault is empty")
        if self.fee_numerator >= self.fee_denominator:
            raise SwapRefused(Refusal.OVERFLOW, "fees of 100 % or more")
        return side

    def _require_open(self, clock: ChainClock) -> None:
        """Source: `state.rs`, `AmmStatus::swap_permission`; `processor.rs`, swaps.

        With status 1 the program's releases disagree: until 2026-07 the reserves included what lay
        in OpenBook orders and `_v2` refused, since then the order book is not read any more.
        """
        if self.status == STATUS_INITIALIZED:
            raise SwapRefused(Refusal.UNSUPPORTED, "status 1: the pool shares an order book")
        if self.frozen or self.status not in (STATUS_SWAP_ONLY, STATUS_WAITING_TRADE):
            raise SwapRefused(Refusal.POOL_DISABLED, f"status {self.status}")
        if self.status == STATUS_WAITING_TRADE and clock.unix_timestamp < self.open_time:
            raise SwapRefused(Refusal.NOT_OPEN, f"opens at {self.open_time}")


@dataclass(frozen=True, slots=True)
class RaydiumAmmV4:
    """The venue; see `base.Venue`."""

    name: VenueName = VenueName.RAYDIUM_AMM_V4
    program: Address = PROGRAM

    def needs(self, pool: Address, accounts: Accounts) -> frozenset[Address]:
        """The pool, then also its vaults; raises `AccountInvalid`."""
        if pool not in accounts:
            return frozenset((pool,))
        state = amm_info(accounts, pool)
        return frozenset((pool, address_of(state.coin_vault), address_of(state.pc_vault)))

    def decode(self, pool: Address, accounts: Accounts) -> AmmV4Pool:
        """The pool from its three accounts; raises `AccountInvalid`."""
        state = amm_info(accounts, pool)
        vaults = address_of(state.coin_vault), address_of(state.pc_vault)
        coin, coin_frozen = _balance(accounts, vaults[0], state.coin_vault_mint)
        pc, pc_frozen = _balance(accounts, vaults[1], state.pc_vault_mint)
        return AmmV4Pool(
            address=pool,
            mints=(address_of(state.coin_vault_mint), address_of(state.pc_vault_mint)),
            vault_addresses=vaults,
            vaults=(coin, pc),
            owed=(state.need_take_pnl_coin, state.need_take_pnl_pc),
            fee_numerator=state.swap_fee_numerator,
            fee_denominator=state.swap_fee_denominator,
            status=state.status,
            open_time=state.pool_open_time,
            recent_epoch=state.recent_epoch,
            frozen=coin_frozen or pc_frozen,
        )


VENUE: Final = RaydiumAmmV4()


def _balance(accounts: Accounts, vault: Address, mint: bytes) -> tuple[int, bool]:
    """What the vault holds, and whether it is frozen."""
    account = TOKEN_ACCOUNT.require(accounts, vault, TOKEN_PROGRAM)
    held, _, amount, state = TOKEN_ACCOUNT.read(account.data)
    if held != mint or not state:
        raise AccountInvalid(f"token account {vault}: not an account of mint {address_of(mint)}")
    return amount, state != STATE_INITIALIZED
