"""redis-py's client of Valkey, for whoever does several things at once.

To import it takes a tenth of a second of CPU: `line.py` does without.
"""

from collections.abc import Callable

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from .names import ANSWER_TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS

Valkey = Redis
ValkeyError = redis.RedisError

Reached = Valkey | Callable[[], Valkey]
"""A client, or what gives the process's own once somebody tells where Valkey is."""


def connect(url: str, retries: int = 1) -> "Valkey":
    """A client that connects on first use, and anew when its connection broke while frozen."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=ANSWER_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), retries),
    )


def client_of(valkey: Reached) -> Valkey:
    """The client; raises `SecretUnavailable` where nobody tells where Valkey is."""
    return valkey if isinstance(valkey, Valkey) else valkey()
