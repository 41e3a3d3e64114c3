"""Posting to connections over HTTP: what is tried again, what is told, what is given up."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sluice.streaming.poster import ATTEMPTS, ApiGatewayPoster, Posted, PostFailed

pytestmark = pytest.mark.integration


class Gateway:
    """Answers with these statuses, one after the other, and then with 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.posted: list[tuple[str, str]] = []

    async def take(self, request: web.Request) -> web.Response:
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
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    poster = ApiGatewayPoster(f"http://127.0.0.1:{runner.addresses[0][1]}/live", "us-east-1")
    yield poster
    await poster.close()
    await runner.cleanup()


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_fails_for_now_is_tried_again(
    gateway: Gateway, poster: ApiGatewayPoster, status: int
) -> None:
    gateway.statuses = [status, status]

    assert await poster.post("c/1=", "frame") is Posted.DELIVERED
    assert gateway.posted == [("c/1=", "frame")] * 3


async def test_what_goes_on_failing_is_given_up(gateway: Gateway, poster: ApiGatewayPoster) -> None:
    gateway.statuses = [500] * 100

    with pytest.raises(PostFailed, match="HTTP 500"):
        await poster.post("c", "frame")
    assert len(gateway.posted) == ATTEMPTS


async def test_a_connection_that_is_gone_is_told_at_once(
    gateway: Gateway, poster: ApiGatewayPoster
) -> None:
    gateway.statuses = [410]

    assert await poster.post("c", "frame") is Posted.GONE
    assert len(gateway.posted) == 1
