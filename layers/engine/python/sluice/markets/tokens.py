"""Tokens, and the one place where base units meet decimals."""

from dataclasses import dataclass
from decimal import Decimal

from sluice.venues.base import Address

U64_MAX = 2**64 - 1

# Exponents beyond these cannot be an amount of any token; scaling by them would eat memory.
_MAX_ADJUSTED, _MIN_EXPONENT = 40, -40


class AmountInvalid(ValueError):
    """An amount that is not a positive whole number of base units within u64."""


def require_positive(amount: Decimal) -> None:
    """Raises `AmountInvalid` for what is not finite or not more than zero."""
    if not amount.is_finite():
        raise AmountInvalid("must be a finite number")
    if amount <= 0:
        raise AmountInvalid("must be more than zero")


@dataclass(frozen=True, slots=True)
class Token:
    """An SPL token; one whole token is 10**decimals base units."""

    symbol: str
    mint: Address
    decimals: int

    def base_units(self, amount: Decimal) -> int:
        """`amount` of whole tokens in base units, exactly.

        Raises `AmountInvalid` for what is not finite, not positive, finer than the token's
        decimals or above u64.
        """
        require_positive(amount)
        if amount.adjusted() > _MAX_ADJUSTED:
            raise AmountInvalid("is above the largest amount of a token (u64)")
        exponent = amount.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < _MIN_EXPONENT:
            raise AmountInvalid(f"{self.symbol} has {self.decimals} decimals")
        shift = exponent + self.decimals
        coefficient = int("".join(map(str, amount.as_tuple().digits)))
        units, rest = (
            (coefficient * int(10**shift), 0) if shift >= 0 else divmod(coefficient, 10**-shift)
        )
        if rest:
            raise AmountInvalid(f"{self.symbol} has {self.decimals} decimals")
        if units > U64_MAX:
            raise AmountInvalid("is above the largest amount of a token (u64)")
        return units

    def decimal(self, units: int) -> str:
        """`units` in whole tokens as a plain decimal string, without trailing zeros."""
        text = f"{units:0{self.decimals + 1}d}"
        if not self.decimals:
            return text
        whole, fraction = text[: -self.decimals], text[-self.decimals :].rstrip("0")
        return f"{whole}.{fraction}" if fraction else whole
