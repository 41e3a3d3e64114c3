"""A market without a network: two venues whose price is the next of a list each time it is asked.

An order that is routed at one price and settled at a lower one slips, and is routed again.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain, count, repeat

from sluice.markets.accounts import Fetched
from sluice.markets.catalog import Catalog, ListedPool
from sluice.markets.clock import CLOCK
from sluice.markets.snapshot import Market
from sluice.markets.tokens import Token
from sluice.routing.pairs import SOL, USDC, pair_of
from sluice.venues.base import Account, Accounts, Address, VenueName
from tests.fakes import PROGRAM, FakeVenue, FixedPool

BONK = Address("DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263")
"""Traded against SOL alone: for USDC it takes two hops."""
ORCA = Address("orcaEKTdK7LKz57vaAYr9QeNsVEPfiu6QeMU1kektZE")
"""Traded nowhere."""
HIGH, LOW = 800_000_000, 780_000_000
"""Paid for each 100 million; from the one to the other is more than an order allows by default."""
PARTS = {VenueName.RAYDIUM_CPMM: 100, VenueName.METEORA_DLMM: 99}
"""What each venue pays of the price, in percent."""

_TOKENS = (
    Token("SOL", SOL, 9),
    Token("USDC", USDC, 6),
    Token("BONK", BONK, 5),
    Token("ORCA", ORCA, 6),
)
_POOLS = tuple(
    ListedPool(pair_of(*mints), venue, Address(f"{venue}-{place}"))
    for venue in PARTS
    for place, mints in enumerate(((SOL, USDC), (BONK, SOL)))
)
CATALOG = Catalog(_TOKENS, _POOLS)


@dataclass
class Priced(FakeVenue):
    """A venue whose pools pay what their accounts hold."""

    def decode(self, pool: Address, accounts: Accounts) -> FixedPool:
        account = accounts[pool]
        price = int(account.data) if account else 0
        return FixedPool(pool, self.pools[pool].mints, price * PARTS[self.name] // 100)


class Prices:
    """`AccountSource` whose accounts all hold the next price; the last one stays."""

    def __init__(self, prices: Iterable[int]) -> None:
        listed = list(prices)
        self._next = chain(listed, repeat(listed[-1]))

    async def fetch(self, addresses: Collection[Address]) -> Fetched:
        clock = Account(PROGRAM, bytes(40))
        held = Account(PROGRAM, str(next(self._next)).encode())
        return Fetched(7, {address: clock if address == CLOCK else held for address in addresses})


def market(prices: Iterable[int]) -> Market:
    """A market that is asked anew each time: its clock says that long ago was the last."""
    venues = {}
    for venue in PARTS:
        pools = {}
        for listed in _POOLS:
            one, other = sorted(listed.pair)
            pools[listed.address] = FixedPool(listed.address, (one, other), HIGH)
        venues[venue] = Priced(venue, pools)
    return Market(
        CATALOG,
        venues,
        Prices(prices),
        venue_timeout=5,
        monotonic=count().__next__,
        wall=lambda: 0.0,
    )
