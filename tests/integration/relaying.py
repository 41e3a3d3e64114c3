"""Relays for tests: against a real Valkey, with histories and posters that tests look into."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.orders.model import OrderEvent, OrderStatus
from sluice.streaming.publish import ValkeyPublisher
from sluice.streaming.registry import Connection
from sluice.streaming.relay import Relay
from sluice.streaming.valkey import RELAY_ENDS, RELAY_LEASE, RELAY_SERVED, Valkey, connect
from tests.builders import buy
from tests.fakes import FakeHistory, FakePoster

LIFE_SECONDS = 30
LEASE, ENDS, SERVED = (key.format(shard=0) for key in (RELAY_LEASE, RELAY_ENDS, RELAY_SERVED))


def events(count: int = 4, account: str = "alice") -> list[OrderEvent]:
    """The events of one order."""
    terms = buy(account=account)
    way = [OrderStatus.PENDING, OrderStatus.ROUTING, OrderStatus.SUBMITTED, OrderStatus.CONFIRMED]
    now = datetime.now(UTC)
    return [
        OrderEvent(terms.id, account, seq, status, now) for seq, status in enumerate(way[:count], 1)
    ]


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
    call_next: Callable[[], Awaitable[None]] | None = None,
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
    task.cancel()
    await asyncio.wait([task])
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
