"""Token accounts, mints and made-up addresses: what every pool type's genesis is built from."""

from hashlib import sha256

from sluice.venues.addresses import address_of, raw_address
from sluice.venues.base import Account, Address
from sluice.venues.token import MINT, STATE_INITIALIZED, TOKEN_ACCOUNT, TOKEN_PROGRAM


def made_up(name: str) -> Address:
    """An address that is the same in every run, and no real account's."""
    return address_of(sha256(f"sluice simulated market:{name}".encode()).digest())


def mint_account(supply: int, decimals: int) -> Account:
    """A mint of SPL Token."""
    values = {"supply": supply, "decimals": decimals, "is_initialized": 1}
    return Account(TOKEN_PROGRAM, bytes(MINT.blank(values)))


def token_account(mint: Address, owner: Address, amount: int) -> Account:
    """A token account of SPL Token; `amount` in base units."""
    data = TOKEN_ACCOUNT.blank(
        {
            "mint": raw_address(mint),
            "owner": raw_address(owner),
            "amount": amount,
            "state": STATE_INITIALIZED,
        }
    )
    return Account(TOKEN_PROGRAM, bytes(data))
