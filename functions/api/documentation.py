"""What OpenAPI is told of each route; only an application that is `documenting` imports this."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query
from fastapi.params import Depends
from pydantic import BaseModel

from . import keys
from .answers import Success
from .health import HealthView
from .placing import AcceptedView
from .schemas import ExecuteOrder, QuoteRequest
from .system import ServiceView
from .views import ErrorView, MarketsView, OrdersView, OrderView, RouteView, TimelineView
from .wishes import OrdersQuery

Headers = Mapping[str, dict[str, Any]]
Responses = dict[int | str, dict[str, Any]]


def _seconds(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "integer", "minimum": 0}}


_LOCATION: Headers = {"Location": {"description": "The order", "schema": {"type": "string"}}}
_REPLAYED: Headers = {
    "Idempotent-Replayed": {
        "description": "The order of this key was accepted before",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
_RATE_LIMIT: Headers = {
    "RateLimit-Limit": _seconds("How many requests an account may make at once"),
    "RateLimit-Remaining": _seconds("How many of them it may make right now"),
    "RateLimit-Reset": _seconds("Seconds until it may make all of them again"),
}
_CHALLENGE: Headers = {
    "WWW-Authenticate": {"description": "What is missing", "schema": {"type": "string"}}
}
_RETRY_AFTER: Headers = {"Retry-After": _seconds("Seconds")}
# Python has called it two names so far.
_NAMED: Mapping[HTTPStatus, dict[str, Any]] = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: {"description": "Content Too Large"}
}
_TRIED_AGAIN = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def _body_of(model: type[BaseModel]) -> dict[str, Any]:
    """A route's body that is parsed by `json_object`, number by number, not by FastAPI."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def _errors(*statuses: HTTPStatus, headers: Headers | None = None) -> Responses:
    """The errors that a route of an account answers with; `headers` are on each of `statuses`."""
    refused: Responses = {
        int(status): {"model": ErrorView, "headers": dict(_CHALLENGE)}
        for status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    }
    return refused | {
        int(status): {
            "model": ErrorView,
            **_NAMED.get(status, {}),
            "headers": {**(headers or {}), **(_RETRY_AFTER if status in _TRIED_AGAIN else {})},
        }
        for status in statuses
    }


def _with_headers(status: HTTPStatus, headers: Headers) -> Responses:
    """The headers of the answer that is no error."""
    return {int(status): {"headers": dict(headers)}}


async def _asks_for_one(order_id: Annotated[UUID, Path(alias="id")]) -> None:
    """What `order_id_of` reads."""


async def _asks_for_some(query: Annotated[OrdersQuery, Query()]) -> None:
    """What `query_of` reads."""


ROUTES: Mapping[str, Mapping[str, Any]] = {
    "POST /api/orders/execute": {
        "summary": "Place a market order",
        "status_code": HTTPStatus.CREATED,
        "response_model": Success[AcceptedView],
        "responses": {
            **_with_headers(HTTPStatus.CREATED, {**_LOCATION, **_REPLAYED, **_RATE_LIMIT}),
            **_errors(
                HTTPStatus.BAD_REQUEST,
                HTTPStatus.CONFLICT,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                HTTPStatus.TOO_MANY_REQUESTS,
                HTTPStatus.SERVICE_UNAVAILABLE,
                headers=_RATE_LIMIT,
            ),
        },
        "openapi_extra": _body_of(ExecuteOrder) | {"parameters": [keys.PARAMETER]},
    },
    "GET /api/orders": {
        "summary": "Orders, newest first",
        "dependencies": [Depends(_asks_for_some)],
        "response_model": Success[OrdersView],
        "responses": _errors(HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE),
    },
    "GET /api/orders/{id}": {
        "summary": "One order with its fills",
        "dependencies": [Depends(_asks_for_one)],
        "response_model": Success[OrderView],
        "responses": _errors(
            HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE
        ),
    },
    "GET /api/orders/{id}/events": {
        "summary": "The order's timeline, and every venue's quote",
        "dependencies": [Depends(_asks_for_one)],
        "response_model": Success[TimelineView],
        "responses": _errors(
            HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE
        ),
    },
    "DELETE /api/orders/{id}": {
        "summary": "Cancel an order that no worker has claimed",
        "dependencies": [Depends(_asks_for_one)],
        "response_model": Success[OrderView],
        "responses": _errors(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.CONFLICT,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    },
    "POST /api/quotes": {
        "summary": "Every pool's quote and the best route, nothing stored",
        "response_model": Success[RouteView],
        "responses": {
            **_with_headers(HTTPStatus.OK, _RATE_LIMIT),
            **_errors(
                HTTPStatus.BAD_REQUEST,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                HTTPStatus.TOO_MANY_REQUESTS,
                headers=_RATE_LIMIT,
            ),
        },
        "openapi_extra": _body_of(QuoteRequest),
    },
    "GET /api/markets": {
        "summary": "Tokens, pairs and pools",
        "response_model": Success[MarketsView],
        "responses": _errors(),
    },
    "GET /": {"summary": "Alive", "response_model": Success[ServiceView]},
    "GET /health": {
        "summary": "Ready: queue, Postgres, Valkey and RPC, each with its latency",
        "response_model": Success[HealthView],
        "responses": {503: {"model": Success[HealthView]}},
    },
}
"""The options of each route by its method and path, for OpenAPI alone."""
