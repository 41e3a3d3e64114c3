"""`AccountSource`s around others: one call for all who ask at once, another server on failure."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence

from sluice.markets.accounts import AccountSource, Fetched, SourceUnavailable
from sluice.venues.base import Address

MAX_LAG_SLOTS = 25
"""A server this far behind the newest slot that we have seen (10 s) is not asked for prices."""


REST_SECONDS = 5.0
"""How long a server that failed is not asked while there is another one."""
MAX_REST_SECONDS = 30.0


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
        self._rests_until = [0.0] * len(sources)
        self._newest_slot = 0

    async def fetch(self, addresses: Collection[Address]) -> Fetched:
        """As the port says; the error is the last server's."""
        failure = SourceUnavailable("every RPC asked to be left alone for a while")
        newest = 0
        for place, source in enumerate(self._sources):
            if self._now() < self._rests_until[place]:
                continue
            try:
                async with asyncio.timeout(self._patience(place)):
                    fetched = await source.fetch(addresses)
            except SourceUnavailable as error:
                failure = self._rested(place, error)
            except TimeoutError:
                late = SourceUnavailable(f"no answer within {self._seconds_each:g} s")
                failure = self._rested(place, late)
            else:
                behind = self._newest_slot - fetched.slot
                if behind <= MAX_LAG_SLOTS:
                    self._newest_slot = max(self._newest_slot, fetched.slot)
                    return fetched
                newest = max(newest, fetched.slot)
                failure = SourceUnavailable(f"the RPC lags {behind} slots")
        if newest:
            # Nobody is as far as we thought: one wrong slot must not condemn them all for ever.
            self._newest_slot = newest
        raise failure

    def _patience(self, place: int) -> float | None:
        """How long to wait for a server: without a limit of our own if there is no other."""
        return None if place == len(self._sources) - 1 else self._seconds_each

    def _rested(self, place: int, error: SourceUnavailable) -> SourceUnavailable:
        """Leaves a server alone for as long as it asked, and a while if there is another one."""
        rest = min(error.retry_after, MAX_REST_SECONDS)
        if len(self._sources) > 1:
            rest = max(rest, REST_SECONDS)
        self._rests_until[place] = self._now() + rest
        return error
