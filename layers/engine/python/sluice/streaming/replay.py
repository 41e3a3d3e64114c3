"""What one connection has missed: read a page at a time, as fast as it takes it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from redis.exceptions import RedisError
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from sluice.errors import DatabaseUnavailable
from sluice.orders.port import Page, Place, Snapshot

from .clients import OVERLAP
from .cursor import Cursor, settled, snapshot_at
from .frames import order_frame
from .history import History
from .sender import For, Sender


class Replays:
    """Of a relay's connections. Without Postgres they wait."""

    def __init__(self, history: History, noted: Callable[[], Awaitable[None]]) -> None:
        """`noted` returns when the next relay would know how far each connection is."""
        self._history = history
        self._noted = noted
        self._reading = asyncio.Lock()

    def begin(self, sender: Sender, since: Cursor) -> None:
        """Queues what the account's orders went through since, then what was told meanwhile."""
        sender.rewind(since)
        sender.replay(partial(self._run, sender, since))

    def begin_at_opening(self, sender: Sender) -> None:
        """Begins where the connection was opened, wherever in the stream that was."""
        sender.hold(For.REPLAY)
        sender.replay(partial(self._run_from_opening, sender))

    async def _run_from_opening(self, sender: Sender) -> None:
        # A transaction may have begun a while before it wrote: twice as far is read.
        opened_at = sender.connection.opened_at - 2 * OVERLAP
        since = await patiently().wraps(self._history.xid_at)(opened_at)
        sender.resume(since)
        # Until that is noted, the connection is registered as one that was forgotten.
        with suppress(RedisError):
            await self._noted()
            sender.connection = replace(sender.connection, again=False)
        await self._run(sender, since)

    async def _run(self, sender: Sender, since: Cursor) -> None:
        """The sender holds already: what comes after the snapshot is held, or will be told.

        When too much was held it is read, too.
        """
        begin = snapshot_at(since)
        while True:
            until = await patiently().wraps(self._history.snapshot)()
            async for page in self._pages(sender, begin, until):
                for one in page.written:
                    order_id = str(one.event.order_id)
                    if not sender.connection.wishes.want(order_id):
                        continue
                    # Those with larger numbers are still to come, and so is what had not ended.
                    sender.push(order_frame(one.event), min(one.xid, settled(until)))
                    if one.event.status.final:
                        sender.then(partial(sender.over, order_id))
            await sender.room()
            if sender.release(For.REPLAY):
                return
            sender.hold(For.REPLAY)
            begin = until

    async def _pages(self, sender: Sender, since: Snapshot, until: Snapshot) -> AsyncIterator[Page]:
        accounts = [sender.connection.account]
        read = patiently().wraps(self._history.followed)
        behind: Place | None = None
        while True:
            await sender.room()
            # One page at a time, of whomever: what is live, and commands, wait for no more.
            async with self._reading:
                page = await read(since, until, accounts, behind, sender.half)
            yield page
            if (behind := page.behind) is None:
                return


def patiently() -> AsyncRetrying:
    """As often as it takes, until Postgres answers."""
    return AsyncRetrying(
        retry=retry_if_exception_type(DatabaseUnavailable),
        wait=wait_random_exponential(multiplier=0.2, max=2),
    )
