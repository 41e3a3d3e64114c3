"""The relay: hears every status change and posts it to the connections of its account.

One relay serves at a time, the one that holds the lease. It subscribes first, then takes the lease,
then reads from Postgres what was written since the last relay served, then goes live: nothing falls
between. The next one starts while this one is about to leave, and waits for the lease listening.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Protocol

from redis.asyncio.client import PubSub
from redis.asyncio.lock import Lock
from redis.exceptions import LockError, RedisError
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from sluice.errors import DatabaseUnavailable
from sluice.orders.model import OrderEvent

from .lease import LEASE_SECONDS, TICK_SECONDS, healthy, lease_of
from .poster import Poster
from .registry import Connection, Registry, changed
from .sender import QUEUE_LIMIT, Sender
from .valkey import CONNECTIONS_CHANGED, ORDER_EVENTS, RELAY_ENDS, RELAY_SERVED, Valkey

ATTEMPTS = 5
"""How often a relay that lost Valkey or Postgres starts over before it leaves it to the next."""
POLL_SECONDS = 0.2
SUBSCRIBE_SECONDS = 2.0
STANDBY_SECONDS = 75.0
"""A relay started so long before another's end stays to take over; the schedule comes each 60 s."""
IDLE_SECONDS = 20.0
"""A relay with nobody to serve stays so long for the next client."""
OVERLAP = timedelta(seconds=5)
"""How far a new relay reads back: more than a commit takes to be published, and clocks differ."""

_EVENTS_PREFIX = ORDER_EVENTS.format(account="")


class History(Protocol):
    """Where missed events are read."""

    async def events_since(
        self, since: datetime, accounts: Iterable[str]
    ) -> list[tuple[datetime, OrderEvent]]: ...


class Left(Enum):
    """Why a relay stopped serving."""

    NOT_NEEDED = "another relay serves"
    IDLE = "nobody listens"
    LEASE_LOST = "the lease was lost"
    TIME_OVER = "its time is over"


