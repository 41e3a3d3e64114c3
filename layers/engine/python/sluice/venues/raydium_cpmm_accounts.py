"""The accounts of Raydium CPMM, as far as a swap reads or writes them.

Source: raydium-io/raydium-cp-swap, `programs/cp-swap/src/states/{pool,config}.rs`; both structs
are packed and lie behind Anchor's 8-byte discriminator.
"""

from typing import Final, NamedTuple

from sluice.venues.base import Address
from sluice.venues.layout import PUBKEY, Layout

PROGRAM: Final = Address("CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C")

POOL_STATE: Final = Layout(
    "CPMM pool",
    637,
    (
        ("amm_config", 8, PUBKEY),
        ("token_0_vault", 72, PUBKEY),
        ("token_1_vault", 104, PUBKEY),
        ("token_0_mint", 168, PUBKEY),
        ("token_1_mint", 200, PUBKEY),
        ("status", 329, "B"),
        ("protocol_fees_token_0", 341, "Q"),
        ("protocol_fees_token_1", 349, "Q"),
        ("fund_fees_token_0", 357, "Q"),
        ("fund_fees_token_1", 365, "Q"),
        ("open_time", 373, "Q"),
        ("recent_epoch", 381, "Q"),
        ("creator_fee_on", 389, "B"),
        ("enable_creator_fee", 390, "B"),
        ("creator_fees_token_0", 397, "Q"),
        ("creator_fees_token_1", 405, "Q"),
    ),
    bytes((247, 237, 227, 245, 215, 195, 222, 70)),
)
"""`states/pool.rs`, `PoolState`; read as a `PoolState`, whose fields stand in the same order."""

AMM_CONFIG: Final = Layout(
    "CPMM config",
    236,
    (
        ("trade_fee_rate", 12, "Q"),
        ("protocol_fee_rate", 20, "Q"),
        ("fund_fee_rate", 28, "Q"),
        ("creator_fee_rate", 108, "Q"),
    ),
    bytes((218, 244, 33, 104, 203, 203, 43, 111)),
)
"""`states/config.rs`, `AmmConfig`; rates in millionths."""

STATUS_SWAP_DISABLED: Final = 1 << 2

CREATOR_FEE_ON_INPUT: Final = 0
CREATOR_FEE_ON_TOKEN_0: Final = 1
CREATOR_FEE_ON_TOKEN_1: Final = 2


class PoolState(NamedTuple):
    """The fields of `POOL_STATE`."""

    amm_config: bytes
    token_0_vault: bytes
    token_1_vault: bytes
    token_0_mint: bytes
    token_1_mint: bytes
    status: int
    protocol_fees_token_0: int
    protocol_fees_token_1: int
    fund_fees_token_0: int
    fund_fees_token_1: int
    open_time: int
    recent_epoch: int
    creator_fee_on: int
    enable_creator_fee: int
    creator_fees_token_0: int
    creator_fees_token_1: int
