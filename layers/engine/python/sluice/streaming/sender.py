"""One connection's way out: its frames, one after the other, without holding up anyone else's."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from sluice.observability import logger
from sluice.orders.model import OrderEvent

from .frames import Frame, order_frame
from .poster import Posted, Poster, PostFailed
from .registry import Connection

OPENING = timedelta(seconds=10)
"""`$connect` is answered before the socket is open: so young, 410 means not yet."""

OPENING_RETRY_SECONDS = 0.1

QUEUE_LIMIT = 10_000
"""A client this far behind is cut off; it reconnects and reads what it missed."""
_TOO_FAR_BEHIND = "too far behind"


class Sender:
    """Posts frames to one connection in the order given, until it is gone."""

    def __init__(
        self,
        connection: Connection,
        poster: Poster,
        gone: Callable[[Connection], Awaitable[None]],
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        """`gone` is awaited once when the connection can be served no longer."""
        self.connection = connection
        self._replayed: set[Frame] = set()
        self._poster = poster
        self._gone = gone
        self._frames: asyncio.Queue[Frame] = asyncio.Queue(queue_limit)
        self._pending = 0
        self._ending = False
        self._task = asyncio.create_task(self._run())

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is under way."""
        return self._pending == 0 or self._task.done()

    def replay(self, event: OrderEvent) -> None:
        """Queues an event from history; should it be heard live as well, that is dropped."""
        frame = order_frame(event)
        self._replayed.add(frame)
        self._queue(frame)

    def send(self, frame: Frame) -> None:
        """Queues a frame that was heard live."""
        if frame in self._replayed:
            self._replayed.remove(frame)
        else:
            self._queue(frame)

    def cancel(self) -> None:
        """Stops posting; what is queued is dropped."""
        self._task.cancel()

    async def close(self) -> None:
        """`cancel`, and the end of it."""
        self._task.cancel()
        await asyncio.wait([self._task])

    def _queue(self, frame: Frame) -> None:
        if self._ending:
            return
        try:
            self._frames.put_nowait(frame)
            self._pending += 1
        except asyncio.QueueFull:
            if not self._task.cancelling():
                self._task.cancel(_TOO_FAR_BEHIND)

    async def _run(self) -> None:
        why = None
        try:
            while await self._deliver(await self._frames.get()):
                self._pending -= 1
        except PostFailed as error:
            why = str(error)
        except asyncio.CancelledError as cancelled:
            if cancelled.args != (_TOO_FAR_BEHIND,):
                raise
            why = _TOO_FAR_BEHIND
        # From here on nothing is queued, and so nothing overflows into this farewell.
        self._ending = True
        if why is not None:
            await self._cut_off(why)
        await self._gone(self.connection)

    async def _cut_off(self, why: str) -> None:
        """A client that misses an event must notice: it reconnects, and reads what it missed."""
        logger.warning("connection given up", extra={"connection": self.connection.id, "why": why})
        await self._poster.disconnect(self.connection.id)

    async def _deliver(self, frame: Frame) -> bool:
        while await self._poster.post(self.connection.id, frame) is Posted.GONE:
            if datetime.now(UTC) - self.connection.opened_at > OPENING:
                return False
            await asyncio.sleep(OPENING_RETRY_SECONDS)
        return True
