"""Which WebSocket connections are open, and whose: a hash in Valkey, with news of each change."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from .lease import renewed_lately
from .valkey import CONNECTIONS, CONNECTIONS_CHANGED, RELAY_LEASE, Valkey


@dataclass(frozen=True, slots=True)
class Connection:
    """An open WebSocket of an account."""

    id: str
    account: str
    opened_at: datetime


class Registry:
    """Every method raises redis' RedisError when Valkey cannot be reached."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey

    async def opened(self, connection: Connection) -> bool:
        """Registers a connection; whether a living relay is there to serve it."""
        record = _record(connection)
        pipeline = self._valkey.pipeline(transaction=False)
        pipeline.hset(CONNECTIONS, connection.id, record)
        pipeline.publish(CONNECTIONS_CHANGED, json.dumps({"id": connection.id, "opened": record}))
        # Asked last: a relay that leaves gives up its lease first and then looks for newcomers.
        pipeline.pttl(RELAY_LEASE)
        *_, lease_left_ms = await pipeline.execute()
        return renewed_lately(lease_left_ms)

    async def closed(self, connection_id: str) -> None:
        """Forgets a connection; nothing happens if it is not known."""
        pipeline = self._valkey.pipeline(transaction=False)
        pipeline.hdel(CONNECTIONS, connection_id)
        pipeline.publish(CONNECTIONS_CHANGED, json.dumps({"id": connection_id}))
        await pipeline.execute()

    async def all(self) -> list[Connection]:
        """Every connection there is."""
        records = await self._valkey.hgetall(CONNECTIONS)
        return [_connection(str(id_), str(record)) for id_, record in records.items()]


def changed(message: str) -> tuple[str, Connection | None]:
    """A message of `CONNECTIONS_CHANGED`: the id, and the connection if it was opened."""
    content = json.loads(message)
    record = content.get("opened")
    return content["id"], None if record is None else _connection(content["id"], record)


def _record(connection: Connection) -> str:
    opened_ms = int(connection.opened_at.timestamp() * 1000)
    return json.dumps({"account": connection.account, "openedMs": opened_ms})


def _connection(id_: str, record: str) -> Connection:
    content = json.loads(record)
    opened_at = datetime.fromtimestamp(content["openedMs"] / 1000, UTC)
    return Connection(id_, content["account"], opened_at)
