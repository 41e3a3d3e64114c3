"""The Valkey client of a process, and every key and channel there is."""

from typing import Any, Final

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

Valkey = Redis
ValkeyError = redis.RedisError

CONNECT_TIMEOUT_SECONDS = 0.5
ANSWER_TIMEOUT_SECONDS = 1.0
"""News and caches are worth little waiting: Postgres has the truth."""
OPTIONS: Final[dict[str, Any]] = {
    "decode_responses": True,
    "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
    "socket_timeout": ANSWER_TIMEOUT_SECONDS,
}
"""Of every connection."""

ACCEPTED = "sluice:accepted:{order_id}"
"""An accepted order, for a while; see `streaming/accepted.py`."""
RESERVED = "sluice:reserved:{{{account}}}:{order_id}"
"""What was asked for under an idempotency key, by the id of its order; see `streaming/door.py`."""
RATE = "sluice:rate:{{{account}}}"
"""When an account's tokens are all there again (Unix us); in one slot with its reservations."""
WAITING = "sluice:waiting"
"""Sorted set: accepted orders that nobody has told of, by when to look after them (Unix ms)."""
ORDER_EVENTS = "sluice:orders:{account}"
"""Channel: one message per status change, the very frame that clients get."""
CONNECTIONS = "sluice:{relay}:connections"
"""Hash: connection id -> whose it is, since when, and what it has asked for."""
RELAY_LEASE = "sluice:{{relay}}:{shard}:lease"
"""The token of the relay that serves the shard."""
RELAY_CALLED = "sluice:{{relay}}:{shard}:called"
"""There while a relay of the shard was started and may not have begun yet."""
RELAY_ENDS = "sluice:{{relay}}:{shard}:ends"
"""When the relay that holds the lease will leave (Unix ms)."""
RELAY_SERVED = "sluice:{{relay}}:{shard}:served"
"""The cursor up to which all connections of the shard were served, and those that are behind."""
RELAY_MAIL = "sluice:{{relay}}:{shard}:mail"
"""List: what the relay of the shard is to hear; see `streaming/registry.py`."""
RELAY_CALL = "sluice:{{relay}}:{shard}:call"
"""Channel: there is mail."""


def connect(url: str, retries: int = 1) -> "Valkey":
    """A client that connects on first use, and anew when its connection broke while frozen."""
    return Redis.from_url(url, **OPTIONS, retry=Retry(NoBackoff(), retries))
