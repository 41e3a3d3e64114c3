"""All pools of a batch's pairs at one moment: fetched from every venue at once, decoded once."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from sluice.errors import AccountInvalid
from sluice.venues.base import Account, Accounts, Address, ChainClock, Pool, Venue, VenueName

from .accounts import AccountSource, SourceUnavailable
from .catalog import Catalog, ListedPool, Pair
from .clock import CLOCK, decode_clock

# Rounds of asking for what a pool turns out to need: the pool, what it names, what that names.
_MAX_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class LivePool:
    """A listed pool as it stood at `slot`."""

    listed: ListedPool
    pool: Pool
    clock: ChainClock
    slot: int


@dataclass(frozen=True, slots=True)
class DeadPool:
    """A listed pool that could not be had, and why, in words for whoever asks why this route."""

    listed: ListedPool
    error: str


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


class Market:
    """Knows the listed pools and brings their state; keeps what each pool needs between calls."""

    def __init__(
        self,
        catalog: Catalog,
        venues: Mapping[VenueName, Venue],
        source: AccountSource,
        venue_timeout: float,
    ) -> None:
        """`venue_timeout` is in seconds: a venue that takes longer is left out."""
        self._catalog = catalog
        self._venues = venues
        self._source = source
        self._venue_timeout = venue_timeout
        self._needs: dict[Address, frozenset[Address]] = {}

    async def snapshot(self, pairs: Iterable[Pair], budget: float) -> Snapshot:
        """The pools of `pairs`, every venue asked at once; a late or failing venue comes as dead.

        `budget` is what the caller can wait at most, in seconds.
        """
        return await self.of(self._catalog.pools_of(pairs), budget)

    async def of(self, listed: Iterable[ListedPool], budget: float) -> Snapshot:
        """The same for chosen pools."""
        by_venue = sorted(set(listed), key=lambda pool: (pool.venue, pool.address))
        groups = [list(group) for _, group in groupby(by_venue, key=lambda pool: pool.venue)]
        timeout = min(self._venue_timeout, budget)
        parts = await asyncio.gather(*(self._venue(group, timeout) for group in groups))
        return Snapshot(
            tuple(pool for live, _ in parts for pool in live),
            tuple(pool for _, dead in parts for pool in dead),
        )

    async def _venue(
        self, listed: list[ListedPool], seconds: float
    ) -> tuple[list[LivePool], list[DeadPool]]:
        try:
            async with asyncio.timeout(seconds):
                slot, accounts = await self._gather(listed)
            clock = decode_clock(accounts.get(CLOCK))
        except TimeoutError:
            return [], [DeadPool(pool, f"no answer within {seconds:g} s") for pool in listed]
        except (SourceUnavailable, AccountInvalid) as error:
            return [], [DeadPool(pool, str(error)) for pool in listed]
        live, dead = [], []
        for entry in listed:
            try:
                pool = self._venues[entry.venue].decode(entry.address, accounts)
            except AccountInvalid as error:
                # What it needed may have changed with it: learn anew next time.
                self._needs.pop(entry.address, None)
                dead.append(DeadPool(entry, str(error)))
            else:
                live.append(LivePool(entry, pool, clock, slot))
        return live, dead

    async def _gather(self, listed: Collection[ListedPool]) -> tuple[int, Accounts]:
        """One slot's accounts of all the pools: asked for whole again once all needs are known."""
        needs: dict[Address, frozenset[Address]] = {
            pool.address: self._needs.get(pool.address, frozenset({pool.address}))
            for pool in listed
        }
        accounts: dict[Address, Account | None] = {}
        for _ in range(_MAX_ROUNDS):
            fetched = await self._source.fetch({CLOCK}.union(*needs.values()))
            accounts = dict(fetched.accounts)
            wider = {
                pool.address: self._venues[pool.venue].needs(pool.address, accounts)
                for pool in listed
            }
            complete = all(need <= accounts.keys() for need in wider.values())
            needs = wider
            if complete:
                self._needs.update(needs)
                return fetched.slot, accounts
        raise SourceUnavailable("what the pools need did not settle")
