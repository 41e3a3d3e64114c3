"""Who has come and gone, and what clients say: written for the relay of their shard to read."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from .letters import MAIL_SECONDS, Closed, Connection, Letter, Opened, Said, record_of, sealed
from .line import Line
from .names import CONNECTIONS, RELAY_CALL, RELAY_CALLED, RELAY_LEASE, RELAY_MAIL
from .renewal import renewed_lately
from .wire import Command

CALLED_MS: Final = 5000
"""So long may a relay take to begin before another is started."""


class Arrivals:
    """Every method raises `LineError` when Valkey cannot be reached."""

    def __init__(self, line: Line, shards: int = 1) -> None:
        self._line = line
        self._shards = shards

    def opened(self, connection: Connection) -> bool:
        """Registers a connection; whether a living relay is there, or called, to serve it."""
        shard = connection.shard(self._shards)
        return self._served_or_called(shard, self._send(shard, Opened(connection)))

    def seen(self, connection: Connection, message: str | None = None) -> bool:
        """Registers a connection that was forgotten, and passes on the command that it sent.

        Whether a living relay is there, or called, to hear.
        """
        shard = connection.shard(self._shards)
        known, left_ms = self._line.ask(
            ("HEXISTS", CONNECTIONS, connection.id), ("PTTL", RELAY_LEASE.format(shard=shard))
        )
        if not known:
            left_ms = self._send(shard, Opened(replace(connection, again=True)))
        if message is not None:
            left_ms = self._send(shard, Said(connection, message))
        return self._served_or_called(shard, left_ms)

    def closed(self, connection_id: str) -> None:
        """Forgets a connection; nothing happens if it is not known."""
        shard = Connection(connection_id, "", datetime.now(UTC)).shard(self._shards)
        self._send(shard, Closed(connection_id), [("HDEL", CONNECTIONS, connection_id)])

    def _send(self, shard: int, letter: Letter, before: Sequence[Command] = ()) -> int:
        """Puts it into the shard's mail, and registers who is new; what is left of the lease."""
        mail = RELAY_MAIL.format(shard=shard)
        commands = list(before)
        if isinstance(letter, Opened):
            # What the relay has written meanwhile of one that was forgotten is worth more.
            record = record_of(letter.connection)
            commands.append(("HSETNX", CONNECTIONS, letter.connection.id, record))
        *_, lease_left_ms = self._line.ask(
            *commands,
            ("RPUSH", mail, sealed(letter)),
            ("EXPIRE", mail, MAIL_SECONDS),
            ("PUBLISH", RELAY_CALL.format(shard=shard), "mail"),
            # Asked last: a relay that leaves gives up its lease first and then looks for newcomers.
            ("PTTL", RELAY_LEASE.format(shard=shard)),
        )
        return int(lease_left_ms)

    def _served_or_called(self, shard: int, lease_left_ms: int) -> bool:
        """False for one alone of many that come while no relay serves: it is to start one."""
        if renewed_lately(lease_left_ms):
            return True
        called = RELAY_CALLED.format(shard=shard)
        (set_by_us,) = self._line.ask(("SET", called, "", "NX", "PX", CALLED_MS))
        return set_by_us is None
