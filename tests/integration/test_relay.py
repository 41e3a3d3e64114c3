"""The relay against a real Valkey: who is served, by whom, and what becomes of missed events."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from sluice.orders.model import OrderEvent
from sluice.streaming import relay as relays
from sluice.streaming.letters import LONGEST, record_of
from sluice.streaming.names import CONNECTIONS
from sluice.streaming.publish import ValkeyPublisher
from sluice.streaming.valkey import Valkey, connect
from tests.builders import seqs
from tests.fakes import FakeHistory, FakePoster

from .relaying import (
    ENDS,
    LEASE,
    SERVED,
    Arriving,
    connection,
    events,
    frames,
    happen,
    keys,
    leased,
    received,
    running,
    told,
    until,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def poster() -> FakePoster:
    return FakePoster()


@pytest.fixture
def history() -> FakeHistory:
    return FakeHistory()


async def test_each_connection_gets_the_events_of_its_account_in_order(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    registry = Arriving(client)
    await registry.opened(connection("a1"))
    await registry.opened(connection("b1", "bob"))
    async with running(valkey_server, history, poster):
        await leased(client)
        assert await registry.opened(connection("a2"))
        await happen(client, history, events() + events(2, "bob"))
        await until(received(poster, "a2", 4))
        await until(received(poster, "b1", 2))

    assert told(poster, "a1") == told(poster, "a2") == [1, 2, 3, 4]
    assert told(poster, "b1") == [1, 2]


async def test_what_was_written_before_the_relay_listened_is_read_from_history_once(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    order = events()
    await Arriving(client).opened(connection("a1"))
    history.write(order[:2])
    async with running(valkey_server, history, poster):
        await until(received(poster, "a1", 2))
        history.write(order[2:])
        # The second one's publish was still under way when history was read.
        await ValkeyPublisher(client).publish(order[1:])
        await until(received(poster, "a1", 4))

    assert told(poster, "a1") == seqs(order)


async def test_history_from_before_a_connection_or_already_served_is_not_repeated(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    now = datetime.now(UTC)
    old, missed = events(1), events(2)
    registry = Arriving(client)
    await registry.opened(connection("long", age=timedelta(minutes=10)))
    await registry.opened(connection("new"))
    history.write(old, now - timedelta(minutes=5))
    await client.set(SERVED, json.dumps({"cursor": f"{history.next_xid:x}", "behind": {}}))
    history.write(missed, now - timedelta(seconds=30))
    async with running(valkey_server, history, poster):
        await until(received(poster, "long", 2))

    assert keys(poster, "long") == [(str(missed[0].order_id), 1), (str(missed[0].order_id), 2)]
    assert poster.sent["new"] == []


async def test_a_relay_that_knows_of_no_predecessor_reads_from_the_oldest_connection_on(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    now = datetime.now(UTC)
    history.write(events(), now - timedelta(minutes=20))
    missed = events()
    history.write(missed, now - timedelta(minutes=5))
    await Arriving(client).opened(connection("a1", age=timedelta(minutes=10)))
    async with running(valkey_server, history, poster):
        await until(received(poster, "a1", 4))

    assert keys(poster, "a1") == [(str(e.order_id), e.seq) for e in missed]


async def test_what_was_committed_and_never_published_is_told_all_the_same(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    await Arriving(client).opened(connection("a1"))
    async with running(valkey_server, history, poster):
        await happen(client, history, events(1))
        await until(received(poster, "a1", 1))
        history.write(events(2))
        await until(received(poster, "a1", 3))


async def test_an_event_that_is_heard_before_an_earlier_one_waits_for_that(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    order = events()
    await Arriving(client).opened(connection("a1"))
    async with running(valkey_server, history, poster):
        await leased(client)
        history.write(order)
        # Valkey was away when the first two were told of.
        await ValkeyPublisher(client).publish(order[2:])
        await until(received(poster, "a1", 4))

    assert told(poster, "a1") == [1, 2, 3, 4]


async def test_whoever_resumes_by_the_cursor_of_any_frame_misses_nothing(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    first, second, third = events(), events(), events()
    await Arriving(client).opened(connection("a1"))
    async with running(valkey_server, history, poster):
        for order in (first, second):
            await happen(client, history, order)
        await until(received(poster, "a1", 8))
        # Written before the last, and told only now: cursors must not have passed it.
        history.write(third[:2])
        fourth = events()
        await happen(client, history, fourth)
        await until(received(poster, "a1", 14))

    everything = [one for one in history.written if one.event.account == "alice"]
    for position, frame in enumerate(frames(poster, "a1")):
        cursor = int(frame["cursor"], 16)
        had = set(keys(poster, "a1")[: position + 1])
        had |= {(str(w.event.order_id), w.event.seq) for w in everything if w.xid >= cursor}
        assert had == {(str(w.event.order_id), w.event.seq) for w in everything}


async def test_a_second_relay_leaves_while_the_first_serves(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    await Arriving(client).opened(connection("a1"))
    async with running(valkey_server, history, poster, seconds=600):
        await leased(client)
        async with asyncio.timeout(2), running(valkey_server, history, poster) as second:
            assert await second == "another relay serves"


@pytest.mark.alone
async def test_the_next_relay_takes_over_without_losing_an_event_or_pausing_for_long(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    """The life is cut to 20 s; the relay itself calls the next one."""
    await Arriving(client).opened(connection("a1", age=timedelta(minutes=1)))
    sent: list[OrderEvent] = []
    slowest = 0.0

    async def go_on(task: asyncio.Task[str]) -> None:
        nonlocal slowest
        while not task.done():
            order = events()
            sent.extend(order)
            at = time.monotonic()
            await happen(client, history, order)
            await until(lambda: len(set(keys(poster, "a1"))) == len(sent))
            slowest = max(slowest, time.monotonic() - at)
            await asyncio.sleep(0.02)

    called = asyncio.Event()

    async def call() -> bool:
        called.set()
        return True

    async with running(valkey_server, history, poster, seconds=20, call_next=call) as first:
        calling = asyncio.create_task(go_on(first))
        await called.wait()
        async with running(valkey_server, history, poster):
            await calling
            assert first.result() == "its time is over"
            order = events()
            sent.extend(order)
            await happen(client, history, order)
            last = (str(order[-1].order_id), 4)
            await until(lambda: keys(poster, "a1")[-1] == last)

    assert list(dict.fromkeys(keys(poster, "a1"))) == [(str(e.order_id), e.seq) for e in sent]
    assert slowest < 1


async def test_a_relay_that_was_stalled_and_replaced_posts_nothing_more(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    now = 0.0
    await Arriving(client).opened(connection("a1"))
    stalled = FakePoster()
    async with running(valkey_server, history, stalled, clock=lambda: now) as first:
        await happen(client, history, events(1))
        await until(received(stalled, "a1", 1))
        await client.set(LEASE, "of another", px=60_000)
        now += 60
        await happen(client, history, events(3))
        async with asyncio.timeout(5):
            assert await first == "another relay serves"

    assert told(stalled, "a1") == [1]
    assert await client.get(LEASE) == "of another"


async def test_a_connection_that_is_not_open_yet_is_tried_again(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    poster.opening["a1"] = 2
    await Arriving(client).opened(connection("a1"))
    async with running(valkey_server, history, poster):
        await leased(client)
        await happen(client, history, events())
        await until(received(poster, "a1", 4))


@pytest.mark.parametrize("how", ["gone", "failing"])
async def test_a_connection_that_is_gone_or_cannot_be_served_is_forgotten(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster, how: str
) -> None:
    getattr(poster, how).add("a1")
    registry = Arriving(client)
    await registry.opened(connection("a1", age=timedelta(minutes=1)))
    await registry.opened(connection("a2"))
    async with running(valkey_server, history, poster):
        await leased(client)
        await happen(client, history, events())
        await until(received(poster, "a2", 4))

        async def forgotten() -> bool:
            return [c.id for c in await registry.of_shard(0)] == ["a2"]

        await until(forgotten)

    assert poster.disconnected == ([] if how == "gone" else ["a1"])


async def test_a_connection_older_than_any_can_be_is_ended_and_forgotten(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    registry = Arriving(client)
    await registry.opened(connection("a1", age=LONGEST))
    await registry.opened(connection("a2"))
    async with running(valkey_server, history, poster):

        async def forgotten() -> bool:
            return [c.id for c in await registry.of_shard(0)] == ["a2"]

        await until(forgotten)
        await until(lambda: poster.disconnected == ["a1"])


async def test_a_connection_that_does_not_read_delays_nobody_and_is_told_where_to_resume(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    poster.hanging.add("a1")
    registry = Arriving(client)
    await registry.opened(connection("a1"))
    await registry.opened(connection("a2"))
    async with running(valkey_server, history, poster, queue_limit=5):
        await leased(client)
        for expected in (4, 8, 12):
            await happen(client, history, events())
            await until(received(poster, "a2", expected))
        poster.hanging.clear()
        poster.reads["a1"].set()

        async def heard() -> bool:
            return any(frame["type"] == "resync" for frame in frames(poster, "a1"))

        await until(heard)

    (resync,) = [frame for frame in frames(poster, "a1") if frame["type"] == "resync"]
    had = {(str(w.event.order_id), w.event.seq) for w in history.written}
    before = keys(poster, "a1")[:1]
    missed = {
        (str(w.event.order_id), w.event.seq)
        for w in history.written
        if w.xid >= int(resync["cursor"], 16)
    }
    assert missed | set(before) == had


async def test_a_relay_with_nobody_to_serve_leaves(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    registry = Arriving(client)
    await registry.opened(connection("a1"))
    async with running(valkey_server, history, poster, idle_seconds=0.3) as task:
        await leased(client)
        await registry.closed("a1")
        async with asyncio.timeout(5):
            assert await task == "nobody listens"

    assert not await client.exists(LEASE)


async def test_a_client_that_came_after_the_last_look_of_a_relay_that_leaves_is_served(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    registry = Arriving(client)
    await registry.opened(connection("a1"))
    async with running(valkey_server, history, poster, idle_seconds=0.3):
        await leased(client)
        late = connection("a2")
        # It found the lease held, so it called nobody; what it wrote to the mail came too late.
        await client.hset(CONNECTIONS, late.id, record_of(late))
        await registry.closed("a1")
        history.write(events())
        await until(received(poster, "a2", 4))


async def test_of_many_that_come_while_no_relay_serves_one_is_to_start_it(client: Valkey) -> None:
    registry = Arriving(client)
    assert not await registry.opened(connection("a1"))
    assert await registry.opened(connection("a2"))
    assert await registry.seen(connection("a3"), "anything")


async def test_a_relay_that_died_is_missed_by_the_next_connection_and_replaced(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    await client.set(LEASE, "of a dead relay", px=2000)
    await client.set(ENDS, int((time.time() + 600) * 1000))

    assert not await Arriving(client).opened(connection("a1"))
    history.write(events())
    async with running(valkey_server, history, poster):
        await until(received(poster, "a1", 4))


async def test_what_was_published_while_the_subscription_was_broken_is_read_from_history(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    order = events()
    await Arriving(client).opened(connection("a1"))
    async with running(valkey_server, history, poster):
        await leased(client)
        await happen(client, history, order[:1])
        await until(received(poster, "a1", 1))
        history.write(order[1:2])
        await client.client_kill_filter(_type="pubsub")
        await until(lambda: told(poster, "a1")[-1:] == [2])
        await happen(client, history, order[2:])
        await until(lambda: told(poster, "a1")[-1:] == [4])

    assert told(poster, "a1") == [1, 2, 3, 4]


async def test_a_relay_that_lost_its_lease_to_one_that_died_waits_for_it_and_serves_on(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    await Arriving(client).opened(connection("a1"))
    async with running(valkey_server, history, poster):
        await leased(client)
        await client.set(LEASE, "of one that was killed", px=2000)
        await client.client_kill_filter(_type="pubsub")

        async def had_again() -> bool:
            return await client.get(LEASE) not in (None, "of one that was killed")

        await until(had_again)
        await happen(client, history, events())
        await until(lambda: told(poster, "a1")[-4:] == [1, 2, 3, 4])


async def test_valkey_forgets_everything_and_the_relay_registers_whom_it_serves(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    registry = Arriving(client)
    await registry.opened(connection("a1"))
    async with running(valkey_server, history, poster):
        await happen(client, history, events())
        await until(received(poster, "a1", 4))
        await client.flushall()
        history.write(events())
        await until(received(poster, "a1", 8))

        async def known() -> bool:
            return [c.id for c in await registry.of_shard(0)] == ["a1"]

        await until(known)
        assert await client.exists(LEASE)


async def test_a_forgotten_connection_that_says_something_is_sent_all_since_it_was_opened(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    registry = Arriving(client)
    await registry.opened(connection("other", "bob"))
    now = datetime.now(UTC)
    history.write(events(), now - timedelta(minutes=20))
    missed = events()
    history.write(missed, now - timedelta(minutes=5))
    async with running(valkey_server, history, poster):
        await leased(client)
        assert await registry.seen(connection("a1", age=timedelta(minutes=10)))
        await until(received(poster, "a1", 4))
        # A second time it is no news.
        assert await registry.seen(connection("a1", age=timedelta(minutes=10)))
        await happen(client, history, events(1))
        await until(received(poster, "a1", 5))

    assert keys(poster, "a1")[:4] == [(str(e.order_id), e.seq) for e in missed]
    assert await client.hexists(CONNECTIONS, "a1")


async def test_each_shard_serves_its_own_connections(
    client: Valkey, valkey_server: str, history: FakeHistory
) -> None:
    posters = [FakePoster(), FakePoster()]
    registry = Arriving(client, shards=2)
    connections = [connection(f"c{number}") for number in range(10)]
    for one in connections:
        await registry.opened(one)
    assert await registry.unserved() == [0, 1]
    async with (
        running(valkey_server, history, posters[0], shard=0, shards=2),
        running(valkey_server, history, posters[1], shard=1, shards=2),
    ):

        async def served() -> bool:
            return await registry.unserved() == []

        await until(served)
        await happen(client, history, events())
        for one in connections:
            await until(received(posters[one.shard(2)], one.id, 4))

    for shard, poster in enumerate(posters):
        mine = {one.id for one in connections if one.shard(2) == shard}
        assert mine
        assert {id_ for id_, sent in poster.sent.items() if sent} == mine


async def test_without_postgres_the_relay_waits_and_tells_everything_afterwards(
    client: Valkey,
    valkey_server: str,
    history: FakeHistory,
    poster: FakePoster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relays, "REREAD_SECONDS", 0.1)
    await Arriving(client).opened(connection("a1"))
    async with running(valkey_server, history, poster):
        await happen(client, history, events())
        await until(received(poster, "a1", 4))
        history.gone = True
        history.write(events())
        await asyncio.sleep(0.5)
        history.gone = False
        await until(received(poster, "a1", 8))


async def test_publishing_to_a_valkey_that_is_gone_does_not_raise() -> None:
    lost = connect("redis://127.0.0.1:1/0")

    await ValkeyPublisher(lost).publish(events())
    await lost.aclose()
