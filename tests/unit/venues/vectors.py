"""The swap vectors in `tests/data`: real pool accounts and what the deployed programs paid out.

The format is told in `tests/data/compact_vectors.py`. AMM v4 pools come from `amm_v4_pools.py`.
"""

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import starmap
from pathlib import Path
from typing import Any

from sluice.venues.base import (
    Account,
    Accounts,
    Address,
    ChainClock,
    Pool,
    SwapKind,
    Trade,
    Venue,
    VenueName,
)
from sluice.venues.registry import VENUES
from tests.unit.venues.amm_v4_pools import amm_v4_pools

DATA = Path(__file__).parents[2] / "data"
KINDS = (SwapKind.EXACT_IN, SwapKind.EXACT_OUT, SwapKind.PARTIAL_FILL)
Amounts = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Observed:
    """One swap the program ran; `moved` is (amount in, amount out), None where it refused."""

    clock: ChainClock
    trade: Trade
    moved: Amounts | None

    @property
    def is_short(self) -> bool:
        """Whether less was moved than asked: an SDK counts on to where liquidity ends."""
        fixed = 1 if self.trade.kind is SwapKind.EXACT_OUT else 0
        return self.moved is not None and self.moved[fixed] < self.trade.amount


@dataclass(frozen=True, slots=True)
class PoolVector:
    """A pool, swaps from its starting state (`cases`) and swaps one after the other (`chain`)."""

    venue: Venue
    name: str
    pool: Address
    accounts: Accounts
    cases: tuple[Observed, ...]
    chain: tuple[Observed, ...]

    def decode(self) -> Pool:
        """The pool in its starting state."""
        return self.venue.decode(self.pool, self.accounts)

    def __str__(self) -> str:
        return f"{self.venue.name.lower()}-{self.name}"


@cache
def load(name: VenueName) -> tuple[PoolVector, ...]:
    """All pools of one venue, from each file whose name begins with the venue's."""
    if name is VenueName.RAYDIUM_AMM_V4:
        return tuple(_made())
    files = sorted(DATA.glob(f"{name.lower()}*.xz"))
    return tuple(pool for file in files for pool in _read(name, file))


def _read(name: VenueName, file: Path) -> tuple[PoolVector, ...]:
    raw = lzma.decompress(file.read_bytes())
    head, _, blob = raw.partition(b"\n")
    pools, at = [], 0
    for entry in json.loads(head)["pools"]:
        accounts = {}
        for address, owner, length in entry["accounts"]:
            accounts[Address(address)] = Account(Address(owner), blob[at : at + length])
            at += length
        mints = entry["mints"]
        pools.append(
            PoolVector(
                venue=VENUES[name],
                name=entry["name"],
                pool=Address(entry["pool"]),
                accounts=accounts,
                cases=tuple(
                    _observed(clock, swap, mints)
                    for clock, swaps in entry["cases"]
                    for swap in swaps
                ),
                chain=tuple(_observed(clock, swap, mints) for clock, swap in entry["chain"]),
            )
        )
    return tuple(pools)


def _made() -> Iterator[PoolVector]:
    for spec, accounts, cases, chain in amm_v4_pools():
        yield PoolVector(
            venue=VENUES[VenueName.RAYDIUM_AMM_V4],
            name=spec.name,
            pool=spec.address,
            accounts=accounts,
            cases=tuple(starmap(Observed, cases)),
            chain=tuple(starmap(Observed, chain)),
        )


def every_pool() -> tuple[PoolVector, ...]:
    """All pools of all venues."""
    return tuple(pool for name in VENUES for pool in load(name))


def _observed(clock: list[int], swap: list[int], mints: list[Any]) -> Observed:
    mint, kind, amount, *moved = swap
    trade = Trade(Address(mints[mint]), amount, KINDS[kind])
    match trade.kind, moved:
        case SwapKind.EXACT_IN, [amount_out]:
            return Observed(ChainClock(*clock), trade, (amount, amount_out))
        case SwapKind.EXACT_OUT, [amount_in]:
            return Observed(ChainClock(*clock), trade, (amount_in, amount))
        case _, [amount_in, amount_out]:
            return Observed(ChainClock(*clock), trade, (amount_in, amount_out))
        case _:
            return Observed(ChainClock(*clock), trade, None)
