"""Accepted orders that nobody has told of since: what the sweeper looks for."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from redis.exceptions import RedisError

from sluice.errors import SecretUnavailable
from sluice.observability import logger
from sluice.orders.model import OrderTerms

from .accepted import remembered, unix_ms
from .names import ACCEPTED, WAITING
from .valkey import Reached, client_of

_GONE = (RedisError, OSError, SecretUnavailable)


class WaitingOrders:
    """Orders that were accepted and that nobody has told of since: what the sweeper looks for.

    Whoever publishes an order's first event takes it out. Nothing here raises: an order that was
    not looked at now is looked at by the next sweep.
    """

    def __init__(self, valkey: Reached) -> None:
        """Where nobody tells where Valkey is, none are found."""
        self._valkey = valkey

    async def due(self, now: datetime, limit: int) -> list[OrderTerms]:
        """At most `limit` orders that should be looked at by now, the longest due first."""
        try:
            valkey = client_of(self._valkey)
            ids = [
                str(id_)
                for id_ in await valkey.zrange(
                    WAITING, "-inf", unix_ms(now), byscore=True, offset=0, num=limit
                )
            ]
            # One by one: in a cluster their keys are anywhere.
            pipeline = valkey.pipeline(transaction=False)
            for id_ in ids:
                pipeline.get(ACCEPTED.format(order_id=id_))
            found = dict(zip(ids, await pipeline.execute() if ids else [], strict=True))
            orders = {
                id_: None if body is None else remembered(id_, body) for id_, body in found.items()
            }
            if forgotten := [id_ for id_, terms in orders.items() if terms is None]:
                await valkey.zrem(WAITING, *forgotten)
        except _GONE as error:
            logger.warning("waiting orders not readable", exc_info=error)
            return []
        return [terms for terms in orders.values() if terms is not None]

    async def later(self, terms: Sequence[OrderTerms], now: datetime) -> None:
        """Has each looked at again after twice the time since it was accepted.

        What was taken out meanwhile stays out.
        """
        if terms:
            again = {str(t.id): unix_ms(now + (now - t.accepted_at)) for t in terms}
            try:
                await client_of(self._valkey).zadd(WAITING, again, xx=True)
            except _GONE as error:
                logger.warning("waiting orders not postponed", exc_info=error)

    async def known(self, ids: Collection[UUID]) -> None:
        """Takes out orders that are in Postgres."""
        if ids:
            try:
                await client_of(self._valkey).zrem(WAITING, *map(str, ids))
            except _GONE as error:
                logger.warning("waiting orders not taken out", exc_info=error)
