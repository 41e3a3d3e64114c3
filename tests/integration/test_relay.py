"""The relay against a real Valkey."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from sluice.orders.model import OrderEvent, OrderStatus
from sluice.streaming.publish import ValkeyPublisher
from sluice.streaming.registry import Connection, Registry
from sluice.streaming.relay import Relay
from sluice.streaming.valkey import RELAY_ENDS, RELAY_LEASE, RELAY_SERVED, Valkey, connect
from tests.builders import buy, seqs
from tests.fakes import FakeHistory, FakePoster

pytestmark = pytest.mark.integration

LIFE_SECONDS = 30


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
    """Returns as soon as `true` says so; fails after 5 seconds."""
    for _ in range(500):
        answer = true()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def leased(client: Valkey) -> None:
    async def held() -> bool:
        return bool(await client.exists(RELAY_LEASE))

    await until(held)


def received(poster: FakePoster, connection_id: str, count: int) -> Callable[[], bool]:
    """Whether the connection has got so many frames."""
    return lambda: len(poster.sent[connection_id]) == count


@pytest.fixture
def poster() -> FakePoster:
    return FakePoster()


@pytest.fixture
def history() -> FakeHistory:
    return FakeHistory()


@asynccontextmanager
async def running(
    url: str,
    history: FakeHistory,
    poster: FakePoster,
    seconds: float = LIFE_SECONDS,
    idle_seconds: float = LIFE_SECONDS,
    queue_limit: int = 10_000,
) -> AsyncIterator[asyncio.Task[str]]:
    client = connect(url)
    listener = connect(url, retries=0)
    relay = Relay(client, listener, history, poster, idle_seconds, queue_limit)
    task = asyncio.create_task(relay.run(seconds))
    yield task
    task.cancel()
    await asyncio.wait([task])
    await client.aclose()
    await listener.aclose()


def told(poster: FakePoster, connection_id: str) -> list[int]:
    return [json.loads(frame)["seq"] for frame in poster.sent[connection_id]]


def keys(poster: FakePoster, connection_id: str) -> list[tuple[str, int]]:
    frames = map(json.loads, poster.sent[connection_id])
    return [(frame["orderId"], frame["seq"]) for frame in frames]


async def test_each_connection_gets_the_events_of_its_account_in_order(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    registry = Registry(client)
    await registry.opened(connection("a1"))
    await registry.opened(connection("b1", "bob"))
    async with running(valkey_server, history, poster):
        await leased(client)
        assert await registry.opened(connection("a2"))
        await ValkeyPublisher(client).publish(events() + events(2, "bob"))
        await until(received(poster, "a2", 4))

    assert told(poster, "a1") == told(poster, "a2") == [1, 2, 3, 4]
    assert told(poster, "b1") == [1, 2]


async def test_what_was_written_before_the_relay_listened_is_read_from_history_once(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    order = events()
    await Registry(client).opened(connection("a1"))
    history.written = [(datetime.now(UTC), event) for event in order[:2]]
    async with running(valkey_server, history, poster):
        await until(received(poster, "a1", 2))
        # The second one's publish was still under way when history was read.
        await ValkeyPublisher(client).publish(order[1:])
        await until(received(poster, "a1", 4))

    assert told(poster, "a1") == seqs(order)


async def test_history_from_before_a_connection_or_already_served_is_not_repeated(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    now = datetime.now(UTC)
    old, missed = events(1), events(2)
    registry = Registry(client)
    await registry.opened(connection("long", age=timedelta(minutes=10)))
    await registry.opened(connection("new"))
    await client.set(RELAY_SERVED, int((now - timedelta(minutes=1)).timestamp() * 1000))
    history.written = [(now - timedelta(minutes=5), e) for e in old]
    history.written += [(now - timedelta(seconds=30), e) for e in missed]
    async with running(valkey_server, history, poster):
        await until(received(poster, "long", 2))

    assert [json.loads(f)["orderId"] for f in poster.sent["long"]] == [str(missed[0].order_id)] * 2
    assert poster.sent["new"] == []


async def test_a_second_relay_leaves_while_the_first_serves(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    async with running(valkey_server, history, poster, seconds=600):
        await leased(client)
        async with asyncio.timeout(2), running(valkey_server, history, poster) as second:
            assert await second == "another relay serves"


async def test_the_next_relay_takes_over_without_losing_or_repeating_an_event(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    registry, publisher = Registry(client), ValkeyPublisher(client)
    await registry.opened(connection("a1", age=timedelta(minutes=1)))
    sent: list[OrderEvent] = []

    async def publish_until(task: asyncio.Task[str]) -> None:
        while not task.done():
            order = events()
            sent.extend(order)
            history.written += [(datetime.now(UTC), event) for event in order]
            await publisher.publish(order)
            await asyncio.sleep(0.02)

    async with running(valkey_server, history, poster, seconds=2) as first:
        await leased(client)
        async with running(valkey_server, history, poster):
            await publish_until(first)
            order = events()
            sent.extend(order)
            await publisher.publish(order)
            last = (str(order[-1].order_id), 4)
            await until(lambda: keys(poster, "a1")[-1] == last)
        assert first.result() == "its time is over"

    unique = list(dict.fromkeys(keys(poster, "a1")))
    assert unique == [(str(e.order_id), e.seq) for e in sent]


async def test_a_connection_that_is_not_open_yet_is_tried_again(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    poster.opening["a1"] = 2
    await Registry(client).opened(connection("a1"))
    async with running(valkey_server, history, poster):
        await leased(client)
        await ValkeyPublisher(client).publish(events())
        await until(received(poster, "a1", 4))


@pytest.mark.parametrize("how", ["gone", "failing"])
async def test_a_connection_that_is_gone_or_cannot_be_served_is_forgotten(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster, how: str
) -> None:
    getattr(poster, how).add("a1")
    registry = Registry(client)
    await registry.opened(connection("a1", age=timedelta(minutes=1)))
    await registry.opened(connection("a2"))
    async with running(valkey_server, history, poster):
        await leased(client)
        await ValkeyPublisher(client).publish(events())
        await until(received(poster, "a2", 4))

        async def forgotten() -> bool:
            return [c.id for c in await registry.all()] == ["a2"]

        await until(forgotten)

    assert poster.disconnected == ([] if how == "gone" else ["a1"])


async def test_a_connection_that_never_reads_delays_nobody_and_is_cut_off_in_the_end(
    client: Valkey,
    valkey_server: str,
    history: FakeHistory,
    poster: FakePoster,
) -> None:
    poster.hanging.add("a1")
    registry = Registry(client)
    await registry.opened(connection("a1"))
    await registry.opened(connection("a2"))
    async with running(valkey_server, history, poster, queue_limit=5):
        await leased(client)
        for expected in (4, 8, 12):
            await ValkeyPublisher(client).publish(events())
            await until(received(poster, "a2", expected))
        await until(lambda: poster.disconnected == ["a1"])

    assert [c.id for c in await registry.all()] == ["a2"]


async def test_a_relay_with_nobody_to_serve_leaves(
    client: Valkey,
    valkey_server: str,
    history: FakeHistory,
    poster: FakePoster,
) -> None:
    registry = Registry(client)
    await registry.opened(connection("a1"))
    async with running(valkey_server, history, poster, idle_seconds=0.3) as task:
        await leased(client)
        await registry.closed("a1")
        async with asyncio.timeout(5):
            assert await task == "nobody listens"

    assert not await client.exists(RELAY_LEASE)


async def test_the_first_connection_hears_that_no_relay_serves(client: Valkey) -> None:
    assert not await Registry(client).opened(connection("a1"))


async def test_a_relay_that_died_is_missed_by_the_next_connection_and_replaced(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    await client.set(RELAY_LEASE, "of a dead relay", px=2000)
    await client.set(RELAY_ENDS, int((time.time() + 600) * 1000))

    assert not await Registry(client).opened(connection("a1"))
    order = events()
    history.written = [(datetime.now(UTC), event) for event in order]
    async with running(valkey_server, history, poster):
        await until(received(poster, "a1", 4))


async def test_what_was_published_while_the_subscription_was_broken_is_read_from_history(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    order = events()
    publisher = ValkeyPublisher(client)
    await Registry(client).opened(connection("a1"))
    async with running(valkey_server, history, poster):
        await leased(client)
        await publisher.publish(order[:1])
        await until(received(poster, "a1", 1))
        history.written = [(datetime.now(UTC), event) for event in order[:2]]
        await client.client_kill_filter(_type="pubsub")

        async def told_again() -> bool:
            return told(poster, "a1")[-1:] == [2]

        await until(told_again)
        await publisher.publish(order[2:])
        await until(lambda: told(poster, "a1")[-1:] == [4])

    assert list(dict.fromkeys(told(poster, "a1"))) == [1, 2, 3, 4]


async def test_a_relay_that_could_not_give_its_lease_back_waits_for_it_and_serves_on(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    await Registry(client).opened(connection("a1"))
    async with running(valkey_server, history, poster, seconds=600):
        await leased(client)
        await client.set(RELAY_LEASE, "our own of a moment ago", px=3600)
        await client.client_kill_filter(_type="pubsub")

        async def had_again() -> bool:
            return await client.get(RELAY_LEASE) not in (None, "our own of a moment ago")

        await until(had_again)
        await ValkeyPublisher(client).publish(events())
        await until(received(poster, "a1", 4))


async def test_a_relay_whose_lease_vanished_takes_it_again_and_serves_on(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    await Registry(client).opened(connection("a1"))
    async with running(valkey_server, history, poster):
        await leased(client)
        await client.delete(RELAY_LEASE)
        await leased(client)
        await ValkeyPublisher(client).publish(events())
        await until(received(poster, "a1", 4))


async def test_publishing_to_a_valkey_that_is_gone_does_not_raise() -> None:
    lost = connect("redis://127.0.0.1:1/0")

    await ValkeyPublisher(lost).publish(events())
    await lost.aclose()
