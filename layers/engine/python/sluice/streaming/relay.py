"""The relay of a shard: hears every status change and posts it to the connections of its account.

One relay serves at a time, the one that holds the lease. It subscribes first, then takes the lease,
then reads from Postgres what was committed since the last relay served, then goes live: nothing
falls between. It calls the next one while it is about to leave; that waits for the lease listening.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from sluice.errors import DatabaseUnavailable
from sluice.observability import logger

from .commands import command_of
from .cursor import BEGINNING, Cursor, parsed, written
from .feed import Feed, Told
from .history import History
from .lease import LEASE_SECONDS, TICK_SECONDS, Held, Lease
from .obey import Commands
from .poster import Poster
from .progress import Progress
from .registry import (
    LONGEST,
    Closed,
    Connection,
    Letter,
    Opened,
    Registry,
    Said,
    record_of,
)
from .replay import replay
from .sender import QUEUE_LIMIT, Sender, unnoted
from .valkey import CONNECTIONS, ORDER_EVENTS, RELAY_CALL, Valkey

POLL_SECONDS: Final = 0.2
SUBSCRIBE_SECONDS: Final = 2.0
HANDOVER_SECONDS: Final = 20.0
"""So long before its end a relay calls the next one, or a third of its life if that is less."""
STANDBY_SECONDS: Final = 30.0
"""A relay started so long before another's end stays to take over."""
STANDBY_POLL_SECONDS: Final = 0.1
IDLE_SECONDS: Final = 20.0
"""A relay with nobody to serve stays so long for the next client."""
REREAD_SECONDS: Final = 2.0
"""How often Postgres is asked for what nobody published."""
OVERLAP: Final = timedelta(seconds=5)
"""How far before a connection's opening events are told to it: clocks differ."""
UNREAD_SECONDS: Final = 0.5
"""And how soon again when it did not answer."""
REGISTERED_AT_ONCE: Final = 500
LETTERS: Final = 100
"""Taken out of the mail at a time."""

_EVENTS_PREFIX: Final = ORDER_EVENTS.format(account="")


class Left(Enum):
    """Why a relay stopped serving."""

    NOT_NEEDED = "another relay serves"
    IDLE = "nobody listens"
    LEASE_LOST = "the lease was lost"
    TIME_OVER = "its time is over"


async def _nobody() -> None:
    """Calls no next relay: the schedule will."""


