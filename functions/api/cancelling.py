"""Cancelling an order that no worker has claimed."""

from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import Request
from fastapi.responses import JSONResponse

from sluice.errors import ErrorCode, ValkeyUnavailable
from sluice.observability import logger
from sluice.orders.model import OrderStatus

from .account import Writer
from .answers import Success, answer
from .documented import Documented
from .errors import ApiError, FieldFault, no_order
from .parameters import order_id_of
from .services import Services


def install(app: Documented, services: Callable[[], Services]) -> None:
    """Adds the route; `services` gives the process's services when a request needs them."""

    @app.delete("/api/orders/{id}", **app.about("DELETE /api/orders/{id}"))
    async def cancel(request: Request, account: Writer) -> JSONResponse:
        order_id = order_id_of(request)
        logger.append_keys(order_id=str(order_id))
        accepted, unasked = None, None
        try:
            accepted = services().accepted.find(account, order_id)
        except ValkeyUnavailable as error:
            # Postgres may well know the order.
            unasked = error
        found = await services().store.cancel(account, order_id, accepted, datetime.now(UTC))
        if found is None:
            raise unasked or no_order(order_id)
        row, events = found
        if row["status"] != OrderStatus.CANCELLED:
            message = f"The order cannot be cancelled any more: it is {row['status']}."
            fault = FieldFault("status", row["status"])
            raise ApiError(ErrorCode.ORDER_NOT_CANCELLABLE, message, (fault,))
        await services().publisher.publish(events)
        return answer(Success(data=services().presenter.order(row)))
