"""The accounts of an AMM v4 and of a DAMM v1 pool: two reserves behind a price."""

from dataclasses import dataclass
from typing import Final

from sluice.venues.addresses import raw_address
from sluice.venues.base import Account, Address
from sluice.venues.layout import PUBKEY, Layout
from sluice.venues.meteora_damm_v1_accounts import ACTIVATION_TIMESTAMP, VAULT, VAULT_PROGRAM
from sluice.venues.meteora_damm_v1_accounts import POOL as DAMM_V1_POOL
from sluice.venues.meteora_damm_v1_accounts import PROGRAM as DAMM_V1_PROGRAM
from sluice.venues.meteora_damm_v1_vault import DEGRADATION
from sluice.venues.raydium_amm_v4_accounts import AMM_INFO, STATUS_SWAP_ONLY
from sluice.venues.raydium_amm_v4_accounts import PROGRAM as AMM_V4_PROGRAM

from .accounts import made_up, mint_account, token_account

MILLION: Final = 1_000_000
PROTOCOL_SHARE: Final = 200_000
"""What the protocol takes of a DAMM v1 pool's fee, in millionths."""
VAULT_PARTS: Final = 3
"""A dynamic vault holds so many times what the pool owns of it: others deposit there too."""
LENT_PARTS: Final = 4
"""One part in so many of a vault is lent out and cannot be paid at once."""
PROFIT_PARTS: Final = 10_000
"""One part in so many of a vault is profit that is still locked."""
UNLOCK_SECONDS: Final = 6 * 3_600

AMM_V4_DECIMALS: Final = Layout(
    "AMM v4 pool, what swaps do not read",
    AMM_INFO.size,
    (("coin_decimals", 32, "Q"), ("pc_decimals", 40, "Q")),
)
"""raydium-amm `state.rs`, `AmmInfo`."""

DAMM_V1_PROTOCOL_FEES: Final = Layout(
    "DAMM v1 pool, what swaps do not read",
    DAMM_V1_POOL.size,
    (("protocol_token_a_fee", 234, PUBKEY), ("protocol_token_b_fee", 266, PUBKEY)),
)
"""dynamic-amm-sdk `programs/dynamic-amm/src/state.rs`, `Pool`."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """What a pool holds of one token, in base units."""

    mint: Address
    decimals: int
    amount: int


def amm_v4(pool: Address, coin: Reserve, pc: Reserve, fee: int) -> dict[Address, Account]:
    """An AMM v4 pool that trades without an order book; `fee` in millionths."""
    vaults = made_up(f"coin vault:{pool}"), made_up(f"pc vault:{pool}")
    state = AMM_INFO.blank(
        {
            "status": STATUS_SWAP_ONLY,
            "swap_fee_numerator": fee,
            "swap_fee_denominator": MILLION,
            "coin_vault": raw_address(vaults[0]),
            "pc_vault": raw_address(vaults[1]),
            "coin_vault_mint": raw_address(coin.mint),
            "pc_vault_mint": raw_address(pc.mint),
        }
    )
    AMM_V4_DECIMALS.write(state, {"coin_decimals": coin.decimals, "pc_decimals": pc.decimals})
    return {
        pool: Account(AMM_V4_PROGRAM, bytes(state)),
        vaults[0]: token_account(coin.mint, pool, coin.amount),
        vaults[1]: token_account(pc.mint, pool, pc.amount),
    }


def damm_v1(
    pool: Address, a: Reserve, b: Reserve, fee: int, unix_time: int
) -> dict[Address, Account]:
    """A constant-product DAMM v1 pool with its own two vaults; `fee` in millionths."""
    state = DAMM_V1_POOL.blank(
        {
            "enabled": 1,
            "trade_fee_numerator": fee,
            "trade_fee_denominator": MILLION,
            "protocol_trade_fee_numerator": PROTOCOL_SHARE,
            "protocol_trade_fee_denominator": MILLION,
            "activation_type": ACTIVATION_TIMESTAMP,
        }
    )
    accounts: dict[Address, Account] = {}
    for side, held in (("a", a), ("b", b)):
        vault = made_up(f"dynamic vault {side}:{pool}")
        shares = made_up(f"vault shares {side}:{pool}")
        collected = made_up(f"protocol fee {side}:{pool}")
        named = {
            f"token_{side}_mint": raw_address(held.mint),
            f"{side}_vault": raw_address(vault),
            f"{side}_vault_lp": raw_address(shares),
        }
        DAMM_V1_POOL.write(state, named)
        DAMM_V1_PROTOCOL_FEES.write(state, {f"protocol_token_{side}_fee": raw_address(collected)})
        accounts |= _vault(vault, shares, pool, held, unix_time)
        accounts[collected] = token_account(held.mint, pool, 0)
    return {pool: Account(DAMM_V1_PROGRAM, bytes(state)), **accounts}


def _vault(
    vault: Address, shares: Address, pool: Address, held: Reserve, unix_time: int
) -> dict[Address, Account]:
    """A dynamic vault whose shares are worth a little more than one token each."""
    token_vault, lp_mint = made_up(f"token vault:{vault}"), made_up(f"share mint:{vault}")
    total = held.amount * VAULT_PARTS
    supply = total * 19 // 20
    state = VAULT.blank(
        {
            "enabled": 1,
            "total_amount": total,
            "token_vault": raw_address(token_vault),
            "token_mint": raw_address(held.mint),
            "lp_mint": raw_address(lp_mint),
            "last_updated_locked_profit": total // PROFIT_PARTS,
            "last_report": unix_time,
            "locked_profit_degradation": DEGRADATION // UNLOCK_SECONDS,
        }
    )
    return {
        vault: Account(VAULT_PROGRAM, bytes(state)),
        token_vault: token_account(held.mint, vault, total - total // LENT_PARTS),
        lp_mint: mint_account(supply, held.decimals),
        shares: token_account(lp_mint, pool, held.amount * supply // total),
    }
