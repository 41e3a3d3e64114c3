"""The relay's lease: one serves at a time, and one that died is missed within seconds."""

from redis.asyncio.lock import Lock

from .valkey import RELAY_LEASE, Valkey

LEASE_SECONDS = 5.0
TICK_SECONDS = 1.0
"""How often the lease is renewed and progress noted."""
MISSED_SECONDS = 2.5
"""A lease that was not renewed for so long belongs to a relay that is dead, or about to be."""


def lease_of(valkey: Valkey) -> Lock:
    """A contender's hold on the lease: a token of its own in Valkey, gone when not renewed."""
    return Lock(valkey, RELAY_LEASE, timeout=LEASE_SECONDS, thread_local=False)


def renewed_lately(left_ms: int) -> bool:
    """Whether a lease with so much time to live (PTTL; negative: none) is being renewed."""
    return left_ms > (LEASE_SECONDS - MISSED_SECONDS) * 1000


async def healthy(valkey: Valkey) -> bool:
    """Whether whoever holds the lease is alive."""
    return renewed_lately(await valkey.pttl(RELAY_LEASE))
