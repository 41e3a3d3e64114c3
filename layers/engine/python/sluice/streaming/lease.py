"""A relay's lease of its shard: one serves at a time, and one that died is missed within seconds.

The lease is a token in Valkey that nobody else has. Whatever a relay writes there it writes only
while its token stands there, and it posts nothing unless it knew so a moment ago: one that was
stalled, and replaced meanwhile, wakes up mute.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from enum import Enum
from typing import Final
from uuid import uuid4

from .letters import LONGEST_MS, Connection
from .names import CONNECTIONS_OF, RELAY_CALLED, RELAY_ENDS, RELAY_LEASE, RELAY_SERVED
from .renewal import LEASE_SECONDS, renewed_lately
from .valkey import Valkey

TICK_SECONDS: Final = 1.0
"""How often the lease is renewed and progress noted."""
SERVED_SECONDS: Final = 24 * 3600

_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], ARGV[3], 'PXAT', ARGV[3])
redis.call('DEL', KEYS[3])
return 1
"""
_RENEW = """
local holder = redis.call('GET', KEYS[1])
if not holder then return -1 end
if holder ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[4])
return 1
"""
_GUARDED = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call(ARGV[2], KEYS[2], unpack(ARGV, 3))
return 1
"""
_COUNT_IN = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #KEYS do
    redis.call('ZADD', KEYS[i], 'NX', ARGV[2 * i - 1], ARGV[2 * i])
    redis.call('PEXPIRE', KEYS[i], ARGV[2])
end
return 1
"""


class Held(Enum):
    """What became of a lease that was to be renewed."""

    STILL = 1
    TAKEN = 0
    VANISHED = -1
    """Valkey has forgotten it, and whatever else it knew."""


class Lease:
    """One contender's. But for `certain`, every method raises redis' RedisError."""

    def __init__(
        self, valkey: Valkey, shard: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._valkey = valkey
        self._keys = [key.format(shard=shard) for key in (RELAY_LEASE, RELAY_ENDS, RELAY_SERVED)]
        self._called = RELAY_CALLED.format(shard=shard)
        self._token = uuid4().hex
        self._now = now
        self._certain_until = 0.0
        self._renewed = asyncio.Event()

    async def take(self, ends_at: float) -> bool:
        """Has it, or has it still, unless another does; `ends_at` is when we leave (Unix time)."""
        lease, ends, _ = self._keys
        asked = self._now()
        # Once it has begun it was not merely called: when it has left another may be.
        taken = await self._valkey.eval(
            _TAKE, 3, lease, ends, self._called, self._token, _ms(LEASE_SECONDS), _ms(ends_at)
        )
        if taken:
            self._sure(asked)
        return bool(taken)

    async def renew(self, served: str) -> Held:
        """Keeps it, and notes how far everyone was served."""
        lease, _, noted = self._keys
        asked = self._now()
        answer = await self._valkey.eval(
            _RENEW, 2, lease, noted, self._token, _ms(LEASE_SECONDS), served, str(SERVED_SECONDS)
        )
        held = Held(int(answer))
        if held is Held.STILL:
            self._sure(asked)
        return held

    async def guarded(self, command: str, key: str, *arguments: str) -> bool:
        """Does a command with a key of the relays' if the lease is ours; whether it was."""
        answer = await self._valkey.eval(
            _GUARDED, 2, self._keys[0], key, self._token, command, *arguments
        )
        return bool(answer)

    async def count_in(self, connections: Collection[Connection]) -> bool:
        """Counts them among their accounts', as arrivals are, if the lease is ours; whether so."""
        accounts = [CONNECTIONS_OF.format(account=one.account) for one in connections]
        members = [text for one in connections for text in (str(one.opened_ms), one.id)]
        keys = [self._keys[0], *accounts]
        answer = await self._valkey.eval(
            _COUNT_IN, len(keys), *keys, self._token, str(LONGEST_MS), *members
        )
        return bool(answer)

    async def release(self) -> None:
        """Gives it up if it is ours."""
        self._certain_until = 0.0
        await self.guarded("DEL", self._keys[0])

    async def certain(self) -> None:
        """Returns when it is known to be ours: at once, or after it was renewed."""
        while self._now() >= self._certain_until:
            self._renewed.clear()
            await self._renewed.wait()

    async def served(self) -> str | None:
        """What was noted last, by whomever."""
        noted = await self._valkey.get(self._keys[2])
        return None if noted is None else str(noted)

    async def left(self) -> float | None:
        """Seconds until the relay that has it will leave; None if that is dead, or there is none.

        Less than nothing if it has not said when.
        """
        lease, ends, _ = self._keys
        if not renewed_lately(await self._valkey.pttl(lease)):
            return None
        return float(await self._valkey.get(ends) or 0) / 1000 - time.time()

    def _sure(self, asked: float) -> None:
        self._certain_until = asked + LEASE_SECONDS
        self._renewed.set()


def _ms(seconds: float) -> str:
    return str(int(seconds * 1000))
