"""Whom a relay serves: the way out to each connection, by its id and by its account."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from redis.exceptions import RedisError

from .cursor import Cursor
from .feed import Told
from .lease import Lease
from .letters import LONGEST, Connection, record_of
from .names import CONNECTIONS
from .poster import Poster
from .sender import Sender

OVERLAP: Final = timedelta(seconds=5)
"""How far before a connection's opening events are told to it: clocks differ."""
REGISTERED_AT_ONCE: Final = 500
DISCONNECT_SECONDS: Final = 0.5
"""One that is too old and stays is told again at the next tick that finds it."""


class Clients:
    """`Audience` of a feed: tells each connection the events of its account."""

    def __init__(
        self, poster: Poster, lease: Lease, queue_limit: int, late: Callable[[float], None]
    ) -> None:
        self._poster = poster
        self._lease = lease
        self._queue_limit = queue_limit
        self._late = late
        self._senders: dict[str, Sender] = {}
        self._of_account: defaultdict[str, dict[str, Sender]] = defaultdict(dict)
        self._registered: dict[str, Connection] = {}
        """Each as Valkey has it."""

    def __len__(self) -> int:
        return len(self._senders)

    def __iter__(self) -> Iterator[Sender]:
        return iter(tuple(self._senders.values()))

    def get(self, connection_id: str) -> Sender | None:
        return self._senders.get(connection_id)

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

    def open(self, connection: Connection, cursor: Cursor) -> Sender:
        """Serves a connection to which all before the cursor needs no telling."""
        sender = Sender(
            connection,
            self._poster,
            self._gone,
            self._lease.certain,
            cursor,
            self._queue_limit,
            self._late,
        )
        self._senders[connection.id] = sender
        self._of_account[connection.account][connection.id] = sender
        return sender

    def close(self, connection_id: str) -> None:
        """Its client has left."""
        if sender := self._drop(connection_id):
            sender.cancel()

    async def unregister(self, ids: Collection[str]) -> None:
        """Raises redis' RedisError."""
        await self._lease.guarded("HDEL", CONNECTIONS, *ids)

    async def end_old_ones(self) -> None:
        """API Gateway has ended them, whether it said so or not; what it did not end is ended."""
        oldest = datetime.now(UTC) - LONGEST
        old = [sender for sender in self if sender.connection.opened_at < oldest]
        await asyncio.gather(*map(self._end, old))

    async def _end(self, sender: Sender) -> None:
        sender.cancel()
        await self._gone(sender.connection)
        # The lease is kept by whoever waits for this.
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCONNECT_SECONDS):
                await self._poster.disconnect(sender.connection.id)

    def is_registered(self, connection: Connection) -> None:
        """Valkey has this one, as it is."""
        self._registered[connection.id] = connection

    def are_registered(self, connections: Iterable[Connection]) -> None:
        """These, and as they are, are all that Valkey has."""
        self._registered = {connection.id: connection for connection in connections}

    async def register(self, only: Sender | None = None) -> None:
        """Writes what was changed of connections, or of one, to where the next relay looks.

        Raises redis' RedisError, also if the lease is not ours any more.
        """
        if only is not None and only.connection.id not in self._senders:
            return
        changed = [
            sender.connection
            for sender in ((only,) if only is not None else self)
            if self._registered.get(sender.connection.id) is not sender.connection
        ]
        for at in range(0, len(changed), REGISTERED_AT_ONCE):
            part = changed[at : at + REGISTERED_AT_ONCE]
            records = [text for one in part for text in (one.id, record_of(one))]
            new = [one for one in part if one.id not in self._registered]
            if not (
                await self._lease.guarded("HSET", CONNECTIONS, *records)
                and (not new or await self._lease.count_in(new))
            ):
                raise RedisError("the lease is another's")
            self._registered |= {one.id: one for one in part if one.id in self._senders}
            # Whoever left meanwhile would be served by the next relay.
            if left := [one.id for one in part if one.id not in self._senders]:
                await self.unregister(left)

    async def stop_posting(self) -> None:
        """What was not posted by now is the next relay's to post."""
        await asyncio.gather(*(sender.close() for sender in self))

    async def forget_all(self) -> None:
        await self.stop_posting()
        self._senders.clear()
        self._of_account.clear()
        self._registered.clear()

    def _drop(self, connection_id: str) -> Sender | None:
        sender = self._senders.pop(connection_id, None)
        if sender is not None:
            self._registered.pop(connection_id, None)
            account = sender.connection.account
            del self._of_account[account][connection_id]
            if not self._of_account[account]:
                del self._of_account[account]
        return sender

    async def _gone(self, connection: Connection) -> None:
        self._drop(connection.id)
        # Not worth ending for: a connection that stays registered is found gone by the next relay.
        with suppress(RedisError):
            await self.unregister([connection.id])
