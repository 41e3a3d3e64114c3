"""Placing an order: validated, queued, remembered; Postgres is left alone."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from uuid_utils.compat import uuid7

from sluice.observability import logger
from sluice.orders.model import OrderStatus

from .account import account_of
from .body import parsed
from .documented import body_of, errors
from .schemas import ExecuteOrder
from .services import Services
from .views import AcceptedView, Success, answer


def router(services: Callable[[], Services]) -> APIRouter:
    """The route; `services` gives the process's services when a request needs them."""
    routes = APIRouter()

    @routes.post(
        "/api/orders/execute",
        status_code=HTTPStatus.CREATED,
        response_model=Success[AcceptedView],
        responses=errors(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
        openapi_extra=body_of(ExecuteOrder),
        summary="Place a market order",
    )
    async def execute(request: Request) -> JSONResponse:
        order = await parsed(request, ExecuteOrder, services().catalog)
        terms = order.terms(uuid7(), account_of(request, services()), datetime.now(UTC))
        logger.append_keys(order_id=str(terms.id))
        # Blocking: an invocation serves one request, there is nothing to do meanwhile. Queued
        # first: an order that was remembered but not queued would stay PENDING for ever.
        services().queue.send(terms)
        await services().accepted.remember(terms)
        accepted = AcceptedView(order_id=terms.id, status=OrderStatus.PENDING)
        message = "Order accepted: follow it by its id or over the WebSocket."
        return answer(
            Success(message=message, data=accepted),
            HTTPStatus.CREATED,
            {"Location": f"/api/orders/{terms.id}"},
        )

    return routes
