"""What it costs to be told again what has not changed."""

import asyncio
import struct
from collections.abc import Collection, Sequence
from functools import partial
from itertools import count
from operator import eq
from statistics import median

from sluice.markets.accounts import Fetched
from sluice.markets.catalog import Catalog, ListedPool
from sluice.markets.clock import CLOCK
from sluice.markets.snapshot import Market
from sluice.venues.base import Account, Address
from sluice.venues.registry import VENUES
from tests.unit.venues.vectors import PoolVector

from .timing import micros

SECONDS = 10.0
SYSVAR = Address("Sysvar1111111111111111111111111111111111111")
CLOCK_LAYOUT = struct.Struct("<QqQQq")


class Copies:
    """An `AccountSource` that brings the same state in new bytes each time, as an RPC does."""

    def __init__(self, vector: PoolVector) -> None:
        clock = vector.cases[0].clock
        times = (clock.slot, 0, clock.epoch, clock.epoch, clock.unix_timestamp)
        sysvar = Account(SYSVAR, CLOCK_LAYOUT.pack(*times))
        self._accounts = {**vector.accounts, CLOCK: sysvar}

    async def fetch(self, addresses: Collection[Address]) -> Fetched:
        """As the port says."""
        found = {address: _copy(self._accounts.get(address)) for address in addresses}
        return Fetched(0, found)


def again_micros(vectors: Sequence[PoolVector]) -> float:
    """Microseconds that a pool which has not changed costs instead of decoding it, the median.

    It is compared with what is known of it, account by account. Raises ValueError where the market
    decodes it all the same.
    """
    for vector in vectors:
        asyncio.run(_require_kept(vector))
    return median(micros(partial(eq, copies(vector), copies(vector))) for vector in vectors)


def copies(vector: PoolVector) -> dict[Address, Account | None]:
    """What quoting the pool needs, in bytes of its own."""
    needed = vector.venue.needs(vector.pool, vector.accounts)
    return {at: _copy(vector.accounts.get(at)) for at in needed}


def _copy(account: Account | None) -> Account | None:
    return account and Account(account.owner, bytes(bytearray(account.data)))


async def _require_kept(vector: PoolVector) -> None:
    seconds = count()
    now = vector.cases[0].clock.unix_timestamp
    market = Market(
        Catalog((), ()),
        VENUES,
        Copies(vector),
        SECONDS,
        # Each look comes a second later, so that what is kept for a slot's time does not answer.
        monotonic=lambda: float(next(seconds)),
        wall=lambda: float(now),
    )
    listed = [ListedPool(frozenset(), vector.venue.name, vector.pool)]
    first, second = [await market.of(listed, SECONDS) for _ in range(2)]
    if first.dead:
        raise ValueError(first.dead[0].error)
    if second.live[0].pool is not first.live[0].pool:
        raise ValueError(f"{vector}: decoded again although nothing has changed")
