"""Addresses, held to solders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from sluice.venues.addresses import address_of, derived_address, raw_address
from sluice.venues.base import Address

PROGRAM = Address("LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo")

raw_addresses = st.binary(min_size=32, max_size=32) | st.binary(max_size=32).map(
    lambda short: short.rjust(32, b"\0")
)
seeds = st.lists(st.binary(max_size=32), max_size=4)


@given(raw_addresses)
def test_an_address_is_what_solders_writes(raw: bytes) -> None:
    written = address_of(raw)

    assert written == str(Pubkey(raw))
    assert raw_address(written) == raw


@given(seeds)
def test_a_derived_address_is_the_one_that_solders_finds(names: list[bytes]) -> None:
    expected, _ = Pubkey.find_program_address(names, Pubkey.from_string(PROGRAM))

    assert derived_address(PROGRAM, *names) == str(expected)


@given(st.text(alphabet="123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", max_size=50))
def test_what_solders_takes_for_an_address_is_one(text: str) -> None:
    try:
        expected = bytes(Pubkey.from_string(text))
    except ValueError:
        with pytest.raises(ValueError, match="no address"):
            raw_address(Address(text))
    else:
        assert raw_address(Address(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["", PROGRAM[:-1], f"{PROGRAM}1", f"1{PROGRAM}", PROGRAM.replace("L", "l"), "O" * 43, "z" * 44],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        raw_address(Address(text))
