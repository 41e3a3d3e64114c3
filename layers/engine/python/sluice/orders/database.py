"""One Postgres connection per process, kept across invocations and replaced when it has died.

A frozen Lambda runs no background work, so a pool's keepers would only wake to broken sockets: a
process that handles one invocation at a time needs one connection, checked after it has idled.
"""

import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.rows import dict_row

from sluice.errors import DatabaseUnavailable

IDLE_CHECK_SECONDS = 20.0
"""A connection that idled longer is asked for a sign of life before it is given work."""

CONNECT_TIMEOUT_SECONDS = 3

Connection = psycopg.AsyncConnection[dict[str, Any]]


class Database:
    """Hands out the process's connection; not for use from two tasks at once."""

    def __init__(self, url: str, now: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._now = now
        self._connection: Connection | None = None
        self._used_at = 0.0

    async def connection(self) -> Connection:
        """A connection that answered lately; raises `DatabaseUnavailable`."""
        connection = self._connection
        if connection is not None and not connection.closed:
            idled = self._now() - self._used_at
            if idled < IDLE_CHECK_SECONDS or await self._alive(connection):
                self._used_at = self._now()
                return connection
        try:
            # prepare_threshold=None: prepared statements do not survive a transaction pooler.
            self._connection = await psycopg.AsyncConnection.connect(
                self._url,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                row_factory=dict_row,
            )
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable(str(error)) from error
        self._used_at = self._now()
        return self._connection

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _alive(self, connection: Connection) -> bool:
        try:
            await connection.execute("SELECT 1")
        except psycopg.OperationalError:
            await connection.close()
            return False
        return True
