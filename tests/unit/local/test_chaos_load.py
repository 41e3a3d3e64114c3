"""The clients against an API that answers as each test has it: real HTTP, scripted answers."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tenacity import RetryCallState, Retrying
from uuid_utils.compat import uuid7

from local.chaos import exchange, load
from local.chaos.exchange import Again, Exchange, pause, retry_after
from local.chaos.load import Clients
from local.chaos.plan import Kind, Planned, plan

Respond = Callable[[web.Request, int], web.Response]
"""The answer to the n-th request, from 0."""


class Api:
    """Keeps what it was asked; answers what it is told to, or accepts."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str | None, Any]] = []
        self.orders: dict[str | None, UUID] = {}
        self.respond: Respond = lambda request, _: self.accepted(request)

    def accepted(self, request: web.Request) -> web.Response:
        """201, with the one order of the request's key."""
        key = request.headers.get("Idempotency-Key")
        order_id = self.orders.setdefault(key, uuid7())
        return web.json_response({"data": {"orderId": str(order_id)}}, status=201)

    async def handle(self, request: web.Request) -> web.Response:
        content = await request.json() if request.can_read_body else None
        key = request.headers.get("Idempotency-Key")
        self.requests.append((request.method, key, content))
        return self.respond(request, len(self.requests) - 1)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
async def server(api: Api) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.fixture
async def clients(server: str) -> AsyncIterator[Clients]:
    tally: Counter[str] = Counter()
    async with Exchange(server, tally) as exchange:
        yield Clients(exchange, tally)


def planned(kind: Kind) -> Planned:
    """The first order of its kind, whose second post follows at once."""
    order = next(order for order in plan(1000, 7) if order.kind is kind)
    return replace(order, later=0)


def error(status: int, code: str = "", **headers: str) -> web.Response:
    return web.json_response({"status": "error", "code": code}, status=status, headers=headers)


async def place(clients: Clients, kind: Kind) -> load.Posted:
    await clients.place_all([planned(kind)], seconds=0, at_most=10)
    (posted,) = clients.posted
    return posted


async def test_a_201_names_the_order(api: Api, clients: Clients) -> None:
    posted = await place(clients, Kind.PLAIN)

    assert posted.order_ids == list(api.orders.values())
    assert (posted.settled, posted.unexpected) == (True, [])
    assert clients.tally[load.ACCEPTED] == 1


@pytest.mark.parametrize(
    ("status", "counted"), [(500, exchange.SERVER_ERRORS), (429, exchange.THROTTLED)]
)
async def test_what_was_not_accepted_is_posted_again_under_the_same_key(
    api: Api, clients: Clients, status: int, counted: str
) -> None:
    api.respond = lambda request, n: error(status) if n == 0 else api.accepted(request)

    posted = await place(clients, Kind.PLAIN)

    first, second = api.requests
    assert first == second
    assert first[1] == posted.planned.key
    assert len(posted.order_ids) == clients.tally[counted] == 1


async def test_a_connection_that_breaks_off_is_posted_again_under_the_same_key(
    api: Api, clients: Clients
) -> None:
    def breaks_off(request: web.Request, n: int) -> web.Response:
        if n == 0 and request.transport is not None:
            request.transport.abort()
        return api.accepted(request)

    api.respond = breaks_off

    posted = await place(clients, Kind.PLAIN)

    assert api.requests[0] == api.requests[1]
    assert (len(posted.order_ids), clients.tally[exchange.BROKEN]) == (1, 1)


@pytest.mark.parametrize("text", ["<html>", "[]", "{}", '{"data": {"orderId": 7}}'])
async def test_a_201_that_names_no_order_is_no_201(api: Api, clients: Clients, text: str) -> None:
    api.respond = lambda request, n: (
        web.Response(status=201, text=text, content_type="application/json")
        if n == 0
        else api.accepted(request)
    )

    posted = await place(clients, Kind.PLAIN)

    assert (len(posted.order_ids), len(api.requests)) == (1, 2)


