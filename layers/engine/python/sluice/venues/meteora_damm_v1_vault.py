"""The dynamic vaults that Meteora DAMM v1 keeps its tokens in: shares, and profit that unlocks.

Source: MeteoraAg/vault-sdk, `programs/vault/src/state.rs`. Other pools may hold shares of the same
vault, and lending strategies most of its tokens.
"""

from dataclasses import dataclass
from typing import Final

from sluice.errors import AccountInvalid, Refusal, SwapRefused
from sluice.venues.addresses import address_of
from sluice.venues.base import Account, Accounts, Address
from sluice.venues.integers import U64_MAX
from sluice.venues.meteora_damm_v1_accounts import VAULT, vault_state
from sluice.venues.token import MINT, STATE_INITIALIZED, TOKEN_ACCOUNT, TOKEN_PROGRAM

DEGRADATION: Final = 10**12
"""`state.rs`, `LOCKED_PROFIT_DEGRADATION_DENOMINATOR`."""


@dataclass(frozen=True, slots=True)
class Vault:
    """One vault; amounts in base units.

    `total` counts what its strategies hold too, `balance` only what lies in `token_account`.
    `locked` was profit not yet unlocked at `last_report` (unix time in seconds), and `degradation`
    of 10**12 parts of it unlock each second. `supply` is all its shares.
    """

    address: Address
    token_account: Address
    lp_mint: Address
    enabled: bool
    total: int
    balance: int
    supply: int
    locked: int
    last_report: int
    degradation: int

    def unlocked(self, now: int) -> int:
        """What all shares are worth at `now`, a unix time in seconds.

        Raises `SwapRefused(OVERFLOW)` where the program's arithmetic fails. Source: `state.rs`,
        `get_unlocked_amount`, `calculate_locked_profit`.
        """
        elapsed = now - self.last_report
        ratio = elapsed * self.degradation
        if elapsed < 0:
            raise SwapRefused(Refusal.OVERFLOW, "a vault's last report lies ahead of the clock")
        if ratio > DEGRADATION:
            return self.total
        amount = self.total - self.locked * (DEGRADATION - ratio) // DEGRADATION
        if amount < 0:
            raise SwapRefused(Refusal.OVERFLOW, "a vault's locked profit exceeds what it holds")
        return amount

    def encode(self, accounts: Accounts) -> dict[Address, Account]:
        """The vault, its token account and its share mint with this state written in."""
        total, balance = {"total_amount": self.total}, {"amount": self.balance & U64_MAX}
        return {
            self.address: VAULT.rewrite(accounts, self.address, total),
            self.token_account: TOKEN_ACCOUNT.rewrite(accounts, self.token_account, balance),
            self.lp_mint: MINT.rewrite(accounts, self.lp_mint, {"supply": self.supply}),
        }


def decode_vault(accounts: Accounts, address: Address, mint: bytes) -> Vault:
    """The vault of `mint` at `address`; raises `AccountInvalid`."""
    state = vault_state(accounts, address)
    if state.token_mint != mint:
        raise AccountInvalid(f"{VAULT.name} {address}: not a vault of mint {address_of(mint)}")
    token_account, lp_mint = address_of(state.token_vault), address_of(state.lp_mint)
    supply, _, is_initialized = MINT.read(MINT.require(accounts, lp_mint, TOKEN_PROGRAM).data)
    if not is_initialized:
        raise AccountInvalid(f"mint {lp_mint}: not initialized")
    return Vault(
        address=address,
        token_account=token_account,
        lp_mint=lp_mint,
        enabled=state.enabled != 0,
        total=state.total_amount,
        balance=decode_balance(accounts, token_account, mint),
        supply=supply,
        locked=state.last_updated_locked_profit,
        last_report=state.last_report,
        degradation=state.locked_profit_degradation,
    )


def decode_balance(accounts: Accounts, address: Address, mint: bytes) -> int:
    """What the token account of `mint` at `address` holds; raises `AccountInvalid`."""
    account = TOKEN_ACCOUNT.require(accounts, address, TOKEN_PROGRAM)
    held, _, amount, state = TOKEN_ACCOUNT.read(account.data)
    if held != mint or state != STATE_INITIALIZED:
        raise AccountInvalid(f"token account {address}: frozen, or not of mint {address_of(mint)}")
    return int(amount)
