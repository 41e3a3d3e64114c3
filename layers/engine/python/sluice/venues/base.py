"""The strategy every venue implements, and the plain data it speaks in.

Amounts are base units (int). Mints and accounts are base58 strings. Nothing here does I/O or
reads a clock: a venue is a pure function of raw accounts, a trade and the chain's clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType, Protocol

Address = NewType("Address", str)


@dataclass(frozen=True, slots=True)
class Account:
    """A raw on-chain account."""

    owner: Address
    data: bytes


Accounts = Mapping[Address, Account | None]
"""What an RPC answered: None where the chain has no account at that address."""


@dataclass(frozen=True, slots=True)
class ChainClock:
    """The sysvar Clock at the slot a snapshot was taken: what a program would read."""

    slot: int
    unix_timestamp: int
    epoch: int


class VenueName(StrEnum):
    """Names shown to clients and stored in Postgres (enum `venue`)."""

    RAYDIUM_AMM_V4 = "RAYDIUM_AMM_V4"
    RAYDIUM_CPMM = "RAYDIUM_CPMM"
    RAYDIUM_CLMM = "RAYDIUM_CLMM"
    METEORA_DLMM = "METEORA_DLMM"
    METEORA_DAMM_V2 = "METEORA_DAMM_V2"
    METEORA_DAMM_V1 = "METEORA_DAMM_V1"


class SwapKind(StrEnum):
    """What `Trade.amount` fixes."""

    EXACT_IN = "exact_in"
    EXACT_OUT = "exact_out"
    PARTIAL_FILL = "partial_fill"
    """At most `amount` is paid in; only some programs know it, the others refuse."""


@dataclass(frozen=True, slots=True)
class Trade:
    """A swap asked of a pool: `input` is the mint paid in, `amount` fixes what `kind` says."""

    input: Address
    amount: int
    kind: SwapKind = SwapKind.EXACT_IN


class FeeKind(StrEnum):
    """Who a fee goes to."""

    TRADE = "trade"
    """Liquidity providers, protocol and fund together: the pool's swap fee."""
    CREATOR = "creator"
    """The pool's creator."""
    TRANSFER = "transfer"
    """The Token-2022 transfer fee of a mint."""


@dataclass(frozen=True, slots=True)
class Fee:
    """One fee of a swap, in base units of `mint`."""

    kind: FeeKind
    mint: Address
    amount: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What a swap moves, to the unit: `amount_in` leaves the user, `amount_out` arrives there."""

    amount_in: int
    amount_out: int
    fees: tuple[Fee, ...]


class Pool(Protocol):
    """A decoded pool: immutable, cheap to keep, quotes without I/O."""

    @property
    def address(self) -> Address: ...

    @property
    def mints(self) -> tuple[Address, Address]: ...

    @property
    def price_x64(self) -> int:
        """The spot price: base units of `mints[1]` per base unit of `mints[0]`, Q64.64, no fees.

        Zero where the pool has no price, because it is empty.
        """
        ...

    def quote(self, trade: Trade, clock: ChainClock) -> Quote:
        """The exact on-chain result of `trade`; raises `SwapRefused` where the program refuses."""
        ...

    def swap(self, trade: Trade, clock: ChainClock) -> tuple[Quote, "Pool"]:
        """`quote`, and the pool as the program would leave it."""
        ...

    def encode(self, accounts: Accounts) -> dict[Address, Account]:
        """The accounts of `accounts` that hold this pool's state, with that state written in.

        The inverse of `Venue.decode`: decoding `accounts` overlaid with the answer gives this pool.
        """
        ...


class Venue(Protocol):
    """One pool type of one DEX."""

    @property
    def name(self) -> VenueName: ...

    @property
    def program(self) -> Address: ...

    def needs(self, pool: Address, accounts: Accounts) -> frozenset[Address]:
        """All accounts that quoting `pool` takes, as far as `accounts` lets it know.

        Starts as the pool itself and grows as accounts arrive; complete once a call adds nothing
        that `accounts` does not hold. Raises `AccountInvalid`.
        """
        ...

    def decode(self, pool: Address, accounts: Accounts) -> Pool:
        """The pool from its raw accounts; raises `AccountInvalid`."""
        ...
