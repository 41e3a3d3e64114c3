"""One connection's way out: its frames, one after the other, without holding up anyone else's."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sluice.observability import logger

from .cursor import Cursor
from .frames import Frame, resync_frame, with_cursor
from .poster import Posted, Poster, PostFailed
from .registry import Connection, Wishes

OPENING = timedelta(seconds=10)
"""`$connect` is answered before the socket is open: so young, 410 means not yet."""

OPENING_RETRY_SECONDS = 0.1

QUEUE_LIMIT: Final = 1000
"""A client this far behind is told where to resume instead."""


@dataclass(slots=True)
class _Item:
    """A frame on its way; an event's has a cursor still to be given to it."""

    frame: Frame
    cursor: Cursor | None
    happened: datetime | None = None


def unnoted(seconds: float) -> None:
    """Nobody wants to know how late an event came."""


class Sender:
    """Posts frames to one connection in the order given, until it is gone."""

    def __init__(
        self,
        connection: Connection,
        poster: Poster,
        gone: Callable[[Connection], Awaitable[None]],
        certain: Callable[[], Awaitable[None]],
        cursor: Cursor,
        queue_limit: int = QUEUE_LIMIT,
        late: Callable[[float], None] = unnoted,
    ) -> None:
        """All before `cursor` needs no telling. `late` hears how old each event was once posted.

        `certain` returns when a frame may be posted. `gone` is awaited once when the connection can
        be served no longer.
        """
        self.connection = connection
        self.turn = asyncio.Lock()
        """Whose turn it is to do a command of this connection."""
        self._poster = poster
        self._gone = gone
        self._certain = certain
        self._limit = queue_limit
        self._late = late
        self._queue: deque[_Item] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._posting = False
        self._posted = cursor
        self._queued = cursor
        self._lost: Cursor | None = None
        self._resumed = 0
        self._held: deque[_Item] | None = None
        self._held_too_many = False
        self._replay: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._run())

    def position(self, told: Cursor) -> Cursor:
        """All before it was posted, where all before `told` was told."""
        if self._lost is not None:
            return self._lost
        if self._queue or self._posting or self._held is not None:
            return self._posted
        return told

    @property
    def cursor(self) -> Cursor:
        """All before it was queued."""
        return self._queued

    def wish(self, wishes: Wishes) -> None:
        """What is wanted from now on."""
        self.connection = replace(self.connection, wishes=wishes)

    def tell(
        self,
        order_id: str,
        frame: Frame,
        cursor: Cursor,
        *,
        final: bool = False,
        happened: datetime | None = None,
    ) -> None:
        """Queues an event if it is wanted; `final`: the last of its order."""
        wishes = self.connection.wishes
        if not wishes.want(order_id):
            if final and order_id in wishes.muted:
                self.wish(replace(wishes, muted=wishes.muted - {order_id}))
            return
        if final and order_id in wishes.orders:
            self.wish(replace(wishes, orders=wishes.orders - {order_id}))
        if self._held is None:
            self._put(_Item(frame, cursor, happened))
        elif len(self._held) < self.half:
            self._held.append(_Item(frame, cursor, happened))
        else:
            self._held_too_many = True

    def push(self, frame: Frame, cursor: Cursor | None = None) -> None:
        """Queues an answer, or an event out of history, whatever else is held."""
        self._put(_Item(frame, cursor))

    @property
    def holds(self) -> bool:
        """Whether what is told waits for `release`."""
        return self._held is not None

    def hold(self) -> None:
        """From now on what is told waits for `release`; what waited is dropped."""
        self._held = deque()
        self._held_too_many = False

    def release(self) -> bool:
        """Queues what was held. False, and nothing is held any more, if that became too much."""
        held, self._held = self._held, None
        if self._held_too_many:
            return False
        for item in held or ():
            self._put(item)
        return True

    def replay(self, reading: Coroutine[Any, Any, None]) -> None:
        """Lets `reading` push what was missed; it ends with the sender, or when another begins."""
        self.stop_replay()
        self._replay = asyncio.create_task(reading)

    def stop_replay(self) -> None:
        if self._replay is not None:
            self._replay.cancel()

    def rewind(self, cursor: Cursor) -> None:
        """Holds, and is again where `cursor` is: a replay from there is about to begin."""
        self.stop_replay()
        self.hold()
        self.resume(cursor)

    def resume(self, cursor: Cursor) -> None:
        """All before `cursor` is known to have come; all after it is about to be queued."""
        self._posted = self._queued = cursor
        self._lost = None
        self._resumed += 1
        for item in self._queue:
            if item.cursor is not None:
                item.cursor = min(item.cursor, cursor)

    async def room(self) -> None:
        """Returns when half of the queue is free."""
        await self._room.wait()

    @property
    def half(self) -> int:
        """How many frames there surely is room for then."""
        return self._limit // 2

    def cancel(self) -> None:
        """Stops posting; what is queued is dropped."""
        self.stop_replay()
        self._task.cancel()

    async def close(self) -> None:
        """`cancel`, and the end of it."""
        self.cancel()
        await asyncio.wait([self._task, *([self._replay] if self._replay else [])])

    def _put(self, item: _Item) -> None:
        if len(self._queue) >= self._limit and item.cursor is not None:
            self.resync()
        self._queue.append(item)
        if item.cursor is not None:
            self._queued = item.cursor
        self._filled.set()
        if len(self._queue) > self._limit // 2:
            self._room.clear()

    def resync(self) -> None:
        """Drops the events that wait, and tells the client where to resume instead."""
        if self._lost is None:
            extra = {"connection": self.connection.id}
            logger.warning("a client is too slow: it is told to resume", extra=extra)
            self._lost = self._posted
        resync = resync_frame(self._lost)
        answers = [i for i in self._queue if i.cursor is None and i.frame != resync]
        self._queue = deque([*answers, _Item(resync, None)])

    async def _run(self) -> None:
        try:
            while True:
                while not self._queue:
                    self._filled.clear()
                    await self._filled.wait()
                item = self._queue.popleft()
                self._posting = True
                if len(self._queue) <= self._limit // 2:
                    self._room.set()
                if not await self._deliver(item):
                    break
                self._posting = False
        except PostFailed as error:
            # A client that misses an event must notice: it reconnects, and reads what it missed.
            extra = {"connection": self.connection.id, "why": str(error)}
            logger.warning("connection given up", extra=extra)
            await self._poster.disconnect(self.connection.id)
        self.stop_replay()
        await self._gone(self.connection)

    async def _deliver(self, item: _Item) -> bool:
        frame, resumed = item.frame, self._resumed
        if item.cursor is not None:
            # As long as the client has not come back for what it lost, no cursor may pass that.
            cursor = item.cursor if self._lost is None else self._lost
            frame = with_cursor(frame, cursor)
        await self._certain()
        while await self._poster.post(self.connection.id, frame) is Posted.GONE:
            if datetime.now(UTC) - self.connection.opened_at > OPENING:
                return False
            await asyncio.sleep(OPENING_RETRY_SECONDS)
            await self._certain()
        if item.cursor is not None and resumed == self._resumed:
            self._posted = item.cursor
        if item.happened is not None:
            self._late((datetime.now(UTC) - item.happened).total_seconds())
        return True
