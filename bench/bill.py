"""Prices, and what a quantity costs by them: exact, in dollars as fractions."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True, slots=True)
class Price:
    """What AWS charges for so many units a month, tier by tier."""

    dollars: tuple[Fraction, ...]
    """Of `per` units in each tier."""
    up_to: tuple[Fraction, ...]
    """Where each tier but the last ends, in units a month."""
    per: int
    unit: str
    page: str
    read: str
    confirmed: bool

    def of(self, units: Fraction | int) -> Fraction:
        """Dollars for so many units in a month."""
        ends = (Fraction(0), *self.up_to, max(Fraction(units), *self.up_to, Fraction(0)))
        used = [max(Fraction(0), min(units, end) - begin) for begin, end in pairwise(ends)]
        return sum(
            (price * part / self.per for price, part in zip(self.dollars, used, strict=True)),
            Fraction(0),
        )


Prices = Mapping[str, Price]


def prices(file: Path = FILE) -> tuple[str, Prices]:
    """The region and date that they are of, and each by its name."""
    tables = tomllib.loads(file.read_text())
    about = f"{tables.pop('region')}, {tables.pop('date')}"
    return about, {
        name: Price(
            tuple(map(Fraction, table["dollars"])),
            tuple(map(Fraction, table.get("up_to", ()))),
            table["per"],
            table["unit"],
            table["page"],
            table["read"],
            table["confirmed"],
        )
        for name, table in tables.items()
    }


@dataclass(frozen=True, slots=True)
class Item:
    """A line of a bill: so many units of what has that price."""

    name: str
    price: str
    units: Fraction


def dollars(items: Sequence[Item], by: Prices) -> dict[str, Fraction]:
    """What the items cost, by their names. Those of one price share its tiers, the first first."""
    used: dict[str, Fraction] = {}
    found: dict[str, Fraction] = {}
    for item in items:
        before = used.get(item.price, Fraction(0))
        used[item.price] = before + item.units
        price = by[item.price]
        cost = price.of(used[item.price]) - price.of(before)
        found[item.name] = found.get(item.name, Fraction(0)) + cost
    return found


def shown(amount: Fraction, places: int = 2) -> str:
    """A sum as people read it; rounded here and nowhere else, a half to the even digit."""
    scale = 10**places
    whole, part = divmod(round(amount * scale), scale)
    return f"{whole:,}.{part:0{places}d}" if places else f"{whole:,}"
