"""Publishing status changes: news for whoever listens; whoever missed it reads Postgres."""

from collections.abc import Sequence
from typing import Protocol

from redis.exceptions import RedisError

from sluice.errors import SecretUnavailable
from sluice.observability import logger
from sluice.orders.model import OrderEvent

from .frames import order_frame
from .names import ORDER_EVENTS, WAITING
from .valkey import Reached, client_of


class Publisher(Protocol):
    """Tells the world of events that were committed."""

    async def publish(self, events: Sequence[OrderEvent]) -> None:
        """Never raises: the events are stored, so a failure to tell must not undo an order."""
        ...


# One command and one answer for a batch, where a pipeline has as many as there are events. The key
# is WAITING; the arguments: how many are published, their channels and frames, then order ids.
_TELL = """
local last = 1 + 2 * tonumber(ARGV[1])
for i = 2, last, 2 do redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end
if #ARGV > last then redis.call('ZREM', KEYS[1], unpack(ARGV, last + 1)) end
"""


class ValkeyPublisher:
    """`Publisher` over pub/sub, in one round trip.

    An order whose first event is published is in Postgres: nobody need look for it any more.
    """

    def __init__(self, valkey: Reached) -> None:
        """Whoever cannot be told where Valkey is, goes on."""
        self._valkey = valkey

    async def publish(self, events: Sequence[OrderEvent]) -> None:
        """As the port says; in the order given."""
        if not events:
            return
        told = [
            part
            for event in events
            for part in (ORDER_EVENTS.format(account=event.account), order_frame(event))
        ]
        stored = [str(event.order_id) for event in events if event.seq == 1]
        try:
            valkey = client_of(self._valkey)
            await valkey.eval(_TELL, 1, WAITING, str(len(events)), *told, *stored)
        except (RedisError, OSError, SecretUnavailable) as error:
            order_ids = sorted({str(event.order_id) for event in events})
            logger.warning("events not published", extra={"order_ids": order_ids}, exc_info=error)
