"""The relay of a shard: hears every status change and posts it to the connections of its account.

One relay serves at a time, the one that holds the lease. It subscribes first, then takes the lease,
then reads from Postgres what was committed since the last relay served, then goes live: nothing
falls between. It calls the next one while it is about to leave; that waits for the lease listening.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from typing import Final

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

from .clients import OVERLAP, Clients
from .cursor import BEGINNING, snapshot_at
from .feed import Feed
from .history import History
from .lease import TICK_SECONDS, Held, Lease
from .letters import Connection
from .mailbox import Mailbox
from .names import ORDER_EVENTS, RELAY_CALL
from .obey import Commands
from .poster import Poster
from .progress import Progress, Served, served_of
from .registry import Registry
from .renewal import LEASE_SECONDS
from .replay import Replays
from .sender import QUEUE_LIMIT, Sender, unnoted
from .tasks import first
from .valkey import Valkey

POLL_SECONDS: Final = 0.2
SUBSCRIBE_SECONDS: Final = 2.0
HANDOVER_SECONDS: Final = 20.0
"""So long before its end a relay calls the next one, or a third of its life if that is less."""
STANDBY_SECONDS: Final = 30.0
"""A relay started so long before another's end stays to take over."""
STANDBY_POLL_SECONDS: Final = 0.1
CALL_AGAIN_SECONDS: Final = 1.0
"""How soon the next one is called again when Lambda would not."""
IDLE_SECONDS: Final = 20.0
"""A relay with nobody to serve stays so long for the next client."""
REREAD_SECONDS: Final = 2.0
"""How often Postgres is asked for what nobody published."""
UNREAD_SECONDS: Final = 0.5
"""And how soon again when it did not answer."""
TICK: Final = "tick"
"""What a relay calls out itself, to hear whether it hears."""
SILENT_SECONDS: Final = 5.0
"""A subscription that brings nothing for so long leads nowhere: it listens anew."""

_EVENTS_PREFIX: Final = ORDER_EVENTS.format(account="")


class Left(Enum):
    """Why a relay stopped serving."""

    NOT_NEEDED = "another relay serves"
    IDLE = "nobody listens"
    LEASE_LOST = "the lease was lost"
    TIME_OVER = "its time is over"


