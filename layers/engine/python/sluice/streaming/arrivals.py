"""Who has come and gone, and what clients say: written for the relay of their shard to read."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from .letters import LONGEST_MS, MAIL_SECONDS, Closed, Connection, Opened, Said, record_of, sealed
from .line import Line
from .names import (
    CONNECTIONS,
    CONNECTIONS_OF,
    RELAY_CALL,
    RELAY_CALLED,
    RELAY_LEASE,
    RELAY_MAIL,
)
from .renewal import renewed_lately
from .wire import Command, NoScript

CALLED_MS: Final = 5000
"""So long may a relay take to begin before another is started."""

_REGISTER = """
-- KEYS: all connections, those of the account, the shard's mail, its lease.
-- ARGV: the connection's id, record, letter, and when it was opened (ms); how many an account may
-- have (0: any), how long one lasts (ms), how long mail does (s), the channel that there is some.
-- Answers what is left of the lease (ms), or nothing if the account has too many.
local id, most = ARGV[1], tonumber(ARGV[5])
-- One that is known was let in: this may be asked twice.
local new = redis.call('HEXISTS', KEYS[1], id) == 0
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', redis.call('TIME')[1] * 1000 - ARGV[6])
if most > 0 and new and redis.call('ZCARD', KEYS[2]) >= most then
    -- Whoever closes a connection, or finds it closed, takes it from among all, and not from here.
    for _, other in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
        if redis.call('HEXISTS', KEYS[1], other) == 0 then redis.call('ZREM', KEYS[2], other) end
    end
    if redis.call('ZCARD', KEYS[2]) >= most then return false end
end
redis.call('ZADD', KEYS[2], 'NX', ARGV[4], id)
redis.call('PEXPIRE', KEYS[2], ARGV[6])
-- What the relay has written meanwhile of one that was forgotten is worth more.
redis.call('HSETNX', KEYS[1], id, ARGV[2])
redis.call('RPUSH', KEYS[3], ARGV[3])
redis.call('EXPIRE', KEYS[3], ARGV[7])
redis.call('PUBLISH', ARGV[8], 'mail')
return redis.call('PTTL', KEYS[4])
"""
_REGISTER_SHA = hashlib.sha1(_REGISTER.encode(), usedforsecurity=False).hexdigest()


class TooManyConnections(Exception):
    """The account has as many as it may; the text is for the log."""


class Arrivals:
    """Every method raises `LineError` when Valkey cannot be reached."""

    def __init__(self, line: Line, shards: int = 1, most: int = 0) -> None:
        """`most`: how many connections an account may have at once; 0 is no limit."""
        self._line = line
        self._shards = shards
        self._most = most

    def opened(self, connection: Connection) -> bool:
        """Registers a connection; whether a living relay is there, or called, to serve it.

        Raises `TooManyConnections`.
        """
        shard = connection.shard(self._shards)
        left_ms = self._register(connection, shard, self._most)
        if left_ms is None:
            raise TooManyConnections(f"{connection.account} has {self._most} connections")
        return self._served_or_called(shard, left_ms)

    def seen(self, connection: Connection, message: str | None = None) -> bool:
        """Registers a connection that was forgotten, and passes on the command that it sent.

        Whether a living relay is there, or called, to hear.
        """
        shard = connection.shard(self._shards)
        known, left_ms = self._line.ask(
            ("HEXISTS", CONNECTIONS, connection.id), ("PTTL", RELAY_LEASE.format(shard=shard))
        )
        if not known:
            # It is open, however many there are.
            left_ms = self._register(replace(connection, again=True), shard, 0)
        if message is not None:
            (*_, left_ms) = self._line.ask(*_mailed(shard, Said(connection, message)))
        return self._served_or_called(shard, int(left_ms))

    def closed(self, connection_id: str) -> None:
        """Forgets a connection; nothing happens if it is not known."""
        shard = Connection(connection_id, "", datetime.now(UTC)).shard(self._shards)
        self._line.ask(("HDEL", CONNECTIONS, connection_id), *_mailed(shard, Closed(connection_id)))

    def _register(self, connection: Connection, shard: int, most: int) -> int | None:
        """What is left of the lease (ms); None if the account has so many."""
        arguments = (
            4,
            CONNECTIONS,
            CONNECTIONS_OF.format(account=connection.account),
            RELAY_MAIL.format(shard=shard),
            RELAY_LEASE.format(shard=shard),
            connection.id,
            record_of(connection),
            sealed(Opened(connection)),
            connection.opened_ms,
            most,
            LONGEST_MS,
            MAIL_SECONDS,
            RELAY_CALL.format(shard=shard),
        )
        try:
            (left_ms,) = self._line.ask(("EVALSHA", _REGISTER_SHA, *arguments))
        except NoScript:
            # The first time, or Valkey was restarted: sent in full it is kept for the next.
            (left_ms,) = self._line.ask(("EVAL", _REGISTER, *arguments))
        return None if left_ms is None else int(left_ms)

    def _served_or_called(self, shard: int, lease_left_ms: int) -> bool:
        """False for one alone of many that come while no relay serves: it is to start one."""
        if renewed_lately(lease_left_ms):
            return True
        called = RELAY_CALLED.format(shard=shard)
        (set_by_us,) = self._line.ask(("SET", called, "", "NX", "PX", CALLED_MS))
        return set_by_us is None


def _mailed(shard: int, letter: Closed | Said) -> list[Command]:
    """Puts it into the shard's mail; the last answer is what is left of the lease (ms)."""
    mail = RELAY_MAIL.format(shard=shard)
    return [
        ("RPUSH", mail, sealed(letter)),
        ("EXPIRE", mail, MAIL_SECONDS),
        ("PUBLISH", RELAY_CALL.format(shard=shard), "mail"),
        # Asked last: a relay that leaves gives up its lease first and then looks for newcomers.
        ("PTTL", RELAY_LEASE.format(shard=shard)),
    ]
