"""Addresses: base58 as people read them, and those that a program derives for its accounts.

solders does both in a library of 34 MB that each cold start would have to load; a process sees the
same few hundred addresses again and again, so they are worked out here, once. A test holds this
to solders.
"""

from functools import lru_cache
from hashlib import sha256
from typing import Final

from sluice.venues.base import Address

SIZE: Final = 32
LONGEST: Final = 44
"""In digits."""
KEPT: Final = 16_384
"""As many are remembered, each way: some megabytes at the most."""

_DIGITS: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}

_FIELD: Final = 2**255 - 19
"""The prime of ed25519's field; RFC 8032, 5.1."""
_CURVE: Final = -121665 * pow(121666, -1, _FIELD) % _FIELD
"""`d` of its curve: -x² + y² = 1 + d x² y²."""
_DERIVED_MARK: Final = b"ProgramDerivedAddress"


@lru_cache(KEPT)
def address_of(raw: bytes) -> Address:
    """The base58 address of 32 raw bytes."""
    left, digits = int.from_bytes(raw), ""
    while left:
        left, digit = divmod(left, 58)
        digits = _DIGITS[digit] + digits
    return Address("1" * (len(raw) - len(raw.lstrip(b"\0"))) + digits)


@lru_cache(KEPT)
def raw_address(address: Address) -> bytes:
    """The 32 raw bytes of a base58 address; raises `ValueError` for what is none."""
    value = 0
    if len(address) > LONGEST or not _VALUES.keys() >= set(address):
        raise ValueError("no address: too long, or not base58")
    for digit in address:
        value = value * 58 + _VALUES[digit]
    if value >> 8 * SIZE or address_of(raw := value.to_bytes(SIZE)) != address:
        raise ValueError(f"no address: not {SIZE} bytes")
    return raw


def derived_address(program: Address, *seeds: bytes) -> Address:
    """Where a program keeps what `seeds` name: the first hash off the curve, so of no key pair.

    Source: solana-program, `pubkey.rs`, `find_program_address`.
    """
    named = sha256(b"".join(seeds))
    ending = raw_address(program) + _DERIVED_MARK
    for bump in range(255, -1, -1):
        attempt = named.copy()
        attempt.update(bytes((bump,)) + ending)
        if not _on_curve(attempt.digest()):
            return address_of(attempt.digest())
    raise ValueError(f"no address of {program} is off the curve")


def _on_curve(raw: bytes) -> bool:
    """Whether there is an x to the y: x² = (y² - 1) / (d y² + 1) is a square, by Euler."""
    y = int.from_bytes(raw, "little") & (1 << 255) - 1
    square = y * y % _FIELD
    # A product is a square if the quotient is, and needs no inverse.
    return pow((square - 1) * (_CURVE * square + 1), _FIELD >> 1, _FIELD) in (0, 1)
