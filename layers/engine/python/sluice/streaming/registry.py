"""Which WebSocket connections are open, whose they are, and what they asked for: all in Valkey.

A hash has the state, and the mail of the shard that a connection belongs to has what becomes of it:
the relay of the shard reads the hash when it begins, and its mail from then on. What writes both is
`arrivals.py`.
"""

from zlib import crc32

from .letters import Connection, Letter, connection_of, opened
from .names import CONNECTIONS, RELAY_LEASE, RELAY_MAIL
from .renewal import renewed_lately
from .valkey import Valkey


class Registry:
    """As relays read it. Every method raises redis' RedisError when Valkey cannot be reached."""

    def __init__(self, valkey: Valkey, shards: int = 1) -> None:
        self._valkey = valkey
        self._shards = shards

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
        return [opened(str(letter)) for letter in letters]
