"""All pools of a batch's pairs at one moment: every venue asked at once, each pool decoded once."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from sluice.errors import AccountInvalid
from sluice.markets.accounts import AccountSource, Fetched, SourceUnavailable
from sluice.markets.catalog import Catalog, ListedPool, Pair
from sluice.markets.clock import CLOCK, decode_clock
from sluice.observability import logger
from sluice.venues.base import Accounts, Address, ChainClock, Pool, Venue, VenueName

# Rounds of asking for what a pool turns out to need: the pool, what it names, what that names.
_MAX_ROUNDS = 5

SLOT_SECONDS = 0.4
MAX_LAG_SECONDS = 90.0
"""A chain clock this far behind ours is a stalled server's; the cluster's own drift is smaller."""


@dataclass(frozen=True, slots=True)
class LivePool:
    """A listed pool as it stood at `slot`."""

    listed: ListedPool
    pool: Pool
    clock: ChainClock
    slot: int


@dataclass(frozen=True, slots=True)
class DeadPool:
    """A listed pool that could not be had, and why, in words for whoever asks why this route.

    `passing` tells a fault of the way to the pool (no answer in time, an RPC that fails, lags or
    asks to be left alone) from one of the pool itself (its account is missing, of another owner or
    kind, or unreadable). An order that no other pool can fill is tried again after a passing fault,
    and is told the market's reason after a lasting one, which would be the same the next time.
    """

    listed: ListedPool
    error: str
    passing: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every listed pool of the pairs that were asked for, alive or dead."""

    live: tuple[LivePool, ...]
    dead: tuple[DeadPool, ...]

    def pools(self, pair: Pair) -> tuple[LivePool, ...]:
        """The pair's pools that can be quoted."""
        return tuple(pool for pool in self.live if pool.listed.pair == pair)

    def missing(self, pair: Pair) -> tuple[DeadPool, ...]:
        """The pair's pools that cannot."""
        return tuple(pool for pool in self.dead if pool.listed.pair == pair)


def unnoted(venue: VenueName, seconds: float) -> None:
    """Nobody wants to know how long a venue took."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is kept of a pool between calls: decoding the same accounts again costs nothing."""

    accounts: Accounts
    live: LivePool
    fetched_at: float


class Market:
    """Knows the listed pools and brings their state; keeps it for one slot's time."""

    def __init__(
        self,
        catalog: Catalog,
        venues: Mapping[VenueName, Venue],
        source: AccountSource,
        venue_timeout: float,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        took: Callable[[VenueName, float], None] = unnoted,
    ) -> None:
        """`venue_timeout` is in seconds: a venue that takes longer is left out.

        `took` is told how long each venue that was asked took, in seconds.
        """
        self._catalog = catalog
        self._venues = venues
        self._source = source
        self._venue_timeout = venue_timeout
        self._monotonic = monotonic
        self._wall = wall
        self._took = took
        self._needs: dict[Address, frozenset[Address]] = {}
        self._known: dict[Address, _Known] = {}

    async def snapshot(self, pairs: Iterable[Pair], budget: float) -> Snapshot:
        """The pools of `pairs`, every venue asked at once; a late or failing venue comes as dead.

        `budget` is what the caller can wait at most, in seconds.
        """
        return await self.of(self._catalog.pools_of(pairs), budget)

    async def of(self, listed: Iterable[ListedPool], budget: float) -> Snapshot:
        """The same for chosen pools."""
        now = self._monotonic()
        live, stale = [], []
        for entry in sorted(set(listed), key=lambda pool: (pool.venue, pool.address)):
            known = self._known.get(entry.address)
            if known is not None and now - known.fetched_at < SLOT_SECONDS:
                live.append(known.live)
            else:
                stale.append(entry)
        groups = [list(group) for _, group in groupby(stale, key=lambda pool: pool.venue)]
        seconds = min(self._venue_timeout, budget)
        parts = await asyncio.gather(*(self._timed(group, seconds) for group in groups))
        return Snapshot(
            (*live, *(pool for found, _ in parts for pool in found)),
            tuple(pool for _, dead in parts for pool in dead),
        )

    async def _timed(
        self, listed: list[ListedPool], seconds: float
    ) -> tuple[list[LivePool], list[DeadPool]]:
        started = time.perf_counter()
        found = await self._venue(listed, seconds)
        self._took(listed[0].venue, time.perf_counter() - started)
        return found

    async def _venue(
        self, listed: list[ListedPool], seconds: float
    ) -> tuple[list[LivePool], list[DeadPool]]:
        try:
            async with asyncio.timeout(seconds):
                fetched, broken = await self._gather(listed)
            clock = self._clock(fetched)
        except TimeoutError:
            late = f"no answer within {seconds:g} s"
            return [], [DeadPool(pool, late, passing=True) for pool in listed]
        except (SourceUnavailable, AccountInvalid) as error:
            # No pool's account is read here but the clock's, which every sound server has.
            return [], [DeadPool(pool, str(error), passing=True) for pool in listed]
        live = []
        dead = [DeadPool(entry, error, passing=False) for entry, error in broken.items()]
        for entry in listed:
            if entry in broken:
                continue
            try:
                live.append(self._decoded(entry, fetched, clock))
            except Exception as error:
                # What it needed may have changed with it: learn anew next time.
                self._needs.pop(entry.address, None)
                dead.append(DeadPool(entry, _unreadable(entry, error), passing=False))
        return live, dead

    def _clock(self, fetched: Fetched) -> ChainClock:
        clock = decode_clock(fetched.accounts.get(CLOCK))
        behind = self._wall() - clock.unix_timestamp
        if behind > MAX_LAG_SECONDS:
            raise SourceUnavailable(f"the RPC lags {behind:.0f} s")
        return clock

    def _decoded(self, entry: ListedPool, fetched: Fetched, clock: ChainClock) -> LivePool:
        accounts = {key: fetched.accounts.get(key) for key in self._needs[entry.address]}
        known = self._known.get(entry.address)
        if known is not None and known.accounts == accounts:
            pool = known.live.pool
        else:
            pool = self._venues[entry.venue].decode(entry.address, accounts)
        live = LivePool(entry, pool, clock, fetched.slot)
        self._known[entry.address] = _Known(accounts, live, self._monotonic())
        return live

    async def _gather(
        self, listed: Collection[ListedPool]
    ) -> tuple[Fetched, dict[ListedPool, str]]:
        """One slot's accounts of all the pools, and the pools that cannot be made sense of.

        What is needed is learned by asking; once it is known, everything is asked for together.
        """
        needs = {pool: self._needs.get(pool.address, frozenset({pool.address})) for pool in listed}
        broken: dict[ListedPool, str] = {}
        for _ in range(_MAX_ROUNDS):
            fetched = await self._source.fetch({CLOCK}.union(*needs.values()))
            for pool in tuple(needs):
                try:
                    needs[pool] = self._venues[pool.venue].needs(pool.address, fetched.accounts)
                except Exception as error:
                    broken[pool] = _unreadable(pool, error)
                    del needs[pool]
            if all(need <= fetched.accounts.keys() for need in needs.values()):
                self._needs.update({pool.address: need for pool, need in needs.items()})
                return fetched, broken
        raise SourceUnavailable("what the pools need did not settle")


def _unreadable(pool: ListedPool, error: Exception) -> str:
    """Why a pool is left out. Any error: one pool's strange bytes must not stop the others."""
    if not isinstance(error, AccountInvalid):
        logger.error("pool not readable", extra={"pool": pool.address}, exc_info=error)
        return f"not readable: {type(error).__name__}"
    return str(error)
