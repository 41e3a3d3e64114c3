"""Posting to connections over HTTP: what is tried again, what is told, what is given up."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sluice.credentials import Credentials
from sluice.orders.signing import posting_headers
from sluice.streaming.poster import ApiGatewayPoster, Posted, PostFailed

pytestmark = pytest.mark.integration


class Gateway:
    """Answers with these statuses, one after the other, and then with 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.throttled_until = 0.0
        self.closed: list[str] = []
        self.posted: list[tuple[str, str]] = []
        self.requests: list[web.Request] = []

    def throttled(self) -> bool:
        return time.monotonic() < self.throttled_until

    async def close(self, request: web.Request) -> web.Response:
        if self.throttled():
            return web.Response(status=429)
        self.closed.append(request.match_info["id"])
        return web.Response(status=204)

    async def take(self, request: web.Request) -> web.Response:
        if self.throttled():
            return web.Response(status=429, headers={"Retry-After": "1"})
        self.requests.append(request)
        self.posted.append((request.match_info["id"], await request.text()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def poster(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ApiGatewayPoster]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    app = web.Application()
    app.router.add_post("/live/@connections/{id}", gateway.take)
    app.router.add_delete("/live/@connections/{id}", gateway.close)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/live"
    poster = ApiGatewayPoster(url, "us-east-1", patience_seconds=5)
    yield poster
    await poster.close()
    await runner.cleanup()


async def test_what_is_signed_is_what_is_sent(gateway: Gateway, poster: ApiGatewayPoster) -> None:
    await poster.post("c/1=", "frame")

    (sent,) = gateway.requests
    signed = posting_headers(
        "POST",
        sent.headers["Host"],
        sent.raw_path,
        "us-east-1",
        b"frame",
        Credentials("test", "test", None),
        sent.headers["x-amz-date"],
    )
    assert sent.headers["authorization"] == signed["authorization"]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_fails_for_now_is_tried_again(
    gateway: Gateway, poster: ApiGatewayPoster, status: int
) -> None:
    gateway.statuses = [status, status]

    assert await poster.post("c/1=", "frame") is Posted.DELIVERED
    assert gateway.posted == [("c/1=", "frame")] * 3


async def test_what_goes_on_failing_is_given_up(gateway: Gateway, poster: ApiGatewayPoster) -> None:
    gateway.statuses = [500] * 1000

    with pytest.raises(PostFailed, match="HTTP 500"):
        await poster.post("c", "frame")
    assert len(gateway.posted) > 1


async def test_being_throttled_for_a_second_costs_no_connection(
    gateway: Gateway, poster: ApiGatewayPoster
) -> None:
    gateway.throttled_until = time.monotonic() + 1
    posted = await asyncio.gather(*(poster.post(f"c{number}", "frame") for number in range(100)))

    assert set(posted) == {Posted.DELIVERED}
    assert len(gateway.posted) == 100


async def test_a_connection_is_closed_though_that_is_throttled_at_first(
    gateway: Gateway, poster: ApiGatewayPoster
) -> None:
    gateway.throttled_until = time.monotonic() + 0.5
    await poster.disconnect("c")

    assert gateway.closed == ["c"]


async def test_a_connection_that_is_gone_is_told_at_once(
    gateway: Gateway, poster: ApiGatewayPoster
) -> None:
    gateway.statuses = [410]

    assert await poster.post("c", "frame") is Posted.GONE
    assert len(gateway.posted) == 1
