"""The reference: the same job written plainly in Node, in `reference/`, as one process."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

import aiohttp

from . import node
from .orders import body
from .peer import Answer, Peer, PeerFailed, peer
from .servers import Servers

SCRIPTS: Final = Path(__file__).resolve().parent / "reference"


class Reference:
    """A running one."""

    def __init__(self, node: Peer, url: str) -> None:
        self._node = node
        self._url = url

    def work(self, orders: int) -> Answer:
        """Takes that many orders through, all of them queued before: as `worker_process` says."""
        self._node.ask("fill", orders=orders)
        return self._node.ask("drain")

    def accept(self, orders: int, at_once: int) -> Answer:
        """Posts that many orders from this process, `at_once` in flight: as `api_process` says.

        Nobody works on them: `clear` throws them away.
        """
        before = self._node.ask("cpu")["cpuSeconds"]
        seconds = asyncio.run(_posted(f"{self._url}/api/orders/execute", orders, at_once))
        after = self._node.ask("cpu")["cpuSeconds"]
        return {"cpuSeconds": after - before, "p50Millis": median(seconds) * 1000}

    def clear(self) -> None:
        """Empties the queue."""
        self._node.ask("clear")


@contextmanager
def reference(servers: Servers) -> Iterator[Reference]:
    """A reference on `servers`; raises `NodeUnavailable`."""
    installed = node.install(SCRIPTS)
    environment = {
        "NODE_ENV": "production",
        "DATABASE_URL": servers.database,
        "VALKEY_URL": servers.valkey,
    }
    command, log = (node.program("node"), "main.mjs"), servers.home.log("reference")
    with peer(command, installed, environment, log) as process:
        try:
            url = process.hear()["url"]
        except PeerFailed as failed:
            raise node.NodeUnavailable(f"node: {failed}") from failed
        yield Reference(process, url)


async def _posted(url: str, orders: int, at_once: int) -> list[float]:
    """Seconds that each order took; raises for one that was not accepted."""
    numbers = iter(range(orders))
    seconds: list[float] = []

    async def post(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            began = time.perf_counter()
            async with session.post(url, json=body(number), raise_for_status=True) as response:
                await response.read()
            seconds.append(time.perf_counter() - began)

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(post(session))
    return seconds
