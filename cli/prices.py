"""Prices and sums of amounts to look at: exact decimals, shortened where only people read them."""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import Any, Final

SHOWN: Final = Context(prec=9)
EXACT: Final = Context(prec=60)
BPS: Final = 10_000


def price(side: str, amount_in: str, amount_out: str) -> str:
    """Quote per base; nothing where there is no such price."""
    paid, got = Decimal(amount_in), Decimal(amount_out)
    quote, base = (paid, got) if side == "BUY" else (got, paid)
    return plain(SHOWN.divide(quote, base)) if base else ""


def unit(side: str, token_in: str, token_out: str) -> str:
    """What a price of that side is told in."""
    return f"{token_in} per {token_out}" if side == "BUY" else f"{token_out} per {token_in}"


def short(amount: str) -> str:
    """A price or an amount with as many digits as a person reads."""
    return plain(SHOWN.create_decimal(amount))


def plain(value: Decimal) -> str:
    """Without an exponent and without zeros at the end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def total(amounts: Iterable[str]) -> Decimal:
    """The exact sum."""
    summed = Decimal(0)
    for amount in amounts:
        summed = EXACT.add(summed, Decimal(amount))
    return summed


def bps(part: Decimal, whole: Decimal) -> str:
    """`part` in basis points of `whole`."""
    return f"{SHOWN.divide(part * BPS, whole):.2f}"


def fees(charged: Iterable[Mapping[str, Any]]) -> str:
    """Fees by token, of one kind or several."""
    by_token: dict[str, list[str]] = {}
    for fee in charged:
        by_token.setdefault(str(fee["token"]), []).append(str(fee["amount"]))
    return ", ".join(f"{plain(total(amounts))} {token}" for token, amounts in by_token.items())
