"""What one connection has missed: read a page at a time, as fast as it takes it."""

from collections.abc import AsyncIterator

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from sluice.errors import DatabaseUnavailable
from sluice.orders.port import Page, Place, Snapshot

from .cursor import Cursor, settled, snapshot_at
from .frames import order_frame
from .history import History
from .sender import Sender


async def replay(history: History, sender: Sender, since: Cursor) -> None:
    """Queues what the account's orders went through since the cursor, then what was told meanwhile.

    The sender holds already: what comes after the snapshot is held, or will be told. When too much
    was held it is read, too. Without Postgres it waits.
    """
    begin = snapshot_at(since)
    while True:
        until = await _patiently().wraps(history.snapshot)()
        async for page in _pages(history, sender, begin, until):
            for one in page.written:
                if sender.connection.wishes.want(str(one.event.order_id)):
                    # Those with larger numbers are still to come, and so is what had not ended.
                    sender.push(order_frame(one.event), min(one.xid, settled(until)))
        await sender.room()
        if sender.release():
            return
        sender.hold()
        begin = until


async def _pages(
    history: History, sender: Sender, since: Snapshot, until: Snapshot
) -> AsyncIterator[Page]:
    accounts = [sender.connection.account]
    read = _patiently().wraps(history.followed)
    behind: Place | None = None
    while True:
        await sender.room()
        page = await read(since, until, accounts, behind, sender.half)
        yield page
        if (behind := page.behind) is None:
            return


def _patiently() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(DatabaseUnavailable),
        wait=wait_random_exponential(multiplier=0.2, max=2),
    )
