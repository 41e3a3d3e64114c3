"""Who may call what: every route of the API is behind an account and a scope."""

import asyncio
import time
from collections.abc import Iterator
from itertools import chain

import pytest
from fastapi import FastAPI, Request
from starlette.routing import Route

from api.account import account_of
from api.app import create_app
from api.errors import ApiError
from api.services import Services
from sluice.access.caller import Scope
from sluice.errors import ErrorCode
from tests.http import Answer, call

READ, WRITE = "orders:read", "orders:write"
NEEDED = {
    ("POST", "/api/orders/execute"): WRITE,
    ("DELETE", "/api/orders/{id}"): WRITE,
    ("GET", "/api/orders"): READ,
    ("GET", "/api/orders/{id}"): READ,
    ("GET", "/api/orders/{id}/events"): READ,
    ("POST", "/api/quotes"): READ,
    ("GET", "/api/markets"): READ,
}
REFUSED = {"UNAUTHORIZED", "FORBIDDEN"}


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """The current loop, as the function's module makes it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


def nothing() -> Services:
    raise LookupError("who gets here was let in")


@pytest.fixture
def app() -> FastAPI:
    return create_app(nothing)


def ask(app: FastAPI, method: str, path: str, scopes: str, account: str | None = "alice") -> Answer:
    # Neither the id nor the body is good: who may not call is not told so.
    return call(app, method, path.replace("{id}", "no-id"), raw="{", account=account, scopes=scopes)


def test_every_route_of_the_api_needs_a_scope(app: FastAPI) -> None:
    routes = chain.from_iterable(
        [(method, route.path) for method in route.methods or ()]
        for route in app.routes
        if isinstance(route, Route) and route.path.startswith("/api")
    )
    assert set(routes) == set(NEEDED)


@pytest.mark.parametrize(("method", "path"), NEEDED)
def test_a_call_past_the_authorizer_is_refused(app: FastAPI, method: str, path: str) -> None:
    answer = ask(app, method, path, "", account=None)

    assert (answer.status, answer.body["code"]) == (401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), NEEDED)
def test_a_call_without_its_scope_is_refused(app: FastAPI, method: str, path: str) -> None:
    needed = NEEDED[method, path]
    other = READ if needed is WRITE else WRITE

    for scopes in ("", other):
        answer = ask(app, method, path, scopes)
        assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")
        assert f'scope="{needed}"' in answer.headers["www-authenticate"]
        assert needed in answer.body["message"]


@pytest.mark.parametrize(("method", "path"), NEEDED)
def test_a_call_with_its_scope_is_let_in(app: FastAPI, method: str, path: str) -> None:
    try:
        answer = ask(app, method, path, NEEDED[method, path])
    except LookupError:
        return
    assert answer.body["code"] not in REFUSED


def test_what_the_gateway_remembers_ends_with_its_token() -> None:
    def request(until: int) -> Request:
        told = {"account": "alice", "scopes": READ, "until": str(until)}
        event = {"requestContext": {"authorizer": {"lambda": told}}}
        return Request({"type": "http", "aws.event": event})

    now = int(time.time())
    assert account_of(request(now + 60), Scope.READ) == "alice"
    with pytest.raises(ApiError) as refused:
        account_of(request(now), Scope.READ)
    assert refused.value.code is ErrorCode.UNAUTHORIZED
