"""`AccountSource`s around others: one call for all who ask at once, another server on failure."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence

from sluice.markets.accounts import AccountSource, Fetched, SourceUnavailable
from sluice.venues.base import Address

MAX_LAG_SLOTS = 25
"""A server this far behind the newest slot that we have seen (10 s) is not asked for prices."""


MISTRUST_SECONDS = 5.0
"""How long a server that failed is asked after all the others."""
MAX_REST_SECONDS = 30.0
"""How long a server is left alone at most, whatever it asks for."""


class TogetherSource:
    """Joins what is asked for at the same moment into one fetch.

    Each venue asks for itself, so that each has its own deadline and its own errors; the RPC still
    sees one call for a batch.
    """

    def __init__(self, source: AccountSource) -> None:
        self._source = source
        self._wanted: set[Address] = set()
        self._pending: asyncio.Task[Fetched] | None = None

    async def fetch(self, addresses: Collection[Address]) -> Fetched:
        """As the port says; what others asked for comes along."""
        self._wanted.update(addresses)
        if self._pending is None:
            self._pending = asyncio.create_task(self._together())
            # Looked at even when everybody who waited has gone: its error is nobody's surprise.
            self._pending.add_done_callback(lambda task: task.cancelled() or task.exception())
        # Shielded: one who runs out of time must not take the answer from the others.
        return await asyncio.shield(self._pending)

    async def _together(self) -> Fetched:
        # One turn of the loop: everybody who asks in this moment has asked by then.
        await asyncio.sleep(0)
        wanted, self._wanted, self._pending = self._wanted, set(), None
        return await self._source.fetch(wanted)


class CurrentSource:
    """Asks whichever source there is now."""

    def __init__(self, current: Callable[[], AccountSource]) -> None:
        self._current = current

    async def fetch(self, addresses: Collection[Address]) -> Fetched:
        """As the port says."""
        return await self._current().fetch(addresses)


class FailoverSource:
    """Asks the first server that is not resting; the next one when it fails, is late or lags."""

    def __init__(
        self,
        sources: Sequence[AccountSource],
        seconds_each: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds_each` is how long a server is waited for while there is another to ask."""
        self._sources = sources
        self._seconds_each = seconds_each
        self._now = now
        self._asked_to_wait = [0.0] * len(sources)
        self._mistrusted = [0.0] * len(sources)
        self._newest_slot = 0

    async def fetch(self, addresses: Collection[Address]) -> Fetched:
        """As the port says; the error is the last server's."""
        failure = SourceUnavailable("every RPC asked to be left alone for a while")
        order = self._order()
        slots = []
        for place in order:
            patience = None if place == order[-1] else self._seconds_each
            try:
                async with asyncio.timeout(patience):
                    fetched = await self._sources[place].fetch(addresses)
            except SourceUnavailable as error:
                failure = self._failed(place, error)
            except TimeoutError:
                late = SourceUnavailable(f"no answer within {self._seconds_each:g} s")
                failure = self._failed(place, late)
            else:
                behind = self._newest_slot - fetched.slot
                if behind <= MAX_LAG_SLOTS:
                    self._newest_slot = max(self._newest_slot, fetched.slot)
                    return fetched
                slots.append(fetched.slot)
                failure = SourceUnavailable(f"the RPC lags {behind} slots")
        if len(slots) == len(self._sources):
            # Nobody is as far as we thought: one wrong slot must not condemn them all for ever.
            self._newest_slot = max(slots)
        raise failure

    def _order(self) -> list[int]:
        """Whom to ask: first who did not fail lately, never who asked to be left alone."""
        now = self._now()
        free = [place for place, until in enumerate(self._asked_to_wait) if now >= until]
        return sorted(free, key=lambda place: now < self._mistrusted[place])

    def _failed(self, place: int, error: SourceUnavailable) -> SourceUnavailable:
        now = self._now()
        self._asked_to_wait[place] = now + min(error.retry_after, MAX_REST_SECONDS)
        self._mistrusted[place] = now + MISTRUST_SECONDS
        return error
