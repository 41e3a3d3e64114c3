"""What was accepted and may not be in Postgres yet: readable at once, and not to be lost."""

from datetime import datetime, timedelta
from uuid import UUID

from sluice.errors import ValkeyUnavailable
from sluice.observability import logger
from sluice.orders.message import MessageInvalid, decode, encode
from sluice.orders.model import OrderTerms

from .line import Line
from .names import ACCEPTED, WAITING
from .wire import LineError

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

        def lost(error: LineError) -> None:
            extra = {"order_id": order_id}
            logger.warning("accepted order not remembered", extra=extra, exc_info=error)

        self._line.tell(
            # Not over what stands there: of two requests under one key the first is the order.
            ("SET", key, encode(terms), "EX", kept_seconds(terms), "NX"),
            ("ZADD", WAITING, unix_ms(terms.accepted_at + UNCLAIMED_FOR), order_id),
            lost=lost,
        )

    def find(self, account: str, order_id: UUID) -> OrderTerms | None:
        """The account's order if it was accepted lately, or None.

        Raises `ValkeyUnavailable`.
        """
        try:
            (body,) = self._line.ask(("GET", ACCEPTED.format(order_id=order_id)))
        except LineError as error:
            raise ValkeyUnavailable(str(error)) from error
        terms = None if body is None else remembered(order_id, body)
        return terms if terms is not None and terms.account == account else None


def remembered(order_id: UUID | str, body: str | bytes) -> OrderTerms | None:
    """What was remembered of an order; None, and a line of log, if it cannot be read."""
    try:
        return decode(body)
    except MessageInvalid as error:
        extra = {"order_id": str(order_id)}
        logger.error("accepted order not readable", extra=extra, exc_info=error)
        return None


def unix_ms(at: datetime) -> int:
    """As the waiting orders are sorted by."""
    return int(at.timestamp() * 1000)
