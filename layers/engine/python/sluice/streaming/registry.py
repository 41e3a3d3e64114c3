"""Which WebSocket connections are open, whose they are, and what they asked for: all in Valkey.

A hash has the state, and the mail of the shard that a connection belongs to has what becomes of it:
the relay of the shard reads the hash when it begins, and its mail from then on.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zlib import crc32

from .lease import renewed_lately
from .valkey import CONNECTIONS, RELAY_CALL, RELAY_CALLED, RELAY_LEASE, RELAY_MAIL, Valkey

LONGEST: Final = timedelta(hours=2, minutes=10)
"""API Gateway ends every connection after two hours."""
MAIL_SECONDS: Final = 120
"""A relay comes within a minute; then clients have long asked again."""
CALLED_MS: Final = 5000
"""So long may a relay take to begin before another is started."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a connection wants: its account's feed but for `muted` orders, and `orders` anyway."""

    feed: bool = True
    orders: frozenset[str] = frozenset()
    muted: frozenset[str] = frozenset()

    def want(self, order_id: str) -> bool:
        return order_id in self.orders or (self.feed and order_id not in self.muted)


@dataclass(frozen=True, slots=True)
class Connection:
    """An open WebSocket of an account."""

    id: str
    account: str
    opened_at: datetime
    wishes: Wishes = field(default=Wishes())
    again: bool = False
    """It was forgotten: what it was told before nobody knows, so all since it was opened comes."""

    def shard(self, shards: int) -> int:
        return crc32(self.id.encode()) % shards


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection that the relay should serve."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Closed:
    id: str


@dataclass(frozen=True, slots=True)
class Said:
    """A command of a connection, for the relay to do and to answer."""

    connection: Connection
    message: str


Letter = Opened | Closed | Said


class Registry:
    """Every method raises redis' RedisError when Valkey cannot be reached."""

    def __init__(self, valkey: Valkey, shards: int = 1) -> None:
        self._valkey = valkey
        self._shards = shards

    async def opened(self, connection: Connection) -> bool:
        """Registers a connection; whether a living relay is there, or called, to serve it."""
        shard = connection.shard(self._shards)
        left_ms = await self._send(shard, Opened(connection))
        return await self._served_or_called(shard, left_ms)

    async def seen(self, connection: Connection, message: str | None = None) -> bool:
        """Registers a connection that was forgotten, and passes on the command that it sent.

        Whether a living relay is there, or called, to hear.
        """
        shard = connection.shard(self._shards)
        left_ms = None
        if not await self._valkey.hexists(CONNECTIONS, connection.id):
            left_ms = await self._send(shard, Opened(replace(connection, again=True)))
        if message is not None:
            left_ms = await self._send(shard, Said(connection, message))
        if left_ms is None:
            left_ms = await self._valkey.pttl(RELAY_LEASE.format(shard=shard))
        return await self._served_or_called(shard, left_ms)

    async def closed(self, connection_id: str) -> None:
        """Forgets a connection; nothing happens if it is not known."""
        shard = Connection(connection_id, "", datetime.now(UTC)).shard(self._shards)
        await self._valkey.hdel(CONNECTIONS, connection_id)
        await self._send(shard, Closed(connection_id))

    async def of_shard(self, shard: int) -> list[Connection]:
        """The connections that the relay of the shard serves."""
        records = await self._valkey.hgetall(CONNECTIONS)
        connections = [connection_of(str(id_), str(record)) for id_, record in records.items()]
        return [one for one in connections if one.shard(self._shards) == shard]

    async def unserved(self) -> list[int]:
        """The shards that have connections and no living relay."""
        ids = await self._valkey.hkeys(CONNECTIONS)
        shards = sorted({crc32(str(id_).encode()) % self._shards for id_ in ids})
        leases = [RELAY_LEASE.format(shard=shard) for shard in shards]
        left_ms = [await self._valkey.pttl(lease) for lease in leases]
        return [n for n, left in zip(shards, left_ms, strict=True) if not renewed_lately(left)]

    async def mail(self, shard: int, most: int) -> list[Letter]:
        """What there is to hear, oldest first; it stays there until the relay takes it out."""
        letters = await self._valkey.lrange(RELAY_MAIL.format(shard=shard), 0, most - 1)
        return [_opened(str(letter)) for letter in letters]

    async def _send(self, shard: int, letter: Letter) -> int:
        """Puts it into the shard's mail, and registers who is new; what is left of the lease."""
        mail = RELAY_MAIL.format(shard=shard)
        pipeline = self._valkey.pipeline(transaction=False)
        if isinstance(letter, Opened):
            # What the relay has written meanwhile of one that was forgotten is worth more.
            pipeline.hsetnx(CONNECTIONS, letter.connection.id, record_of(letter.connection))
        pipeline.rpush(mail, sealed(letter))
        pipeline.expire(mail, MAIL_SECONDS)
        pipeline.publish(RELAY_CALL.format(shard=shard), "mail")
        # Asked last: a relay that leaves gives up its lease first and then looks for newcomers.
        pipeline.pttl(RELAY_LEASE.format(shard=shard))
        *_, lease_left_ms = await pipeline.execute()
        return int(lease_left_ms)

    async def _served_or_called(self, shard: int, lease_left_ms: int) -> bool:
        """False for one alone of many that come while no relay serves: it is to start one."""
        if renewed_lately(lease_left_ms):
            return True
        called = RELAY_CALLED.format(shard=shard)
        return not await self._valkey.set(called, "", nx=True, px=CALLED_MS)


def record_of(connection: Connection) -> str:
    """The connection, without its id, as the hash has it."""
    return json.dumps(_record(connection))


def connection_of(id_: str, record: str) -> Connection:
    """The connection in a field of the hash."""
    return _connection(id_, json.loads(record))


def _record(connection: Connection) -> dict[str, object]:
    wishes = connection.wishes
    return {
        "account": connection.account,
        "openedMs": int(connection.opened_at.timestamp() * 1000),
        **({} if wishes.feed else {"feed": False}),
        **({"orders": sorted(wishes.orders)} if wishes.orders else {}),
        **({"muted": sorted(wishes.muted)} if wishes.muted else {}),
        **({"again": True} if connection.again else {}),
    }


def _connection(id_: str, content: Mapping[str, Any]) -> Connection:
    return Connection(
        id_,
        content["account"],
        datetime.fromtimestamp(content["openedMs"] / 1000, UTC),
        Wishes(
            content.get("feed", True),
            frozenset(content.get("orders", ())),
            frozenset(content.get("muted", ())),
        ),
        content.get("again", False),
    )


def sealed(letter: Letter) -> str:
    """The letter as it is in the mail."""
    content: dict[str, object]
    match letter:
        case Opened(connection):
            # As a relay of the release before reads it: `again` beside the record.
            again = connection.again
            content = {"id": connection.id, "opened": _record(connection), "again": again}
        case Closed(id_):
            content = {"id": id_}
        case Said(connection, message):
            content = {"id": connection.id, "of": _record(connection), "said": message}
    return json.dumps(content)


def _opened(letter: str) -> Letter:
    content = json.loads(letter)
    if "opened" in content:
        connection = _connection(content["id"], content["opened"])
        return Opened(replace(connection, again=content["again"]))
    if "said" in content:
        return Said(_connection(content["id"], content["of"]), content["said"])
    return Closed(content["id"])
