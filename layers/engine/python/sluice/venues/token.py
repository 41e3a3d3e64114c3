"""Mints and token accounts of SPL Token and Token-2022, and the transfer fee of the latter.

Layouts: solana-program/token `interface/src/state.rs` (Mint, Account) and solana-program/token-2022
`interface/src/extension/{mod.rs, transfer_fee/mod.rs, pausable/mod.rs}`. Extensions follow as
(type u16, length u16, value) from byte 166, behind the account type at byte 165.

A transfer hook may refuse a transfer but cannot change its amount, so it does not matter here.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

from sluice.errors import AccountInvalid, Refusal, SwapRefused
from sluice.venues.addresses import address_of
from sluice.venues.base import Account, Accounts, Address
from sluice.venues.integers import U64_MAX, ceil_div
from sluice.venues.layout import PUBKEY, Layout, present

TOKEN_PROGRAM: Final = Address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM: Final = Address("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")

MINT: Final = Layout(
    "mint",
    82,
    (
        ("supply", 36, "Q"),
        ("decimals", 44, "B"),
        ("is_initialized", 45, "B"),
    ),
)

TOKEN_ACCOUNT: Final = Layout(
    "token account",
    165,
    (
        ("mint", 0, PUBKEY),
        ("owner", 32, PUBKEY),
        ("amount", 64, "Q"),
        ("state", 108, "B"),
    ),
)

ACCOUNT_TYPE_OFFSET: Final = 165
ACCOUNT_TYPE_MINT: Final = 1
ACCOUNT_TYPE_TOKEN: Final = 2
STATE_INITIALIZED: Final = 1

EXTENSION_TRANSFER_FEE: Final = 1
EXTENSION_NON_TRANSFERABLE: Final = 9
EXTENSION_PAUSABLE: Final = 26

_EXTENSION_HEADER: Final = Struct("<HH")
_TRANSFER_FEE: Final = Struct("<72xQQHQQH")
_PAUSED_OFFSET: Final = 32

BASIS_POINTS: Final = 10_000


class TransferFee(NamedTuple):
    """The fee a mint keeps of every transfer: a rate, and the most it may be in base units."""

    basis_points: int
    maximum: int

    def of(self, amount: int) -> int:
        """What is kept of a transfer of `amount` base units: rounded up, at most `maximum`.

        Source: token-2022 `extension/transfer_fee/mod.rs`, `TransferFee::calculate_fee`.
        """
        return min(ceil_div(amount * self.basis_points, BASIS_POINTS), self.maximum)

    def on_top_of(self, received: int) -> int:
        """What has to be added to `received` base units so that exactly these arrive.

        Raises `SwapRefused(OVERFLOW)` where the sum is no u64. Source: token-2022
        `extension/transfer_fee/mod.rs`, `calculate_inverse_fee`; at 100 % both programs take the
        maximum (cp-swap `utils/token.rs`, dlmm-sdk `commons/src/token_2022.rs`).
        """
        if received == 0 or self.basis_points == 0:
            return 0
        if self.basis_points == BASIS_POINTS:
            fee = self.maximum
        else:
            sent = ceil_div(received * BASIS_POINTS, BASIS_POINTS - self.basis_points)
            fee = self.of(min(sent, received + self.maximum))
        if received + fee > U64_MAX:
            raise SwapRefused(Refusal.OVERFLOW, "amount with transfer fee exceeds u64")
        return fee


@dataclass(frozen=True, slots=True)
class TransferFees:
    """The rate that holds until `newer_epoch`, and the one from then on."""

    older: TransferFee
    newer_epoch: int
    newer: TransferFee

    def at(self, epoch: int) -> TransferFee:
        """The rate that a transfer in `epoch` pays."""
        return self.newer if epoch >= self.newer_epoch else self.older


@dataclass(frozen=True, slots=True)
class Mint:
    """What swapping needs to know of a mint; `fees` is None where transfers are free."""

    address: Address
    program: Address
    decimals: int
    fees: TransferFees | None
    transferable: bool


@dataclass(frozen=True, slots=True)
class TokenAccount:
    """What swapping needs to know of a vault: `amount` in base units, and whether it is frozen."""

    mint: Address
    amount: int
    frozen: bool


def fee_at(mint: Mint, epoch: int) -> TransferFee | None:
    """The mint's transfer fee in `epoch`, None where every transfer is free."""
    return None if mint.fees is None else mint.fees.at(epoch)


def decode_mint(accounts: Accounts, address: Address) -> Mint:
    """The mint at `address`; raises `AccountInvalid` if it is absent or not an initialized mint."""
    account = present(accounts, address, "mint")
    _require_token_program(account, address, MINT.size, ACCOUNT_TYPE_MINT)
    _, decimals, is_initialized = MINT.read(account.data)
    if not is_initialized:
        raise AccountInvalid(f"mint {address}: not initialized")
    fees, transferable = _extensions(account.data, address)
    return Mint(address, account.owner, decimals, fees, transferable)


def decode_token_account(accounts: Accounts, address: Address, mint: Mint) -> TokenAccount:
    """The token account of `mint` at `address`.

    Raises `AccountInvalid` if it is absent, not initialized or of another mint or token program.
    """
    account = present(accounts, address, "token account")
    _require_token_program(account, address, TOKEN_ACCOUNT.size, ACCOUNT_TYPE_TOKEN)
    held, _, amount, state = TOKEN_ACCOUNT.read(account.data)
    if account.owner != mint.program or address_of(held) != mint.address or not state:
        raise AccountInvalid(f"token account {address}: not an account of mint {mint.address}")
    return TokenAccount(mint.address, amount, state != STATE_INITIALIZED)


def _require_token_program(account: Account, address: Address, size: int, kind: int) -> None:
    data = account.data
    if account.owner == TOKEN_PROGRAM:
        valid = len(data) == size
    elif account.owner == TOKEN_2022_PROGRAM:
        extended = len(data) > ACCOUNT_TYPE_OFFSET and len(data) > TOKEN_ACCOUNT.size
        valid = len(data) == size or (extended and data[ACCOUNT_TYPE_OFFSET] == kind)
    else:
        raise AccountInvalid(f"{address}: owned by {account.owner}, which is no token program")
    if not valid:
        raise AccountInvalid(f"{address}: not the length or type of a token program's account")


def _extensions(data: bytes, address: Address) -> tuple[TransferFees | None, bool]:
    fees, transferable = None, True
    at = ACCOUNT_TYPE_OFFSET + 1
    while at + _EXTENSION_HEADER.size <= len(data):
        kind, length = _EXTENSION_HEADER.unpack_from(data, at)
        at += _EXTENSION_HEADER.size
        if kind == 0:
            break
        if at + length > len(data):
            raise AccountInvalid(f"mint {address}: extension {kind} is cut off")
        if kind == EXTENSION_TRANSFER_FEE:
            _, old_maximum, old_rate, epoch, maximum, rate = _TRANSFER_FEE.unpack_from(data, at)
            fees = TransferFees(
                TransferFee(old_rate, old_maximum), epoch, TransferFee(rate, maximum)
            )
        elif kind == EXTENSION_NON_TRANSFERABLE or (
            kind == EXTENSION_PAUSABLE and data[at + _PAUSED_OFFSET]
        ):
            transferable = False
        at += length
    return fees, transferable
