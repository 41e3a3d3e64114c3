"""One connection's way out: its frames, one after the other, without holding up anyone else's."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from typing import Final

from sluice.observability import logger

from .cursor import Cursor
from .frames import Frame, resync_frame, with_cursor
from .letters import Connection, Wishes
from .owed import Owed
from .poster import Posted, Poster, PostFailed

OPENING = timedelta(seconds=10)
"""`$connect` is answered before the socket is open: so young, 410 means not yet."""

OPENING_RETRY_SECONDS = 0.1

QUEUE_LIMIT: Final = 1000
"""A client this far behind is told where to resume instead."""


class For(Enum):
    """For whom events are held: so that what was missed comes first."""

    COMMAND = "a command that reads an order's history"
    REPLAY = "a replay of the account's events"


class TooSlow(Exception):
    """So many answers wait that the client cannot be reading them."""


@dataclass(slots=True)
class _Item:
    """A frame on its way; an event's has a cursor still to be given to it."""

    frame: Frame
    cursor: Cursor | None
    happened: datetime | None = None
    kept: bool = False
    """Whether it is no event of the feed: `resync` would not bring it."""
    posted: tuple[Callable[[], None], ...] = ()


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
        self.owed = Owed()
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
        self._held: deque[_Item] = deque()
        self._held_for: set[For] = set()
        self._held_too_many = False
        self._replay: asyncio.Task[None] | None = None
        self._ended = False
        self._task = asyncio.create_task(self._run())

    def position(self, told: Cursor) -> Cursor:
        """All before it was posted, where all before `told` was told."""
        if self._lost is not None:
            return self._lost
        return told if self.idle else self._posted

    @property
    def idle(self) -> bool:
        """Whether all that was told was posted."""
        waits = self._queue or self._posting or self._held_for or self._lost is not None
        return not waits

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
        # Not before it was posted: whoever replays what was not asks what is wanted.
        over = (partial(self.over, order_id),) if final and order_id in wishes.orders else ()
        item = _Item(frame, cursor, happened, posted=over)
        if not self._held_for:
            self._put(item)
        elif len(self._held) < self.half:
            self._held.append(item)
        else:
            self._held_too_many = True

    def over(self, order_id: str) -> None:
        """The order's last event has come: it takes no place of those that are followed."""
        wishes = self.connection.wishes
        if order_id in wishes.orders:
            self.wish(replace(wishes, orders=wishes.orders - {order_id}))

    def push(self, frame: Frame, cursor: Cursor | None = None, *, kept: bool = False) -> None:
        """Queues an answer, or an event out of history, whatever else is held.

        What is `kept` is not dropped with the feed's events, as no answer is. Raises `TooSlow`.
        """
        kept = kept or cursor is None
        if kept and len(self._queue) >= 2 * self._limit:
            raise TooSlow("it does not take its answers")
        self._put(_Item(frame, cursor, kept=kept))

    def then(self, do: Callable[[], None]) -> None:
        """Does it once all that was queued by now was posted."""
        if self._queue:
            self._queue[-1].posted += (do,)
        else:
            do()

    @property
    def holds(self) -> bool:
        """Whether what is told waits for `release`."""
        return bool(self._held_for)

    def hold(self, why: For = For.COMMAND) -> None:
        """From now on what is told waits for `release`; what waited for a replay is dropped."""
        if why is For.REPLAY or not self._held_for:
            self._drop_held()
        self._held_for.add(why)

    def release(self, why: For = For.COMMAND) -> bool:
        """Queues what was held once nobody holds it any more.

        False, and it is dropped, if that became too much; a replay that goes on sees to that.
        """
        self._held_for.discard(why)
        if For.REPLAY in self._held_for:
            return True
        if self._held_too_many:
            self._drop_held()
            return False
        while self._held and not self._held_for:
            self._put(self._held.popleft())
        return True

    def replay(self, reading: Callable[[], Awaitable[None]]) -> None:
        """Lets `reading` push what was missed; it ends with the sender, or when another begins."""
        self.stop_replay()
        self._replay = asyncio.create_task(self.survive(reading))

    def stop_replay(self) -> None:
        if self._replay is not None and self._replay is not asyncio.current_task():
            self._replay.cancel()

    def rewind(self, cursor: Cursor) -> None:
        """Holds, and is again where `cursor` is: a replay from there is about to begin."""
        self.stop_replay()
        self.hold(For.REPLAY)
        self.resume(cursor)
        self.connection = replace(self.connection, again=False)

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

    async def survive(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does what is done for this connection; if that fails, the connection ends."""
        try:
            await work()
        except Exception as error:
            self.cancel()
            await self._end(error)

    def _put(self, item: _Item) -> None:
        if len(self._queue) >= self._limit and not item.kept:
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
        self._queue = deque([*(item for item in self._queue if item.kept), _Item(resync, None)])

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
        except Exception as error:
            await self._end(error)
        else:
            await self._end()

    async def _end(self, error: Exception | None = None) -> None:
        """Nobody is posted to any more: a client that misses something must notice.

        It reconnects, and reads what it missed.
        """
        if self._ended:
            return
        self._ended = True
        self.stop_replay()
        if error is not None:
            extra = {"connection": self.connection.id, "why": str(error)}
            expected = isinstance(error, PostFailed | TooSlow)
            logger.warning("connection given up", extra=extra, exc_info=not expected and error)
            try:
                await self._poster.disconnect(self.connection.id)
            except Exception:
                logger.exception("a connection that is given up may be open", extra=extra)
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
        for do in item.posted:
            do()
        if item.happened is not None:
            self._late((datetime.now(UTC) - item.happened).total_seconds())
        return True

    def _drop_held(self) -> None:
        self._held.clear()
        self._held_too_many = False
