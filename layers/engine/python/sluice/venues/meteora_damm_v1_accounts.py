"""The accounts of Meteora DAMM v1 and of its dynamic vaults, as far as a swap reads or writes them.

Source: MeteoraAg/dynamic-amm-sdk, `programs/dynamic-amm/src/state.rs` (`Pool`) and
`programs/dynamic-vault/src/state.rs` (`Vault`). Both are in Borsh behind Anchor's 8-byte
discriminator, and their accounts have room to spare that differs with their age.
"""

from typing import Final, NamedTuple

from sluice.errors import AccountInvalid
from sluice.venues.base import Account, Accounts, Address
from sluice.venues.layout import PUBKEY, Layout, present

PROGRAM: Final = Address("Eo7WjKq67rjJQSZxS6z3YkapzY3eMj6Xy8X5EQVn5UaB")
VAULT_PROGRAM: Final = Address("24Uqj9JCLxUeoC3hGfh5W3s9FM9uCHDS2SG3LYwBpyTi")

POOL: Final = Layout(
    "DAMM v1 pool",
    875,
    (
        ("token_a_mint", 40, PUBKEY),
        ("token_b_mint", 72, PUBKEY),
        ("a_vault", 104, PUBKEY),
        ("b_vault", 136, PUBKEY),
        ("a_vault_lp", 168, PUBKEY),
        ("b_vault_lp", 200, PUBKEY),
        ("enabled", 233, "B"),
        ("trade_fee_numerator", 330, "Q"),
        ("trade_fee_denominator", 338, "Q"),
        ("protocol_trade_fee_numerator", 346, "Q"),
        ("protocol_trade_fee_denominator", 354, "Q"),
        ("activation_point", 403, "Q"),
        ("activation_type", 475, "B"),
        ("curve_type", 874, "B"),
    ),
    bytes((241, 154, 109, 4, 17, 177, 109, 188)),
)
"""`Pool` with its `PoolFees` and `Bootstrapping`; read as a `PoolState`, in the same order.

`size` ends with the tag of `CurveType`, the last field a constant-product pool has.
"""

VAULT: Final = Layout(
    "dynamic vault",
    1227,
    (
        ("enabled", 8, "B"),
        ("total_amount", 11, "Q"),
        ("token_vault", 19, PUBKEY),
        ("token_mint", 83, PUBKEY),
        ("lp_mint", 115, PUBKEY),
        ("last_updated_locked_profit", 1203, "Q"),
        ("last_report", 1211, "Q"),
        ("locked_profit_degradation", 1219, "Q"),
    ),
    bytes((211, 8, 232, 43, 2, 152, 117, 119)),
)
"""`Vault` with its `LockedProfitTracker`; read as a `VaultState`, in the same order."""

ACTIVATION_SLOT: Final = 0
ACTIVATION_TIMESTAMP: Final = 1

CURVE_CONSTANT_PRODUCT: Final = 0
CURVE_STABLE: Final = 1


class PoolState(NamedTuple):
    """The fields of `POOL`."""

    token_a_mint: bytes
    token_b_mint: bytes
    a_vault: bytes
    b_vault: bytes
    a_vault_lp: bytes
    b_vault_lp: bytes
    enabled: int
    trade_fee_numerator: int
    trade_fee_denominator: int
    protocol_trade_fee_numerator: int
    protocol_trade_fee_denominator: int
    activation_point: int
    activation_type: int
    curve_type: int


class VaultState(NamedTuple):
    """The fields of `VAULT`."""

    enabled: int
    total_amount: int
    token_vault: bytes
    token_mint: bytes
    lp_mint: bytes
    last_updated_locked_profit: int
    last_report: int
    locked_profit_degradation: int


def pool_state(accounts: Accounts, pool: Address) -> PoolState:
    """The pool's own account; raises `AccountInvalid`."""
    state = PoolState(*POOL.read(_require(POOL, accounts, pool, PROGRAM).data))
    if state.enabled > 1:
        raise AccountInvalid(f"{POOL.name} {pool}: enabled is {state.enabled}")
    if state.activation_type > ACTIVATION_TIMESTAMP:
        raise AccountInvalid(f"{POOL.name} {pool}: activation type {state.activation_type}")
    if state.curve_type > CURVE_STABLE:
        raise AccountInvalid(f"{POOL.name} {pool}: curve type {state.curve_type}")
    return state


def vault_state(accounts: Accounts, vault: Address) -> VaultState:
    """The dynamic vault's own account; raises `AccountInvalid`."""
    return VaultState(*VAULT.read(_require(VAULT, accounts, vault, VAULT_PROGRAM).data))


def _require(layout: Layout, accounts: Accounts, address: Address, owner: Address) -> Account:
    """`Layout.require` of an account that may be longer than its layout."""
    account = present(accounts, address, layout.name)
    if account.owner != owner:
        raise AccountInvalid(f"{layout.name} {address}: owned by {account.owner}")
    if len(account.data) < layout.size:
        raise AccountInvalid(f"{layout.name} {address}: {len(account.data)} bytes")
    if not account.data.startswith(layout.discriminator):
        raise AccountInvalid(f"{layout.name} {address}: wrong discriminator")
    return account
