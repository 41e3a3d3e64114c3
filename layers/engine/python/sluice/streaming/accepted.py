"""What was accepted and may not be in Postgres yet: readable at once, and not to be lost."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from redis.exceptions import RedisError

from sluice.errors import ValkeyUnavailable
from sluice.observability import logger
from sluice.orders.message import MessageInvalid, decode, encode
from sluice.orders.model import OrderTerms

from .line import Line
from .valkey import ACCEPTED, WAITING, Valkey

KEPT = timedelta(days=1)
"""Much longer than an order waits for a worker, unless workers are down."""
UNCLAIMED_FOR = timedelta(seconds=180)
"""When an order that nobody claimed is first looked for: the queue may hand a message out twice."""


def kept_seconds(terms: OrderTerms) -> int:
    """For how long an order is remembered from its acceptance: past its own time, if it has one."""
    own = timedelta() if terms.expires_at is None else terms.expires_at - terms.accepted_at
    return int((KEPT + max(own, timedelta())).total_seconds())


class AcceptedOrders:
    """A cache, not a store: an order that it forgot still is in the queue."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def remember(self, terms: OrderTerms) -> None:
        """Never raises: the order is queued already, and the client must be told so."""
        key, order_id = ACCEPTED.format(order_id=terms.id), str(terms.id)

        def lost(error: RedisError) -> None:
            extra = {"order_id": order_id}
            logger.warning("accepted order not remembered", extra=extra, exc_info=error)

        self._line.tell(
            # Not over what stands there: of two requests under one key the first is the order.
            ("SET", key, encode(terms), "EX", kept_seconds(terms), "NX"),
            ("ZADD", WAITING, _unix_ms(terms.accepted_at + UNCLAIMED_FOR), order_id),
            lost=lost,
        )

    def find(self, account: str, order_id: UUID) -> OrderTerms | None:
        """The account's order if it was accepted lately, or None.

        Raises `ValkeyUnavailable`.
        """
        try:
            (body,) = self._line.ask(("GET", ACCEPTED.format(order_id=order_id)))
        except RedisError as error:
            raise ValkeyUnavailable(str(error)) from error
        terms = None if body is None else _decoded(order_id, body)
        return terms if terms is not None and terms.account == account else None


class WaitingOrders:
    """Orders that were accepted and that nobody has told of since: what the sweeper looks for.

    Whoever publishes an order's first event takes it out. Nothing here raises: an order that was
    not looked at now is looked at by the next sweep.
    """

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey

    async def due(self, now: datetime, limit: int) -> list[OrderTerms]:
        """At most `limit` orders that should be looked at by now, the longest due first."""
        try:
            ids = [
                str(id_)
                for id_ in await self._valkey.zrange(
                    WAITING, "-inf", _unix_ms(now), byscore=True, offset=0, num=limit
                )
            ]
            # One by one: in a cluster their keys are anywhere.
            pipeline = self._valkey.pipeline(transaction=False)
            for id_ in ids:
                pipeline.get(ACCEPTED.format(order_id=id_))
            found = dict(zip(ids, await pipeline.execute() if ids else [], strict=True))
            orders = {
                id_: None if body is None else _decoded(id_, body) for id_, body in found.items()
            }
            if forgotten := [id_ for id_, terms in orders.items() if terms is None]:
                await self._valkey.zrem(WAITING, *forgotten)
        except (RedisError, OSError) as error:
            logger.warning("waiting orders not readable", exc_info=error)
            return []
        return [terms for terms in orders.values() if terms is not None]

    async def later(self, terms: Sequence[OrderTerms], now: datetime) -> None:
        """Has each looked at again after twice the time since it was accepted.

        What was taken out meanwhile stays out.
        """
        if terms:
            again = {str(t.id): _unix_ms(now + (now - t.accepted_at)) for t in terms}
            try:
                await self._valkey.zadd(WAITING, again, xx=True)
            except (RedisError, OSError) as error:
                logger.warning("waiting orders not postponed", exc_info=error)

    async def known(self, ids: Collection[UUID]) -> None:
        """Takes out orders that are in Postgres."""
        if ids:
            try:
                await self._valkey.zrem(WAITING, *map(str, ids))
            except (RedisError, OSError) as error:
                logger.warning("waiting orders not taken out", exc_info=error)


def _decoded(order_id: UUID | str, body: str | bytes) -> OrderTerms | None:
    try:
        return decode(body)
    except MessageInvalid as error:
        extra = {"order_id": str(order_id)}
        logger.error("accepted order not readable", extra=extra, exc_info=error)
        return None


def _unix_ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
