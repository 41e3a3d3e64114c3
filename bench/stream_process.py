"""A relay in a process of its own, or a bare HTTP client in its place."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import aiohttp
from tenacity import AsyncRetrying, stop_after_delay, wait_fixed

from sluice.orders.database import Database
from sluice.orders.model import OrderEvent, OrderStatus
from sluice.orders.store import PostgresStore
from sluice.streaming.arrivals import Arrivals
from sluice.streaming.frames import Frame, order_frame, with_cursor
from sluice.streaming.history import OneAtATime
from sluice.streaming.letters import Connection
from sluice.streaming.line import Line
from sluice.streaming.poster import CONNECTIONS, ApiGatewayPoster, Posted
from sluice.streaming.publish import ValkeyPublisher
from sluice.streaming.registry import Registry
from sluice.streaming.relay import Relay
from sluice.streaming.valkey import connect
from stream.relay import late

from .peer import Answer, serve
from .stream_sink import HANGING

ACCOUNT = "bench"
REGION = "us-east-1"
LIFE_SECONDS = 60
POLL = 0.01
PACE = 0.1
WARM_EVENTS = 5


class CountingPoster(ApiGatewayPoster):
    """Knows when so many frames were posted, and when each was."""

    def __init__(self, endpoint: str, region: str, wanted: int) -> None:
        super().__init__(endpoint, region)
        self._left = wanted
        self.done = asyncio.Event()
        self.posted: list[tuple[str, float]] = []

    async def post(self, connection_id: str, frame: Frame) -> Posted:
        posted = await super().post(connection_id, frame)
        self.posted.append((frame, time.perf_counter()))
        self._left -= 1
        if not self._left:
            self.done.set()
        return posted


def relay(clients: int, events: int, endpoint: str, database: str, valkey: str) -> Answer:
    """Publishes that many events and posts each to that many clients, through the relay."""
    return asyncio.run(_relay(clients, events, endpoint, database, valkey))


def bare(clients: int, events: int, endpoint: str) -> Answer:
    """Posts the same bytes as often to the same addresses, by aiohttp alone."""
    return asyncio.run(_bare(clients, events, endpoint))


def beside(
    clients: int, events: int, endpoint: str, database: str, valkey: str, *, hanging: bool
) -> Answer:
    """Publishes events at a steady pace; how long each was on its way, and to how many it came.

    With one client more, where one is `hanging`, that never answers: its posts are not counted.
    """
    return asyncio.run(_beside(clients, events, endpoint, database, valkey, hanging))


async def _relay(clients: int, events: int, endpoint: str, database: str, valkey: str) -> Answer:
    poster = CountingPoster(endpoint, REGION, clients * events)
    async with _serving(_ids(clients), poster, database, valkey) as publisher:
        told = _events(events)
        cpu, began = time.process_time(), time.perf_counter()
        await publisher.publish(told)
        await poster.done.wait()
        return _taken(cpu, began)


async def _beside(
    clients: int, events: int, endpoint: str, database: str, valkey: str, hanging: bool
) -> Answer:
    poster = CountingPoster(endpoint, REGION, clients * events)
    ids = [*([HANGING] if hanging else []), *_ids(clients)]
    published = {}
    async with _serving(ids, poster, database, valkey) as publisher:
        for event in _events(events):
            published[str(event.order_id)] = time.perf_counter()
            await publisher.publish([event])
            await asyncio.sleep(PACE)
        await poster.done.wait()
    # With the first ones each client's connection to the sink was set up.
    warm = poster.posted[WARM_EVENTS * clients :]
    took = sorted(at - published[json.loads(frame)["orderId"]] for frame, at in warm)
    return {"p99": took[len(took) * 99 // 100] * 1000}


@asynccontextmanager
async def _serving(
    ids: Sequence[str], poster: CountingPoster, database_url: str, valkey_url: str
) -> AsyncIterator[ValkeyPublisher]:
    """A relay that serves these connections."""
    valkey, listener = connect(valkey_url), connect(valkey_url, retries=0)
    await valkey.flushall()
    registry, arrivals = Registry(valkey), Arrivals(Line(valkey_url))
    for id_ in ids:
        arrivals.opened(Connection(id_, ACCOUNT, datetime.now(UTC)))
    database = Database(database_url)
    history = OneAtATime(PostgresStore(database))
    relay = Relay(valkey, listener, history, poster, late=late)
    serving = asyncio.create_task(relay.run(LIFE_SECONDS))
    async for attempt in AsyncRetrying(stop=stop_after_delay(LIFE_SECONDS), wait=wait_fixed(POLL)):
        with attempt:
            if await registry.unserved():
                raise RuntimeError("no relay serves")
    yield ValkeyPublisher(valkey)
    serving.cancel()
    await asyncio.wait([serving])
    await asyncio.gather(database.close(), poster.close(), valkey.aclose(), listener.aclose())


async def _bare(clients: int, events: int, endpoint: str) -> Answer:
    frames = [with_cursor(order_frame(event), 0x3F2A).encode() for event in _events(events)]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:

        async def post(id_: str) -> None:
            url = f"{endpoint}/%40connections/{id_}"
            for frame in frames:
                async with session.post(url, data=frame) as response:
                    await response.read()

        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*map(post, _ids(clients)))
        return _taken(cpu, began)


def _ids(clients: int) -> list[str]:
    return [f"client{number:06}" for number in range(clients)]


def _events(count: int) -> list[OrderEvent]:
    now = datetime.now(UTC)
    return [OrderEvent(uuid4(), ACCOUNT, 1, OrderStatus.PENDING, now) for _ in range(count)]


def _taken(cpu: float, began: float) -> Answer:
    return {"seconds": time.perf_counter() - began, "cpuSeconds": time.process_time() - cpu}


if __name__ == "__main__":
    serve({"relay": relay, "bare": bare, "beside": beside})
