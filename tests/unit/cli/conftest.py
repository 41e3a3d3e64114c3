"""A simulated chain on loopback that stands still, for commands that bring a loop of their own."""

import asyncio
import time
from collections.abc import Iterator
from threading import Thread

import pytest
from aiohttp.test_utils import TestServer

from local.market.rpc import application
from local.market.state import Market

SECONDS = 20


@pytest.fixture(scope="session")
def rpc_url() -> Iterator[str]:
    """Where the chain answers; the commands run outside of its thread."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> TestServer:
        market = Market(seed=1, slot=400_000_000, unix_time=int(time.time()))
        server = TestServer(application(market, trading=False))
        await server.start_server()
        return server

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(SECONDS)
    yield str(server.make_url("/"))
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(SECONDS)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(SECONDS)
    loop.close()
