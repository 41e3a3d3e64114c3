"""The engine's market over a real RPC server that has every kind of bad day."""

import time
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import BaseTestServer, TestServer

from local.market.rpc import application
from local.market.state import Market as SimulatedMarket
from sluice.markets.accounts import SourceUnavailable
from sluice.markets.catalog import catalog
from sluice.markets.live import live_market, require_healthy, rpcs
from sluice.markets.snapshot import Snapshot
from sluice.routing.router import SOL, USDC, pair_of

pytestmark = pytest.mark.integration

PAIR = pair_of(SOL, USDC)
LISTED = [pool for pool in catalog("simulated").pools if pool.pair == PAIR]


class Server:
    """The simulated market, and what a caller of its RPC gets."""

    def __init__(self, server: BaseTestServer, market: SimulatedMarket) -> None:
        self.url = str(server.make_url("/"))
        self.market = market

    async def faults(self, **faults: int | list[str]) -> None:
        call = {"jsonrpc": "2.0", "id": 1, "method": "market_setFaults", "params": [faults]}
        async with aiohttp.ClientSession() as session, session.post(self.url, json=call) as answer:
            assert "result" in await answer.json()

    async def snapshot(self, urls: str = "", venue_timeout: float = 5.0) -> Snapshot:
        market = live_market(catalog("simulated"), lambda: urls or self.url, venue_timeout)
        return await market.snapshot([PAIR], budget=10)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    market = SimulatedMarket(seed=1, slot=1_000, unix_time=int(time.time()))
    async with TestServer(application(market, trading=False)) as server:
        yield Server(server, market)


async def test_on_a_good_day_every_listed_pool_of_every_venue_is_quoted(server: Server) -> None:
    snapshot = await server.snapshot()

    assert {pool.listed for pool in snapshot.live} == set(LISTED)
    assert len({pool.listed.venue for pool in snapshot.live}) == 6
    assert len({pool.slot for pool in snapshot.live}) == 1


async def test_a_pool_that_is_gone_is_left_out_with_its_reason_and_the_rest_go_on(
    server: Server,
) -> None:
    gone = LISTED[0].address
    await server.faults(drop=[gone])

    snapshot = await server.snapshot()

    assert [pool.listed.address for pool in snapshot.dead] == [gone]
    assert "no such account" in snapshot.dead[0].error
    assert len(snapshot.live) == len(LISTED) - 1


@pytest.mark.parametrize(
    ("faults", "venue_timeout", "error"),
    [
        ({"status": 429, "retryAfter": 7}, 5.0, "HTTP 429"),
        ({"status": 503}, 5.0, "HTTP 503"),
        ({"delayMs": 3000}, 0.2, "no answer within 0.2 s"),
    ],
)
async def test_when_the_only_rpc_fails_every_pool_says_why(
    server: Server, faults: dict[str, Any], venue_timeout: float, error: str
) -> None:
    await server.faults(**faults)

    snapshot = await server.snapshot(venue_timeout=venue_timeout)

    assert snapshot.live == ()
    assert {pool.error for pool in snapshot.dead} == {error}


async def test_a_second_rpc_takes_over(server: Server) -> None:
    for first in ("http://127.0.0.1:1", f"{server.url}nowhere"):
        snapshot = await server.snapshot(f"{first},{server.url}")
        assert len(snapshot.live) == len(LISTED)

    servers = rpcs(f"http://127.0.0.1:1 {server.url}")
    await require_healthy(servers)
    with pytest.raises(SourceUnavailable):
        await require_healthy(servers[:1])


async def test_an_rpc_whose_key_was_changed_is_asked_at_its_new_url_from_then_on(
    server: Server,
) -> None:
    told = f"{server.url}revoked"
    market = live_market(catalog("simulated"), lambda: told, 5.0)
    assert not (await market.snapshot([PAIR], budget=10)).live

    told = server.url

    assert len((await market.snapshot([PAIR], budget=10)).live) == len(LISTED)


async def test_an_rpc_that_falls_behind_is_not_believed_and_believed_again_when_it_is_back(
    server: Server,
) -> None:
    market = live_market(catalog("simulated"), lambda: server.url, 5.0, count().__next__)
    await market.snapshot([PAIR], budget=10)
    for _ in range(40):
        server.market.advance(int(time.time()))
    await market.snapshot([PAIR], budget=10)

    await server.faults(lagSlots=40)
    behind = await market.snapshot([PAIR], budget=10)
    await server.faults()
    back = await market.snapshot([PAIR], budget=10)

    assert {pool.error for pool in behind.dead} == {"the RPC lags 40 slots"}
    assert len(back.live) == len(LISTED)
