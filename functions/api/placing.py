"""Placing an order: let in, queued, remembered; Postgres is left alone."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from uuid import UUID

from fastapi import Request
from fastapi.responses import JSONResponse

from sluice.access.caller import Scope
from sluice.errors import ErrorCode, QueueUnavailable
from sluice.observability import logger
from sluice.orders.identity import keyed_order_id, new_order_id
from sluice.orders.model import OrderStatus, OrderTerms
from sluice.streaming.door import Seen

from . import keys, limits
from .account import account_of
from .answers import Success, View, answer
from .body import parsed
from .direct import Direct
from .documented import Documented
from .errors import ApiError
from .schemas import ExecuteOrder
from .services import Services


class AcceptedView(View):
    order_id: UUID
    status: OrderStatus


def install(app: Documented, services: Callable[[], Services]) -> None:
    """Adds the route; `services` gives the process's services when a request needs them."""

    async def execute(request: Request) -> JSONResponse:
        # First of all: strangers are not told what would be valid.
        account = account_of(request, Scope.WRITE)
        now = datetime.now(UTC)
        key = keys.key_of(request)
        # Of a request that is made again the time may have passed meanwhile, and Valkey may have
        # forgotten it: refused it would be taken for not placed. The worker tells, by Postgres.
        context = {"catalog": services().catalog, "now": now, "past": key is not None}
        order = await parsed(request, ExecuteOrder, context)
        order_id = new_order_id() if key is None else keyed_order_id(account, key)
        terms = order.terms(order_id, account, now)
        logger.append_keys(order_id=str(terms.id))
        # Blocking, all of it: an invocation serves one request, there is nothing to do meanwhile.
        headers = _placed(services(), terms, keyed=key is not None)
        accepted = AcceptedView(order_id=terms.id, status=OrderStatus.PENDING)
        message = "Order accepted: follow it by its id or over the WebSocket."
        return answer(
            Success(message=message, data=accepted),
            HTTPStatus.CREATED,
            {"Location": f"/api/orders/{terms.id}", **headers},
        )

    app.router.add_api_route(
        "/api/orders/execute",
        execute,
        methods=["POST"],
        route_class_override=Direct,
        **app.about("POST /api/orders/execute"),
    )


def _placed(services: Services, terms: OrderTerms, *, keyed: bool) -> dict[str, str]:
    """Places the order, unless it was placed before; the headers that say so.

    Raises `ApiError`.
    """
    door = services.door
    entry = door.keyed_order(terms) if keyed else door.order(terms)
    limits.require(entry.allowance)
    headers = limits.headers(entry.allowance)
    if entry.seen is Seen.OTHER:
        message = f"This {keys.HEADER} is that of another order: {terms.id}."
        raise ApiError(ErrorCode.IDEMPOTENCY_CONFLICT, message, headers=headers)
    if entry.seen is Seen.ACCEPTED:
        return headers | {"Idempotent-Replayed": "true"}
    # Queued before it is remembered: the other way round it could stay PENDING for ever. If it was
    # queued before, a second message of the same order does no harm.
    try:
        services.queue.send(terms)
    except QueueUnavailable as error:
        logger.error("queue unavailable", exc_info=error)
        if keyed and error.not_taken:
            door.give_back(terms)
        raise ApiError(
            ErrorCode.QUEUE_UNAVAILABLE, _advice(error, keyed), headers=headers
        ) from error
    services.accepted.remember(terms)
    return headers


def _advice(error: QueueUnavailable, keyed: bool) -> str:
    if error.not_taken or not keyed:
        return str(error)
    return (
        "The queue did not say whether it took the order. Send the same request again, under the "
        f"same {keys.HEADER}: it stays one order."
    )