async def _nobody() -> bool:
    """Calls no next relay: the schedule will."""
    return True


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
        call_next: Callable[[], Awaitable[bool]] = _nobody,
        idle_seconds: float = IDLE_SECONDS,
        queue_limit: int = QUEUE_LIMIT,
        clock: Callable[[], float] = time.monotonic,
        late: Callable[[float], None] = unnoted,
    ) -> None:
        """`listener` must not reconnect by itself: what it missed meanwhile would go unnoticed.

        `call_next` tells whether the next one was called. `clock` tells, in seconds, for how long
        the lease was surely ours. `late` hears how long after it happened each event was posted, in
        seconds.
        """
        self._valkey = valkey
        self._listener = listener
        self._history = history
        self._shard = shard
        self._registry = Registry(valkey, shards)
        self._lease = Lease(valkey, shard, clock)
        self._call_next = call_next
        self._idle_seconds = idle_seconds
        self._feed: Feed | None = None
        self._clients = Clients(poster, self._lease, queue_limit, late)
        self._progress = Progress(self._lease, self._served)
        self._replays = Replays(history, self._progress.noted)
        self._mailbox = Mailbox(
            self._registry,
            self._lease,
            shard,
            self._clients,
            Commands(valkey, history, self._survives, self._replays.begin),
            self._replays,
        )
        self._called = False

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
                    # Who comes from here on finds nobody; who came after the last look found us.
                    with suppress(RedisError):
                        if not self._called and await self._registry.of_shard(self._shard):
                            await self._call()
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
            if not self._clients:
                return Left.IDLE
            left = await first(
                self._keep_lease(feed, ends),
                self._read(feed),
                self._hear(pubsub, feed),
                self._watch_the_clock(ends),
            )
            if left is Left.TIME_OVER:
                await self._mailbox.end()
                await self._clients.stop_posting()
                # Those that are lost clients send again.
                with suppress(RedisError):
                    await self._mailbox.give_back()
        finally:
            with suppress(RedisError):
                await self._progress.note()
                await self._lease.release()
        return left

    async def _begin(self) -> Feed:
        """Everybody whom Valkey knows is served from where the last relay was."""
        noted = await self._lease.served()
        served = None if noted is None else served_of(noted)
        connections = await self._registry.of_shard(self._shard)
        feed = self._feed or await self._feed_since(served, connections)
        self._feed = feed
        new = [one for one in connections if self._clients.get(one.id) is None]
        for connection in new:
            sender = self._mailbox.meet(connection, feed.cursor)
            if served is None:
                continue
            since = served.behind.get(connection.id, feed.cursor)
            if since < feed.cursor and not connection.again:
                self._replays.begin(sender, since)
            if orders := served.owed.get(connection.id):
                self._mailbox.tell_again(sender, orders)
        self._clients.are_registered(connections)
        await self._clients.register()
        return feed

    async def _feed_since(self, served: Served | None, connections: list[Connection]) -> Feed:
        opened = [connection.opened_at for connection in connections]
        # A transaction may have begun a while before it wrote: twice as far is read.
        earliest = min(opened, default=datetime.now(UTC)) - 2 * OVERLAP
        at = BEGINNING if served is None else served.cursor
        cursor = max(at, await self._history.xid_at(earliest, at))
        since = snapshot_at(cursor) if served is None or cursor > at else served.since
        return Feed(self._history, self._clients, since, self._admit)

    async def _keep_lease(self, feed: Feed, ends: float) -> Left:
        """Renews it and notes how far everyone was served, until it is lost or nobody is left."""
        wanted = time.monotonic()
        while True:
            held = await self._progress.note()
            if held is Held.VANISHED and await self._lease.take(_unix(ends)):
                logger.warning("Valkey has forgotten everything: connections are registered anew")
                self._clients.are_registered(())
            elif held is not Held.STILL:
                return Left.LEASE_LOST
            await self._clients.register()
            # Whoever came was called out, perhaps on a channel that is broken unnoticed.
            await self._mailbox.take(feed.cursor)
            await self._valkey.publish(RELAY_CALL.format(shard=self._shard), TICK)
            await self._clients.end_old_ones()
            if self._clients:
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
        await self._mailbox.take(feed.cursor)
        heard = time.monotonic()
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=POLL_SECONDS)
            if message is None:
                if time.monotonic() - heard > SILENT_SECONDS:
                    raise RedisError("not even this relay is to be heard")
                continue
            heard = time.monotonic()
            if message["type"] == "pmessage":
                feed.hear(message["channel"].removeprefix(_EVENTS_PREFIX), message["data"])
            elif message["data"] != TICK:
                await self._mailbox.take(feed.cursor)

    async def _watch_the_clock(self, ends: float) -> Left:
        """Calls the next relay while it can still get ready, once there is somebody to serve."""
        left = ends - time.monotonic()
        await asyncio.sleep(left - min(HANDOVER_SECONDS, left / 3))
        while (left := ends - time.monotonic()) > 0:
            if self._clients and not self._called:
                await self._call()
                if not self._called:
                    await asyncio.sleep(min(left, CALL_AGAIN_SECONDS))
                    continue
            await asyncio.sleep(min(left, POLL_SECONDS))
        return Left.TIME_OVER

    async def _call(self) -> None:
        self._called = await self._call_next()

    async def _admit(self) -> None:
        if self._feed is not None:
            await self._mailbox.take(self._feed.cursor)

    async def _survives(self, sender: Sender) -> None:
        """Returns when the next relay would know what the connection wishes and has had."""
        await self._clients.register(sender)
        await self._progress.noted()

    def _served(self) -> Served:
        if self._feed is None:
            raise RedisError("nobody is served")
        cursor = self._feed.cursor
        senders = {sender.connection.id: sender for sender in self._clients}
        behind = {id_: one.position(cursor) for id_, one in senders.items() if not one.idle}
        owed = {id_: orders for id_, one in senders.items() if (orders := one.owed.orders)}
        return Served(self._feed.snapshot, behind, owed)

    async def _forget_all(self) -> None:
        # First what might begin a replay, then the replays.
        await self._mailbox.end()
        await self._clients.forget_all()
        self._feed = None


def _unix(at: float) -> float:
    """Unix time of a moment of the monotonic clock."""
    return time.time() + at - time.monotonic()
