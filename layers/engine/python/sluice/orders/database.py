"""One Postgres connection per process, kept across invocations and replaced when it has died.

A frozen Lambda runs no background work, so a pool's keepers would only wake to broken sockets: a
process that handles one invocation at a time needs one connection, checked after it has idled.
"""

import asyncio
import select
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol

import psycopg
from psycopg.rows import dict_row

from sluice.errors import DatabaseUnavailable, SecretUnavailable, StoreRefused

IDLE_CHECK_SECONDS = 20.0
"""A connection that idled longer, or was told something meanwhile, is asked for a sign of life."""

CONNECT_TIMEOUT_SECONDS = 3
PATIENCE_SECONDS = 5.0
CUT_OFF_AT = 0.98
"""How long one unit of work may take; all of ours take milliseconds."""

UTC_NAMES = ("UTC", "Etc/UTC")

Connection = psycopg.AsyncConnection[dict[str, Any]]


class Where(Protocol):
    """Tells where Postgres is and by what password; asked `fresh` after that was of no use."""

    def __call__(self, *, fresh: bool = False) -> str: ...


class Database:
    """Hands out the process's connection; not for use from two tasks at once."""

    def __init__(
        self,
        url: str | Where,
        now: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """`patience` is in seconds."""
        self._where = _fixed(url) if isinstance(url, str) else url
        self._refused = False
        self._patience = patience
        self._now = now
        self._connection: Connection | None = None
        self._used_at = 0.0

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Connection]:
        """The connection, for one unit of work.

        Raises `DatabaseUnavailable` when Postgres is not there, breaks off or stalls, and
        `StoreRefused` when it will not take what it is given.
        """
        # Cut off a moment before the time is over: asked to cancel, a stalled server would be
        # waited for twice as long again.
        cut_at = asyncio.get_running_loop().time() + self._patience * CUT_OFF_AT
        try:
            async with asyncio.timeout(self._patience):
                connection = await self._ready(cut_at)
                with _cut_off(connection, cut_at):
                    await _count_in_utc(connection)
                    yield connection
        except (psycopg.OperationalError, SecretUnavailable, TimeoutError) as error:
            raise DatabaseUnavailable(str(error) or "it does not answer") from error
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise StoreRefused(str(error)) from error
        except psycopg.Error as error:
            # Read-only after a failover, or not migrated yet: it is the server that is wrong, not
            # what it was given. Another one may answer next time.
            await self.close()
            raise DatabaseUnavailable(str(error)) from error

    async def _ready(self, cut_at: float) -> Connection:
        """A connection that answered lately."""
        connection = self._connection
        if connection is not None and not connection.closed:
            fresh = self._now() - self._used_at < IDLE_CHECK_SECONDS and not _told(connection)
            if fresh or await self._alive(connection, cut_at):
                self._used_at = self._now()
                return connection
        # A password that was changed is noticed by its being refused.
        where, self._refused = self._where(fresh=self._refused), True
        # prepare_threshold=None: prepared statements do not survive a transaction pooler.
        self._connection = await psycopg.AsyncConnection.connect(
            where,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            row_factory=dict_row,
        )
        self._refused = False
        self._used_at = self._now()
        return self._connection

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _alive(self, connection: Connection, cut_at: float) -> bool:
        try:
            with _cut_off(connection, cut_at):
                await connection.execute("SELECT 1")
        except psycopg.OperationalError:
            await connection.close()
            return False
        return True


def _fixed(url: str) -> Where:
    def where(*, fresh: bool = False) -> str:
        return url

    return where


def _told(connection: Connection) -> bool:
    """Whether the server said something unasked, such as that it ends this connection."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


async def _count_in_utc(connection: Connection) -> None:
    """Moments come in the server's time zone otherwise, where some cannot even be read.

    Hardly ever a round trip: servers that are made for this are set up so, and tell it unasked. A
    proxy that does not tell is left alone: what sets something keeps its connection to itself.
    """
    zone = connection.info.parameter_status("TimeZone")
    if zone is not None and zone not in UTC_NAMES:
        await connection.execute("SET timezone TO 'UTC'")


@contextmanager
def _cut_off(connection: Connection, at: float) -> Iterator[None]:
    """Breaks the connection if the block is still at work at `at`, in the loop's time."""
    cut = asyncio.get_running_loop().call_at(at, connection.pgconn.finish)
    try:
        yield
    finally:
        cut.cancel()