class Relay:
    """One life of a relay."""

    def __init__(
        self,
        valkey: Valkey,
        listener: Valkey,
        history: History,
        poster: Poster,
        idle_seconds: float = IDLE_SECONDS,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        """`listener` must not reconnect by itself: what it missed meanwhile would go unnoticed."""
        self._valkey = valkey
        self._listener = listener
        self._registry = Registry(valkey)
        self._history = history
        self._poster = poster
        self._idle_seconds = idle_seconds
        self._queue_limit = queue_limit
        self._senders: dict[str, Sender] = {}
        self._of_account: defaultdict[str, set[str]] = defaultdict(set)
        self._served_at: datetime | None = None

    async def run(self, seconds: float) -> str:
        """Serves for at most `seconds`; why it left, in words for the log.

        Raises redis' RedisError or `DatabaseUnavailable` when what it needs stays gone: whoever
        starts the next one starts over.
        """
        ends = time.monotonic() + seconds
        # What was published while the subscription was broken was heard by nobody: it listens
        # anew, and then reads it from history.
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((RedisError, DatabaseUnavailable)),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            reraise=True,
        ):
            with attempt:
                left = await self._live(ends, again=attempt.retry_state.attempt_number > 1)
        return left.value

    async def _live(self, ends: float, *, again: bool) -> "Left":
        lease = lease_of(self._valkey)
        async with self._listener.pubsub() as pubsub:
            await _subscribe(pubsub)
            while await self._lead(lease, ends, again=again):
                try:
                    left = await self._serve(pubsub, lease, ends)
                finally:
                    await self._leave(lease)
                if left is Left.TIME_OVER:
                    return left
                # A client that came after the last look saw the lease held, and starts nobody.
                if left is Left.IDLE and not await self._registry.all():
                    return left
        return Left.NOT_NEEDED

    async def _lead(self, lease: Lock, ends: float, *, again: bool) -> bool:
        """Whether the lease was had, at once or when the relay that holds it left or died.

        `again`: what stands there may be our own of a moment ago, which could not be given back.
        """
        if await lease.acquire(blocking=again, blocking_timeout=LEASE_SECONDS):
            return True
        wait = LEASE_SECONDS
        if await healthy(self._valkey):
            holder_ends = float(await self._valkey.get(RELAY_ENDS) or 0) / 1000
            wait += holder_ends - time.time()
        if wait > STANDBY_SECONDS:
            return False
        patience = max(0.0, min(wait, ends - time.monotonic()))
        return bool(await lease.acquire(blocking=True, blocking_timeout=patience))

    async def _serve(self, pubsub: PubSub, lease: Lock, ends: float) -> "Left":
        ends_ms = int((time.time() + ends - time.monotonic()) * 1000)
        await self._valkey.set(RELAY_ENDS, ends_ms, pxat=ends_ms)
        for connection in await self._registry.all():
            self._open(connection)
        await self._replay()
        ticked = wanted = time.monotonic()
        while (now := time.monotonic()) < ends:
            if now - ticked >= TICK_SECONDS:
                ticked = now
                if not await self._renew(lease):
                    return Left.LEASE_LOST
            if self._senders:
                wanted = now
            elif now - wanted > self._idle_seconds:
                return Left.IDLE
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=POLL_SECONDS)
            if message is not None:
                self._hear(message)
            elif all(sender.idle for sender in self._senders.values()):
                self._served_at = datetime.now(UTC)
        return Left.TIME_OVER

    async def _renew(self, lease: Lock) -> bool:
        """Keeps the lease and notes how far everyone was served; False if the lease was lost."""
        try:
            await lease.extend(LEASE_SECONDS, replace_ttl=True)
        except LockError:
            return False
        if self._served_at is not None:
            await self._valkey.set(RELAY_SERVED, int(self._served_at.timestamp() * 1000))
        return True

    async def _leave(self, lease: Lock) -> None:
        senders = list(self._senders.values())
        self._senders.clear()
        self._of_account.clear()
        await asyncio.gather(*(sender.close() for sender in senders))
        with suppress(LockError, RedisError):
            await lease.release()

    async def _replay(self) -> None:
        """Sends each connection what was written since it was opened, or since it was served."""
        if not self._senders:
            return
        served_ms = await self._valkey.get(RELAY_SERVED)
        served = datetime.fromtimestamp(int(served_ms or 0) / 1000, UTC)
        starts = {
            id_: max(served, sender.connection.opened_at) - OVERLAP
            for id_, sender in self._senders.items()
        }
        events = await self._history.events_since(min(starts.values()), self._of_account)
        for recorded_at, event in events:
            for id_ in self._of_account[event.account]:
                if recorded_at >= starts[id_]:
                    self._senders[id_].replay(event)

    def _hear(self, message: dict[str, Any]) -> None:
        if message["channel"] != CONNECTIONS_CHANGED:
            account = message["channel"].removeprefix(_EVENTS_PREFIX)
            for id_ in self._of_account.get(account, ()):
                self._senders[id_].send(message["data"])
            return
        id_, connection = changed(message["data"])
        if connection is not None:
            self._open(connection)
        elif (sender := self._drop(id_)) is not None:
            sender.cancel()

    def _open(self, connection: Connection) -> None:
        if connection.id not in self._senders:
            self._senders[connection.id] = Sender(
                connection, self._poster, self._gone, self._queue_limit
            )
            self._of_account[connection.account].add(connection.id)

    def _drop(self, connection_id: str) -> Sender | None:
        sender = self._senders.pop(connection_id, None)
        if sender is not None:
            self._of_account[sender.connection.account].discard(connection_id)
        return sender

    async def _gone(self, connection: Connection) -> None:
        self._drop(connection.id)
        # Not worth ending for: a connection that stays registered is found gone by the next relay.
        with suppress(RedisError):
            await self._registry.closed(connection.id)


async def _subscribe(pubsub: PubSub) -> None:
    """Returns once Valkey has confirmed: whatever is published from now on is heard."""
    await pubsub.psubscribe(ORDER_EVENTS.format(account="*"))
    await pubsub.subscribe(CONNECTIONS_CHANGED)
    confirmed = 0
    while confirmed < len(("pattern", "channel")):
        message = await pubsub.get_message(timeout=SUBSCRIBE_SECONDS)
        if message is None:
            raise RedisError("Valkey did not confirm the subscription")
        confirmed += message["type"] in ("psubscribe", "subscribe")
