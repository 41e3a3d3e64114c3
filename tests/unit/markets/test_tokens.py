"""Base units and decimals."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.markets.tokens import AmountInvalid, Token
from sluice.venues.base import Address

U64_MAX = 2**64 - 1
USDC = Token("USDC", Address("usdc"), 6)
SOL = Token("SOL", Address("sol"), 9)


@pytest.mark.parametrize(
    ("token", "amount", "units"),
    [
        (USDC, "100", 100_000_000),
        (USDC, "0.1", 100_000),
        (USDC, "0.000001", 1),
        (USDC, "1.50000000000000", 1_500_000),
        (USDC, "1e2", 100_000_000),
        (SOL, "123456789.123456789", 123_456_789_123_456_789),
        (SOL, "18446744073.709551615", U64_MAX),
        (Token("WHOLE", Address("w"), 0), "7", 7),
    ],
)
def test_an_amount_becomes_base_units_exactly(token: Token, amount: str, units: int) -> None:
    assert token.base_units(Decimal(amount)) == units


@pytest.mark.parametrize(
    ("amount", "why"),
    [
        ("0", "more than zero"),
        ("-1", "more than zero"),
        ("-0", "more than zero"),
        ("NaN", "finite"),
        ("sNaN", "finite"),
        ("Infinity", "finite"),
        ("-Infinity", "finite"),
        ("0.0000001", "6 decimals"),
        ("1e-999999", "6 decimals"),
        ("18446744073709.551616", "u64"),
        ("1e999999", "u64"),
    ],
)
def test_an_amount_that_is_none_is_refused_with_the_reason(amount: str, why: str) -> None:
    with pytest.raises(AmountInvalid, match=why):
        USDC.base_units(Decimal(amount))


@given(units=st.integers(1, U64_MAX), decimals=st.integers(0, 18))
def test_base_units_to_decimals_and_back_is_the_same(units: int, decimals: int) -> None:
    token = Token("T", Address("t"), decimals)
    text = token.decimal(units)

    assert token.base_units(Decimal(text)) == units
    assert "." not in text or not text.endswith(("0", "."))
