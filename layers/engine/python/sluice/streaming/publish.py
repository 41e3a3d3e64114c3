"""Publishing status changes: news for whoever listens; whoever missed it reads Postgres."""

from collections.abc import Sequence
from typing import Protocol

from redis.exceptions import RedisError

from sluice.observability import logger
from sluice.orders.model import OrderEvent

from .frames import order_frame
from .valkey import ORDER_EVENTS, WAITING, Valkey


class Publisher(Protocol):
    """Tells the world of events that were committed."""

    async def publish(self, events: Sequence[OrderEvent]) -> None:
        """Never raises: the events are stored, so a failure to tell must not undo an order."""
        ...


class ValkeyPublisher:
    """`Publisher` over pub/sub: all events of a batch in one pipeline.

    An order whose first event is published is in Postgres: nobody need look for it any more.
    """

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey

    async def publish(self, events: Sequence[OrderEvent]) -> None:
        """As the port says; in the order given."""
        if not events:
            return
        pipeline = self._valkey.pipeline(transaction=False)
        for event in events:
            pipeline.publish(ORDER_EVENTS.format(account=event.account), order_frame(event))
        if stored := [str(event.order_id) for event in events if event.seq == 1]:
            pipeline.zrem(WAITING, *stored)
        try:
            await pipeline.execute()
        except (RedisError, OSError) as error:
            order_ids = sorted({str(event.order_id) for event in events})
            logger.warning("events not published", extra={"order_ids": order_ids}, exc_info=error)