class Relay:
    """One life of a relay."""

    def __init__(
        self,
        valkey: Valkey,
        listener: Valkey,
        history: History,
        poster: Poster,
        shard: int = 0,
        shards: int = 1,
        call_next: Callable[[], Awaitable[None]] = _nobody,
        idle_seconds: float = IDLE_SECONDS,
        queue_limit: int = QUEUE_LIMIT,
        clock: Callable[[], float] = time.monotonic,
        late: Callable[[float], None] = unnoted,
    ) -> None:
        """`listener` must not reconnect by itself: what it missed meanwhile would go unnoticed.

        `clock` tells, in seconds, for how long the lease was surely ours. `late` hears how long
        after it happened each event was posted, in seconds.
        """
        self._valkey = valkey
        self._listener = listener
        self._history = history
        self._poster = poster
        self._shard = shard
        self._registry = Registry(valkey, shards)
        self._lease = Lease(valkey, shard, clock)
        self._progress = Progress(self._lease, self._served)
        self._call_next = call_next
        self._idle_seconds = idle_seconds
        self._queue_limit = queue_limit
        self._late = late
        self._senders: dict[str, Sender] = {}
        self._of_account: defaultdict[str, dict[str, Sender]] = defaultdict(dict)
        self._feed: Feed | None = None
        self._commands = Commands(valkey, history, self._survives, self._catch_up)
        self._doing: set[asyncio.Task[None]] = set()

    @property
    def accounts(self) -> Collection[str]:
        """Whose events are wanted."""
        return self._of_account.keys()

    def tell(self, told: Told, cursor: Cursor) -> None:
        """Queues an event for each connection of its account."""
        for sender in tuple(self._of_account.get(told.account, {}).values()):
            if told.at is None or told.at >= sender.connection.opened_at - OVERLAP:
                sender.tell(
                    told.order_id, told.frame, cursor, final=told.final, happened=told.happened
                )

    async def run(self, seconds: float) -> str:
        """Serves for at most `seconds`; why it left, in words for the log.

        Raises redis' RedisError or `DatabaseUnavailable` when what it needs stays gone: whoever
        starts the next one starts over.
        """
        ends = time.monotonic() + seconds
        try:
            # What was published while the subscription was broken was heard by nobody: it listens
            # anew, and then reads it. It still knows whom it serves, where Valkey may not.
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type((RedisError, DatabaseUnavailable)),
                stop=stop_after_delay(seconds),
                wait=wait_random_exponential(multiplier=0.1, max=1),
                reraise=True,
            ):
                with attempt:
                    left = await self._live(ends)
        finally:
            await self._forget_all()
        return left.value

    async def _live(self, ends: float) -> Left:
        async with self._listener.pubsub() as pubsub:
            await self._subscribe(pubsub)
            while await self._lead(pubsub, ends):
                left = await self._serve(pubsub, ends)
                if left is Left.TIME_OVER:
                    return left
                await self._forget_all()
                # A client that came after the last look saw the lease held, and starts nobody.
                if left is Left.IDLE and not await self._registry.of_shard(self._shard):
                    return left
        return Left.NOT_NEEDED

    async def _subscribe(self, pubsub: PubSub) -> None:
        """Returns once Valkey has confirmed: whatever is published from now on is heard."""
        await pubsub.psubscribe(ORDER_EVENTS.format(account="*"))
        await pubsub.subscribe(RELAY_CALL.format(shard=self._shard))
        confirmed = 0
        while confirmed < len(("pattern", "channel")):
            message = await pubsub.get_message(timeout=SUBSCRIBE_SECONDS)
            if message is None:
                raise RedisError("Valkey did not confirm the subscription")
            confirmed += message["type"] in ("psubscribe", "subscribe")

    async def _lead(self, pubsub: PubSub, ends: float) -> bool:
        """Whether the lease was had, at once or when the relay that holds it left or died."""
        ends_at = _unix(ends)
        if await self._lease.take(ends_at):
            return True
        # Whoever has it serves those whom we served, if we did.
        await self._forget_all()
        left = await self._lease.left()
        wait = LEASE_SECONDS if left is None else left + LEASE_SECONDS
        if wait > STANDBY_SECONDS:
            return False
        until = min(time.monotonic() + wait, ends)
        while time.monotonic() < until:
            if await self._lease.take(ends_at):
                return True
            # What is heard by now was committed before: whoever takes over reads it.
            while await pubsub.get_message(ignore_subscribe_messages=True, timeout=0):
                pass
            await asyncio.sleep(STANDBY_POLL_SECONDS)
        return False

    async def _serve(self, pubsub: PubSub, ends: float) -> Left:
        """Holds the lease already."""
        feed = await self._begin()
        try:
            if not self._senders:
                return Left.IDLE
            left = await _first(
                self._keep_lease(ends),
                self._read(feed),
                self._hear(pubsub, feed),
                self._watch_the_clock(ends),
            )
            if left is Left.TIME_OVER:
                await self._stop_posting()
        finally:
            with suppress(RedisError):
                await self._progress.note()
                await self._lease.release()
        return left

    async def _begin(self) -> Feed:
        """Everybody whom Valkey knows is served from where the last relay was."""
        cursor, behind = _read_served(await self._lease.served())
        connections = await self._registry.of_shard(self._shard)
        feed = self._feed or await self._feed_since(cursor, connections)
        self._feed = feed
        for connection in connections:
            self._open(connection, feed)
        await self._register(
            [id_ for id_ in self._senders if id_ not in {c.id for c in connections}]
        )
        for id_, since in behind.items():
            if id_ in self._senders and since < feed.cursor:
                self._catch_up(self._senders[id_], since)
        return feed

    async def _feed_since(self, cursor: Cursor | None, connections: list[Connection]) -> Feed:
        opened = [connection.opened_at for connection in connections]
        # A transaction may have begun a while before it wrote: twice as far is read.
        first = min(opened, default=datetime.now(UTC)) - 2 * OVERLAP
        since = BEGINNING if cursor is None else cursor
        return Feed(self._history, self, max(since, await self._history.xid_at(first, since)))

    async def _keep_lease(self, ends: float) -> Left:
        """Renews it and notes how far everyone was served, until it is lost or nobody is left."""
        wanted = time.monotonic()
        while True:
            held = await self._progress.note()
            if held is Held.VANISHED and await self._lease.take(_unix(ends)):
                logger.warning("Valkey has forgotten everything: connections are registered anew")
                await self._register(list(self._senders))
            elif held is not Held.STILL:
                return Left.LEASE_LOST
            await self._end_old_ones()
            if self._senders:
                wanted = time.monotonic()
            elif time.monotonic() - wanted > self._idle_seconds:
                return Left.IDLE
            await asyncio.sleep(TICK_SECONDS)

    async def _read(self, feed: Feed) -> Left:
        """Tells what is in Postgres and was not heard; never ends."""
        while True:
            feed.wanted.clear()
            try:
                await feed.catch_up()
                seconds = REREAD_SECONDS
            except DatabaseUnavailable as error:
                logger.warning("events not read", exc_info=error)
                seconds = UNREAD_SECONDS
                feed.wanted.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await feed.wanted.wait()

    async def _hear(self, pubsub: PubSub, feed: Feed) -> Left:
        """Tells what is published and takes the mail; never ends."""
        await self._take_mail(feed)
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=POLL_SECONDS)
            if message is None:
                continue
            if message["type"] == "pmessage":
                feed.hear(message["channel"].removeprefix(_EVENTS_PREFIX), message["data"])
            else:
                await self._take_mail(feed)

    async def _watch_the_clock(self, ends: float) -> Left:
        """Calls the next relay while it can still get ready."""
        left = ends - time.monotonic()
        await asyncio.sleep(left - min(HANDOVER_SECONDS, left / 3))
        if self._senders:
            await self._call_next()
        await asyncio.sleep(ends - time.monotonic())
        return Left.TIME_OVER

    async def _take_mail(self, feed: Feed) -> None:
        while letters := await self._registry.mail(self._shard, LETTERS):
            for letter in letters:
                await self._open_letter(letter, feed)

    async def _open_letter(self, letter: Letter, feed: Feed) -> None:
        match letter:
            case Opened(connection, again):
                await self._meet(connection, feed, again=again)
            case Closed(id_):
                if sender := self._drop(id_):
                    sender.cancel()
            case Said(connection, message):
                # One that said something was registered before, if only a moment ago.
                sender = await self._meet(connection, feed, again=True)
                task = asyncio.create_task(self._do(sender, message))
                self._doing.add(task)
                task.add_done_callback(self._doing.discard)

    async def _meet(self, connection: Connection, feed: Feed, *, again: bool) -> Sender:
        if sender := self._senders.get(connection.id):
            return sender
        since = None
        if again:
            # What it was told before it was forgotten nobody knows: all since it was opened comes.
            with suppress(DatabaseUnavailable):
                since = await self._history.xid_at(connection.opened_at - 2 * OVERLAP)
        sender = self._open(connection, feed)
        if since is not None:
            self._catch_up(sender, since)
        return sender

    async def _do(self, sender: Sender, message: str) -> None:
        async with sender.turn:
            await self._commands.obey(command_of(message), sender)

    async def _survives(self, sender: Sender) -> None:
        """Returns when the next relay would know what the connection wishes and has had."""
        if sender.connection.id in self._senders:
            await self._register([sender.connection.id])
            await self._progress.noted()

    def _catch_up(self, sender: Sender, since: Cursor) -> None:
        sender.rewind(since)
        sender.replay(replay(self._history, sender, since))

    def _open(self, connection: Connection, feed: Feed) -> Sender:
        if connection.id not in self._senders:
            sender = Sender(
                connection,
                self._poster,
                self._gone,
                self._lease.certain,
                feed.cursor,
                self._queue_limit,
                self._late,
            )
            self._senders[connection.id] = sender
            self._of_account[connection.account][connection.id] = sender
        return self._senders[connection.id]

    def _drop(self, connection_id: str) -> Sender | None:
        sender = self._senders.pop(connection_id, None)
        if sender is not None:
            account = sender.connection.account
            del self._of_account[account][connection_id]
            if not self._of_account[account]:
                del self._of_account[account]
        return sender

    async def _gone(self, connection: Connection) -> None:
        self._drop(connection.id)
        # Not worth ending for: a connection that stays registered is found gone by the next relay.
        with suppress(RedisError):
            await self._lease.guarded("HDEL", CONNECTIONS, connection.id)

    async def _end_old_ones(self) -> None:
        """API Gateway has ended them, whether it said so or not."""
        oldest = datetime.now(UTC) - LONGEST
        for sender in list(self._senders.values()):
            if sender.connection.opened_at < oldest:
                sender.cancel()
                await self._gone(sender.connection)

    async def _register(self, ids: list[str]) -> None:
        """Writes what is known of connections to where the next relay looks."""
        for at in range(0, len(ids), REGISTERED_AT_ONCE):
            records = [
                part
                for id_ in ids[at : at + REGISTERED_AT_ONCE]
                for part in (id_, record_of(self._senders[id_].connection))
            ]
            await self._lease.guarded("HSET", CONNECTIONS, *records)

    def _served(self) -> str:
        if self._feed is None:
            raise RedisError("nobody is served")
        told = self._feed.cursor
        positions = {id_: sender.position(told) for id_, sender in self._senders.items()}
        behind = {id_: written(at) for id_, at in positions.items() if at < told}
        return json.dumps({"cursor": written(told), "behind": behind})

    async def _stop_posting(self) -> None:
        """What was not posted by now is the next relay's to post."""
        await asyncio.gather(*(sender.close() for sender in self._senders.values()))

    async def _forget_all(self) -> None:
        # First what might begin a replay, then the replays.
        await _ended(self._doing)
        await self._stop_posting()
        self._senders.clear()
        self._of_account.clear()
        self._feed = None


def _read_served(noted: str | None) -> tuple[Cursor | None, dict[str, Cursor]]:
    """How far everyone was served, and who was not."""
    if noted is None:
        return None, {}
    content = json.loads(noted)
    behind = {id_: parsed(cursor) for id_, cursor in content["behind"].items()}
    return parsed(content["cursor"]), behind


def _unix(at: float) -> float:
    """Unix time of a moment of the monotonic clock."""
    return time.time() + at - time.monotonic()


async def _first(*parts: Coroutine[Any, Any, Left]) -> Left:
    """What the first of them comes to that ends; the others are ended."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        await _ended(tasks)


async def _ended(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancels them again and again: redis-py swallows one that meets a timeout of its own."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=POLL_SECONDS)
