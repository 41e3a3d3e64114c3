"""Relays for tests: against a real Valkey, with histories and posters that tests look into."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.orders.model import OrderEvent, OrderStatus
from sluice.streaming.arrivals import Arrivals
from sluice.streaming.letters import Connection
from sluice.streaming.line import Line
from sluice.streaming.names import RELAY_ENDS, RELAY_LEASE, RELAY_SERVED
from sluice.streaming.publish import ValkeyPublisher
from sluice.streaming.registry import Registry
from sluice.streaming.relay import Relay
from sluice.streaming.valkey import Valkey, connect
from tests.builders import buy
from tests.fakes import FakeHistory, FakePoster

LIFE_SECONDS = 30
LEAVING_SECONDS = 5
LEASE, ENDS, SERVED = (key.format(shard=0) for key in (RELAY_LEASE, RELAY_ENDS, RELAY_SERVED))


def events(count: int = 4, account: str = "alice") -> list[OrderEvent]:
    """The events of one order."""
    terms = buy(account=account)
    way = [OrderStatus.PENDING, OrderStatus.ROUTING, OrderStatus.SUBMITTED, OrderStatus.CONFIRMED]
    now = datetime.now(UTC)
    return [
        OrderEvent(terms.id, account, seq, status, now) for seq, status in enumerate(way[:count], 1)
    ]


class Arriving(Registry):
    """A registry into which clients come, as the connections function would let them in."""

    def __init__(self, client: Valkey, shards: int = 1, most: int = 0) -> None:
        super().__init__(client, shards)
        self._most = most
        at = client.connection_pool.connection_kwargs
        self._url = f"redis://{at['host']}:{at['port']}"

    async def opened(self, connection: Connection) -> bool:
        return await asyncio.to_thread(self._arrivals().opened, connection)

    async def seen(self, connection: Connection, message: str | None = None) -> bool:
        return await asyncio.to_thread(self._arrivals().seen, connection, message)

    async def closed(self, connection_id: str) -> None:
        await asyncio.to_thread(self._arrivals().closed, connection_id)

    def _arrivals(self) -> Arrivals:
        # Each in its thread, so each by a connection of its own.
        return Arrivals(Line(self._url), self._shards, self._most)


def connection(id_: str, account: str = "alice", age: timedelta = timedelta()) -> Connection:
    return Connection(id_, account, datetime.now(UTC) - age)


async def until(true: Callable[[], bool | Awaitable[bool]]) -> None:
    """Returns as soon as `true` says so; fails after 10 seconds."""
    for _ in range(1000):
        answer = true()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def leased(client: Valkey) -> None:
    """Returns once a relay has the lease, has begun, and has noted where."""

    async def held() -> bool:
        return int(await client.exists(LEASE, SERVED)) == len((LEASE, SERVED))

    await until(held)


def received(poster: FakePoster, connection_id: str, count: int) -> Callable[[], bool]:
    """Whether the connection has got so many frames."""
    return lambda: len(poster.sent[connection_id]) == count


@asynccontextmanager
async def running(
    url: str,
    history: FakeHistory,
    poster: FakePoster,
    seconds: float = LIFE_SECONDS,
    idle_seconds: float = LIFE_SECONDS,
    queue_limit: int = 10_000,
    shard: int = 0,
    shards: int = 1,
    call_next: Callable[[], Awaitable[bool]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    listening: str | None = None,
) -> AsyncIterator[asyncio.Task[str]]:
    """A relay in a task; it listens at `url`, too, unless at `listening`."""
    client = connect(url)
    listener = connect(listening or url, retries=0)
    options: dict[str, Any] = {} if call_next is None else {"call_next": call_next}
    relay = Relay(
        client,
        listener,
        history,
        poster,
        shard,
        shards,
        idle_seconds=idle_seconds,
        queue_limit=queue_limit,
        clock=clock,
        **options,
    )
    task = asyncio.create_task(relay.run(seconds))
    yield task
    while not task.done():
        # redis-py may swallow it, see `tasks.ended`; it has time to leave in order.
        task.cancel()
        await asyncio.wait([task], timeout=LEAVING_SECONDS)
    await client.aclose()
    await listener.aclose()


async def happen(client: Valkey, history: FakeHistory, events: list[OrderEvent]) -> None:
    """Events are committed, and then published."""
    history.write(events)
    await ValkeyPublisher(client).publish(events)


def frames(poster: FakePoster, connection_id: str) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in poster.sent[connection_id]]


def told(poster: FakePoster, connection_id: str) -> list[int]:
    return [frame["seq"] for frame in frames(poster, connection_id) if frame["type"] == "order"]


def keys(poster: FakePoster, connection_id: str) -> list[tuple[str, int]]:
    return [
        (frame["orderId"], frame["seq"])
        for frame in frames(poster, connection_id)
        if frame["type"] == "order"
    ]
