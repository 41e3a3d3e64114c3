"""The accounts of Raydium AMM v4, as far as a swap reads or writes them.

Source: raydium-io/raydium-amm, `program/src/state.rs`; `AmmInfo` is packed and has no
discriminator.
"""

from typing import Final, NamedTuple

from sluice.errors import AccountInvalid
from sluice.venues.base import Accounts, Address
from sluice.venues.layout import PUBKEY, Layout

PROGRAM: Final = Address("675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8")

AMM_INFO: Final = Layout(
    "AMM v4 pool",
    752,
    (
        ("status", 0, "Q"),
        ("swap_fee_numerator", 176, "Q"),
        ("swap_fee_denominator", 184, "Q"),
        ("need_take_pnl_coin", 192, "Q"),
        ("need_take_pnl_pc", 200, "Q"),
        ("pool_open_time", 224, "Q"),
        ("coin_vault", 336, PUBKEY),
        ("pc_vault", 368, PUBKEY),
        ("coin_vault_mint", 400, PUBKEY),
        ("pc_vault_mint", 432, PUBKEY),
        ("recent_epoch", 736, "Q"),
    ),
)
"""`state.rs`, `AmmInfo` with its `Fees` and `StateData`; read as an `AmmInfo`, in that order."""

STATUS_UNINITIALIZED: Final = 0
STATUS_INITIALIZED: Final = 1
STATUS_SWAP_ONLY: Final = 6
STATUS_WAITING_TRADE: Final = 7
"""`state.rs`, `AmmStatus`; 2 to 5 are Disabled, WithdrawOnly, LiquidityOnly and OrderBookOnly."""


class AmmInfo(NamedTuple):
    """The fields of `AMM_INFO`."""

    status: int
    swap_fee_numerator: int
    swap_fee_denominator: int
    need_take_pnl_coin: int
    need_take_pnl_pc: int
    pool_open_time: int
    coin_vault: bytes
    pc_vault: bytes
    coin_vault_mint: bytes
    pc_vault_mint: bytes
    recent_epoch: int


def amm_info(accounts: Accounts, pool: Address) -> AmmInfo:
    """The pool's own account; raises `AccountInvalid` where the program would not load it.

    Source: `state.rs`, `AmmInfo::load_mut_checked`, `AmmStatus::from_u64`; `processor.rs`, swaps.
    """
    state = AmmInfo(*AMM_INFO.read(AMM_INFO.require(accounts, pool, PROGRAM).data))
    if not STATUS_UNINITIALIZED < state.status <= STATUS_WAITING_TRADE:
        raise AccountInvalid(f"{AMM_INFO.name} {pool}: status {state.status}")
    if state.coin_vault_mint == state.pc_vault_mint:
        raise AccountInvalid(f"{AMM_INFO.name} {pool}: both sides are of one mint")
    return state
