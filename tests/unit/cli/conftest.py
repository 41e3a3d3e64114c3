"""Servers on loopback in a thread of their own, for commands that bring a loop of their own."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from aiohttp.test_utils import TestServer

from cli.app import main
from local.market.rpc import application
from local.market.state import Market

from .stub import Stub

SECONDS = 20

Run = Callable[..., int]


@pytest.fixture(scope="session")
def loop() -> asyncio.AbstractEventLoop:
    """Turns in a thread, for as long as the tests run."""
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, daemon=True).start()
    return loop


@pytest.fixture(scope="session")
def rpc_url(loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """Where a simulated chain that stands still answers."""

    async def start() -> TestServer:
        market = Market(seed=1, slot=400_000_000, unix_time=int(time.time()))
        server = TestServer(application(market, trading=False))
        await server.start_server()
        return server

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(SECONDS)
    yield str(server.make_url("/"))
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(SECONDS)


@pytest.fixture
def stub(loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A service that the commands find by their environment."""
    stub = Stub()

    async def start() -> TestServer:
        # Not the real time that it gives its clients to leave: they may be dead on purpose.
        server = TestServer(stub.application())
        await server.start_server(shutdown_timeout=0.1)
        return server

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(SECONDS)
    stub.http = str(server.make_url("")).rstrip("/")
    stub.websocket = stub.http.replace("http", "ws", 1) + "/live"
    monkeypatch.setenv("SLUICE_URL", stub.http)
    monkeypatch.setenv("SLUICE_WEBSOCKET_URL", stub.websocket)
    monkeypatch.delenv("SLUICE_TOKEN", raising=False)
    yield stub
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(SECONDS)


@pytest.fixture
def no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the description of a stack would be, which none has been started."""
    for name in ("SLUICE_URL", "SLUICE_WEBSOCKET_URL", "SLUICE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    stack = tmp_path / "stack.json"
    monkeypatch.setattr("cli.service.STACK", stack)
    return stack


@pytest.fixture
def run() -> Run:
    """Runs the command; what it exits with."""

    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        return int(ended.value.code or 0)

    return run