async def test_a_client_gives_up_at_last(api: Api, server: str) -> None:
    api.respond = lambda *_: error(503)

    tally: Counter[str] = Counter()
    async with Exchange(server, tally, patience=0) as exchange:
        posted = await place(Clients(exchange, tally), Kind.PLAIN)

    assert (posted.gave_up, posted.settled, posted.order_ids) == (True, False, [])


async def test_what_takes_too_long_is_left_unsettled(api: Api, clients: Clients) -> None:
    orders = [replace(planned(Kind.TWICE), later=60), planned(Kind.PLAIN)]

    await clients.place_all(orders, seconds=120, at_most=0.3)

    assert [len(one.order_ids) for one in clients.posted] == [1, 0]
    assert not any(one.settled or one.gave_up for one in clients.posted)


async def test_a_second_post_under_the_key_is_kept_beside_the_first(
    api: Api, clients: Clients
) -> None:
    posted = await place(clients, Kind.TWICE)

    assert api.requests[0] == api.requests[1]
    assert posted.order_ids == [posted.order_id] * 2


async def test_a_client_that_hangs_up_asks_again_under_its_key(api: Api, clients: Clients) -> None:
    posted = await place(clients, Kind.HASTY)

    assert {(method, key) for method, key, _ in api.requests} == {("POST", posted.planned.key)}
    assert set(posted.order_ids) == set(api.orders.values())


async def test_another_body_under_the_key_that_is_refused_is_as_it_should_be(
    api: Api, clients: Clients
) -> None:
    api.respond = lambda request, n: (
        api.accepted(request) if n == 0 else error(409, "IDEMPOTENCY_CONFLICT")
    )

    posted = await place(clients, Kind.CONTRADICTED)

    (_, key, body), (_, other_key, other_body) = api.requests
    assert key == other_key
    assert body != other_body
    assert (posted.unexpected, clients.tally[load.CONFLICTS]) == ([], 1)


async def test_another_body_that_was_taken_for_the_first_is_counted(
    api: Api, clients: Clients
) -> None:
    posted = await place(clients, Kind.CONTRADICTED)

    assert (len(set(posted.order_ids)), clients.tally[load.FORGOTTEN]) == (1, 1)


@pytest.mark.parametrize(
    ("status", "cancelled", "counted"),
    [(200, True, load.CANCELLED), (409, False, load.TOO_LATE), (404, False, load.TOO_EARLY)],
)
async def test_what_is_told_of_a_cancellation_is_kept(
    api: Api, clients: Clients, status: int, cancelled: bool, counted: str
) -> None:
    api.respond = lambda request, n: api.accepted(request) if n == 0 else error(status)

    posted = await place(clients, Kind.CANCELLED)

    assert [method for method, _, _ in api.requests] == ["POST", "DELETE"]
    assert (posted.cancelled, clients.tally[counted]) == (cancelled, 1)


async def test_an_order_that_expired_before_it_was_accepted_may_be_refused(
    api: Api, clients: Clients
) -> None:
    fault = {"code": "VALIDATION_FAILED", "details": [{"field": "expiresAt"}]}
    api.respond = lambda *_: web.json_response(fault, status=400)

    posted = await place(clients, Kind.EXPIRING)

    assert (clients.tally[load.EXPIRED], posted.unexpected) == (1, [])


@pytest.mark.parametrize("kind", list(Kind))
async def test_an_answer_that_nobody_expects_is_kept(
    api: Api, clients: Clients, kind: Kind
) -> None:
    api.respond = lambda *_: error(418)

    posted = await place(clients, kind)

    assert len(posted.unexpected) == clients.tally[load.UNEXPECTED] == 1
    assert posted.unexpected[0].startswith("418 ")


@pytest.mark.parametrize(("header", "seconds"), [("", 0), ("7", 7), ("Wed, 21 Oct", 0)])
def test_retry_after_is_read_in_seconds(header: str, seconds: float) -> None:
    assert retry_after(header) == seconds


@pytest.mark.parametrize("asked", [0.0, 30.0])
def test_a_client_waits_at_least_as_long_as_it_is_asked(asked: float) -> None:
    state = RetryCallState(Retrying(), None, (), {})
    state.set_exception((Again, Again(asked), None))

    assert asked <= pause(state) <= asked + exchange.BACKOFF.max
