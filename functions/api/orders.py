"""Reading orders over HTTP: each route parses, calls, and maps the result."""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from fastapi import Request
from fastapi.responses import JSONResponse

from sluice.orders.model import OrderTerms

from .account import Reader
from .answers import Success, answer
from .documented import Documented
from .errors import FieldFault, no_order, not_valid
from .parameters import order_id_of, query_of
from .services import Services


def install(app: Documented, services: Callable[[], Services]) -> None:
    """Adds the routes; `services` gives the process's services when a request needs them."""

    @app.get("/api/orders", **app.about("GET /api/orders"))
    async def orders(request: Request, account: Reader) -> JSONResponse:
        from .wishes import OrdersQuery

        query = query_of(request, OrdersQuery)
        before = None if query.cursor is None else _before(query.cursor)
        wish = query.wish(services().catalog)
        rows, total = await services().store.orders(account, wish, query.limit, before)
        last = rows[-1] if len(rows) == query.limit else None
        cursor = None if last is None else _cursor(last["accepted_at"], last["id"])
        page = services().presenter.orders(rows, cursor, total)
        return answer(Success(data=page))

    @app.get("/api/orders/{id}", **app.about("GET /api/orders/{id}"))
    async def order(request: Request, account: Reader) -> JSONResponse:
        order_id = order_id_of(request)
        row = await services().store.order(account, order_id)
        if row is not None:
            return answer(Success(data=services().presenter.order(row)))
        return answer(Success(data=services().presenter.accepted(_waiting(account, order_id))))

    @app.get("/api/orders/{id}/events", **app.about("GET /api/orders/{id}/events"))
    async def events(request: Request, account: Reader) -> JSONResponse:
        order_id = order_id_of(request)
        timeline = await services().store.timeline(account, order_id)
        if timeline is None:
            return answer(Success(data=services().presenter.waiting(_waiting(account, order_id))))
        return answer(Success(data=services().presenter.timeline(*timeline)))

    def _waiting(account: str, order_id: UUID) -> OrderTerms:
        terms = services().accepted.find(account, order_id)
        if terms is None:
            raise no_order(order_id)
        return terms


def _cursor(accepted_at: datetime, order_id: UUID) -> str:
    return base64.urlsafe_b64encode(f"{accepted_at.isoformat()} {order_id}".encode()).decode()


def _before(cursor: str) -> tuple[datetime, UUID]:
    try:
        accepted_at, order_id = base64.urlsafe_b64decode(cursor).decode().split(" ")
        return datetime.fromisoformat(accepted_at), UUID(order_id)
    except (ValueError, binascii.Error) as error:
        fault = FieldFault("cursor", "is not one that this API gave out")
        raise not_valid([fault]) from error
