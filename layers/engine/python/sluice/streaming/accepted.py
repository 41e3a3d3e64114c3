"""What was accepted and may not be in Postgres yet, so that it is readable at once."""

from uuid import UUID

from redis.exceptions import RedisError

from sluice.observability import logger
from sluice.orders.message import MessageInvalid, decode, encode
from sluice.orders.model import OrderTerms

from .valkey import ACCEPTED, Valkey

KEPT_SECONDS = 3600
"""Much longer than an order waits for a worker, unless workers are down."""


class AcceptedOrders:
    """A cache, not a store: an order that it forgot still is in the queue."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey

    async def remember(self, terms: OrderTerms) -> None:
        """Never raises: the order is queued already, and the client must be told so."""
        try:
            await self._valkey.set(
                ACCEPTED.format(order_id=terms.id), encode(terms), ex=KEPT_SECONDS
            )
        except (RedisError, OSError) as error:
            logger.warning("accepted order not remembered", exc_info=error)

    async def find(self, account: str, order_id: UUID) -> OrderTerms | None:
        """The account's order if it was accepted lately, or None, also when Valkey is down."""
        try:
            body = await self._valkey.get(ACCEPTED.format(order_id=order_id))
            terms = None if body is None else decode(body)
        except (RedisError, OSError, MessageInvalid) as error:
            logger.warning("accepted orders not readable", exc_info=error)
            return None
        return terms if terms is not None and terms.account == account else None
