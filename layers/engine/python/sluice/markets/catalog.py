"""Which tokens and pools there are: `mainnet.toml`, or `simulated.toml` on a laptop."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sluice.venues.base import Address, VenueName

from .tokens import Token

Pair = frozenset[Address]
"""The two mints of a market; a pool trades both ways."""


@dataclass(frozen=True, slots=True)
class ListedPool:
    """A pool that orders of `pair` may be routed to."""

    pair: Pair
    venue: VenueName
    address: Address
    name: str = ""
    """The pair as people write it: base/quote."""


class Catalog:
    """Tokens by symbol or mint, pools by pair. Immutable."""

    def __init__(self, tokens: Iterable[Token], pools: Iterable[ListedPool]) -> None:
        self.tokens = tuple(tokens)
        self.pools = tuple(pools)
        self._by_mint = {token.mint: token for token in self.tokens}
        self._by_symbol = {token.symbol: token for token in self.tokens}

    def token(self, name: str) -> Token | None:
        """The token of that symbol or mint address, or None."""
        return self._by_symbol.get(name) or self._by_mint.get(Address(name))

    def by_mint(self, mint: str) -> Token:
        """The listed token of that mint; raises KeyError."""
        return self._by_mint[Address(mint)]

    def pools_of(self, pairs: Iterable[Pair]) -> tuple[ListedPool, ...]:
        """All pools of any of the pairs."""
        wanted = frozenset(pairs)
        return tuple(pool for pool in self.pools if pool.pair in wanted)


@cache
def catalog(name: str) -> Catalog:
    """The catalog in `name`.toml beside this file.

    Raises FileNotFoundError for an unknown name and KeyError or ValueError for a malformed file.
    """
    with (Path(__file__).parent / f"{name}.toml").open("rb") as file:
        content = tomllib.load(file)
    tokens = [Token(t["symbol"], Address(t["mint"]), t["decimals"]) for t in content["tokens"]]
    mints = {token.symbol: token.mint for token in tokens}
    pools = []
    for entry in content["pools"]:
        base, quote = entry["pair"].split("/")
        pair = frozenset({mints[base], mints[quote]})
        venue, address = VenueName(entry["venue"]), Address(entry["address"])
        pools.append(ListedPool(pair, venue, address, entry["pair"]))
    return Catalog(tokens, pools)
