"""Literal tables of on-chain account layouts, and reading and writing just the fields they name.

A table says where a field lies and what it is; the rest of the account is never touched. Reading
is one precompiled `struct.Struct` with padding between the fields, so a table costs nothing when
an account is decoded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from struct import Struct
from typing import Any

from sluice.errors import AccountInvalid
from sluice.venues.base import Account, Accounts, Address

PUBKEY = "32s"
U128 = "16s"

Field = tuple[str, int, str]
"""Name, offset in bytes, and `struct` format of one little-endian field."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One account type: the table of `fields` in rising offsets, and how to recognise the account.

    `size` is the exact length in bytes, `discriminator` the first bytes (Anchor's 8, or none).
    """

    name: str
    size: int
    fields: tuple[Field, ...]
    discriminator: bytes = b""
    _all: Struct = field(init=False, compare=False, repr=False)
    _one: Mapping[str, tuple[int, Struct]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_all", compile_fields(self.fields))
        each = {name: (offset, Struct(f"<{code}")) for name, offset, code in self.fields}
        object.__setattr__(self, "_one", each)

    def read(self, data: bytes, offset: int = 0) -> tuple[Any, ...]:
        """The fields in the table's order; `data` must have been checked with `require`."""
        return self._all.unpack_from(data, offset)

    def write(self, data: bytearray, values: Mapping[str, int | bytes], offset: int = 0) -> None:
        """Writes the named `values` into `data` and leaves every other byte alone."""
        for name, value in values.items():
            at, codec = self._one[name]
            codec.pack_into(data, offset + at, value)

    def require(self, accounts: Accounts, address: Address, owner: Address) -> Account:
        """The account at `address`; raises `AccountInvalid` unless it is of this layout."""
        account = present(accounts, address, self.name)
        if account.owner != owner:
            raise AccountInvalid(f"{self.name} {address}: owned by {account.owner}")
        if len(account.data) != self.size:
            raise AccountInvalid(f"{self.name} {address}: {len(account.data)} bytes")
        if not account.data.startswith(self.discriminator):
            raise AccountInvalid(f"{self.name} {address}: wrong discriminator")
        return account

    def rewrite(
        self, accounts: Accounts, address: Address, values: Mapping[str, int | bytes]
    ) -> Account:
        """A copy of the account at `address` with `values` written in."""
        account = present(accounts, address, self.name)
        data = bytearray(account.data)
        self.write(data, values)
        return Account(account.owner, bytes(data))

    def blank(self, values: Mapping[str, int | bytes]) -> bytearray:
        """New account data with the discriminator and `values`, all else zero."""
        data = bytearray(self.size)
        data[: len(self.discriminator)] = self.discriminator
        self.write(data, values)
        return data


def compile_fields(fields: Iterable[Field], size: int = 0) -> Struct:
    """One `Struct` that skips what lies between `fields`, padded to `size` bytes if given."""
    table = [("", 0, ""), *fields]
    codes = []
    for (_, offset, code), (name, start, following) in pairwise(table):
        gap = start - offset - Struct(f"<{code}").size
        if gap < 0:
            raise ValueError(f"field {name} overlaps the one before it")
        codes.append(f"{gap}x{following}")
    compiled = Struct("<" + "".join(codes))
    return Struct(f"{compiled.format}{size - compiled.size}x") if size else compiled


def present(accounts: Accounts, address: Address, name: str) -> Account:
    """The account at `address`; raises `AccountInvalid` where there is none."""
    account = accounts.get(address)
    if account is None:
        raise AccountInvalid(f"{name} {address}: no such account")
    return account
