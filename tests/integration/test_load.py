"""The load tool against a server that is slow on purpose: whether it waits for answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from local.load.drive import send
from local.load.schedule import EXECUTE, Attack

pytestmark = pytest.mark.alone

RATE, ORDERS = 20.0, 10
SECONDS = ORDERS / RATE
PATIENT = 60.0
BRIEF = 0.2

Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post(EXECUTE, handler)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


def accepted(number: int) -> web.Response:
    return web.json_response({"data": {"orderId": f"order-{number}"}}, status=201)


async def test_orders_are_sent_when_they_are_due_though_none_is_answered(tmp_path: Path) -> None:
    """Each is answered once all are there: whoever waited for an answer would wait for ever."""
    keys: list[str] = []
    everybody = asyncio.Event()

    async def hold(request: web.Request) -> web.Response:
        keys.append(request.headers["Idempotency-Key"])
        assert request.headers["Authorization"] == "Bearer token"
        if len(keys) == ORDERS:
            everybody.set()
        await everybody.wait()
        return accepted(len(keys))

    async with serving(hold) as url:
        sent = await send(Attack(url, "token", RATE, SECONDS, ORDERS, PATIENT), tmp_path / "log")
    assert [each.number for each in sent] == list(range(ORDERS))
    assert all(each.accepted for each in sent)
    assert len(set(keys)) == ORDERS
    # The first waited until the last was due.
    assert sent[0].answered - sent[0].due >= sent[-1].due - sent[0].due


async def test_when_too_many_wait_for_too_long_nothing_more_is_sent(tmp_path: Path) -> None:
    at_once = 3

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(SECONDS + BRIEF)
        return accepted(1)

    async with serving(slow) as url:
        sent = await send(Attack(url, None, RATE, SECONDS, at_once, BRIEF), tmp_path / "log")
    assert 0 < len(sent) <= at_once


async def test_a_refusal_and_a_broken_answer_are_told_apart(tmp_path: Path) -> None:
    async def refuse(request: web.Request) -> web.Response:
        if (await request.json())["side"] == "BUY":
            return web.json_response({"code": "RATE_LIMITED"}, status=429)
        assert request.transport
        request.transport.close()
        return web.Response()

    async with serving(refuse) as url:
        sent = await send(Attack(url, None, RATE, 2 / RATE, patience=PATIENT), tmp_path / "log")
    assert sent[0].outcome == "429 RATE_LIMITED"
    assert sent[1].outcome.startswith("none, ")
