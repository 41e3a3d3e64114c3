"""What a relay had promised when it left, or was killed: the next one keeps it."""

import asyncio
import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest

from sluice.orders.model import OrderEvent
from sluice.orders.port import Page, Place
from sluice.streaming.commands import SUBSCRIPTIONS
from sluice.streaming.cursor import snapshot_at
from sluice.streaming.frames import Frame
from sluice.streaming.names import CONNECTIONS, RELAY_MAIL
from sluice.streaming.poster import Posted
from sluice.streaming.tasks import ended
from sluice.streaming.valkey import Valkey
from tests.fakes import FakeHistory, FakePoster

from .relaying import (
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

MAIL = RELAY_MAIL.format(shard=0)
LONG_AGO = timedelta(minutes=5)


class Reluctant(FakePoster):
    """Never gets frames of one type posted."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    async def post(self, connection_id: str, frame: Frame) -> Posted:
        if json.loads(frame)["type"] == self._kind:
            await asyncio.Event().wait()
        return await super().post(connection_id, frame)


def subscribe(order: list[OrderEvent], after_seq: int = 0) -> str:
    id_ = str(order[0].order_id)
    return json.dumps({"action": "subscribe", "orderId": id_, "afterSeq": after_seq})


def kinds(poster: FakePoster) -> list[str]:
    return [frame["type"] for frame in frames(poster, "a1")]


async def kill(client: Valkey, relay: asyncio.Task[str]) -> None:
    """Ends a relay as SIGKILL does: what it still writes when it is told to end is undone."""
    noted, registered = await client.get(SERVED), await client.hgetall(CONNECTIONS)
    await ended([relay])
    await client.set(SERVED, str(noted))
    await client.delete(LEASE, CONNECTIONS, MAIL)
    for id_, record in registered.items():
        await client.hset(CONNECTIONS, str(id_), str(record))


@pytest.mark.parametrize("killed", [False, True])
async def test_the_events_of_an_order_that_were_promised_come_from_the_next_relay(
    client: Valkey, valkey_server: str, *, killed: bool
) -> None:
    history, registry, one = FakeHistory(), Arriving(client), connection("a1")
    old = events()
    history.write(old, datetime.now(UTC) - LONG_AGO)
    await registry.opened(one)
    reluctant = Reluctant("order")
    async with running(valkey_server, history, reluctant, seconds=30 if killed else 4) as first:
        await leased(client)
        await registry.seen(one, '{"action": "unsubscribe"}')
        await registry.seen(one, subscribe(old, 1))
        await until(lambda: kinds(reluctant) == ["unsubscribed", "subscribed"])
        if killed:
            await kill(client, first)
        else:
            assert await first == "its time is over"

    poster = FakePoster()
    async with running(valkey_server, history, poster):
        await until(received(poster, "a1", 3))

        async def paid() -> bool:
            return bool(json.loads(str(await client.get(SERVED)))["owed"] == {})

        await until(paid)
    assert told(poster, "a1") == [2, 3, 4]


async def test_a_client_that_was_told_that_it_resumes_does_though_the_relay_was_killed(
    client: Valkey, valkey_server: str
) -> None:
    history, registry, one = FakeHistory(), Arriving(client), connection("a1")
    history.write(events(), datetime.now(UTC) - LONG_AGO)
    await registry.opened(one)
    reluctant = Reluctant("order")
    async with running(valkey_server, history, reluctant) as first:
        await leased(client)
        await registry.seen(one, '{"action": "subscribe", "after": "1"}')
        await until(lambda: kinds(reluctant) == ["subscribed"])
        await kill(client, first)

    poster = FakePoster()
    async with running(valkey_server, history, poster):
        await until(received(poster, "a1", 4))
    assert told(poster, "a1") == [1, 2, 3, 4]


class Slow(FakeHistory):
    """Does not say where it is as long as it is `stuck`."""

    stuck = False

    async def snapshot(self) -> str:
        if self.stuck:
            await asyncio.Event().wait()
        return await super().snapshot()


async def test_commands_that_a_relay_did_not_get_to_are_done_by_the_next_in_order(
    client: Valkey, valkey_server: str
) -> None:
    history, registry, one = Slow(), Arriving(client), connection("a1")
    old = events()
    history.write(old, datetime.now(UTC) - LONG_AGO)
    await registry.opened(one)
    async with running(valkey_server, history, FakePoster(), seconds=4) as first:
        await leased(client)
        history.stuck = True
        assert await registry.seen(one, '{"action": "subscribe", "after": "1"}')
        assert await registry.seen(one, '{"action": "unsubscribe"}')
        assert await first == "its time is over"
    assert await client.ttl(MAIL) > 0

    history.stuck, poster = False, FakePoster()
    async with running(valkey_server, history, poster):
        await until(lambda: {"subscribed", "unsubscribed"} <= set(kinds(poster)))
    answers = [kind for kind in kinds(poster) if kind != "order"]
    assert answers == ["subscribed", "unsubscribed"]


async def test_an_answer_that_could_not_be_posted_comes_from_the_next_relay(
    client: Valkey, valkey_server: str
) -> None:
    history, registry, one = FakeHistory(), Arriving(client), connection("a1")
    await registry.opened(one)
    async with running(valkey_server, history, Reluctant("subscribed"), seconds=3) as first:
        await leased(client)
        assert await registry.seen(one, '{"action": "subscribe"}')
        assert await first == "its time is over"

    poster = FakePoster()
    async with running(valkey_server, history, poster):
        await until(lambda: kinds(poster) == ["subscribed"])
    assert await client.llen(MAIL) == 0


async def test_whoever_comes_shortly_before_the_end_has_the_next_relay_called(
    client: Valkey, valkey_server: str
) -> None:
    called: list[float] = []
    registry = Arriving(client)

    async def call() -> bool:
        called.append(asyncio.get_running_loop().time())
        return len(called) > 1

    await registry.opened(connection("a0"))
    async with running(valkey_server, FakeHistory(), FakePoster(), 6, call_next=call) as relay:
        await leased(client)
        await registry.closed("a0")
        await asyncio.sleep(4.5)
        assert called == []
        assert await registry.opened(connection("a1"))
        assert await relay == "its time is over"
    # The first call was of no use.
    assert len(called) == 2


async def test_a_relay_that_found_nobody_does_not_keep_the_next_from_being_called(
    client: Valkey, valkey_server: str
) -> None:
    registry = Arriving(client)
    assert not await registry.opened(connection("a0"))
    await registry.closed("a0")
    async with running(valkey_server, FakeHistory(), FakePoster()) as relay:
        assert await relay == "nobody listens"

    assert not await registry.opened(connection("a1"))


class Held(FakeHistory):
    """A transaction is left open for ever; knows since when its followers read."""

    def __init__(self) -> None:
        super().__init__()
        self.since: list[str] = []
        self._oldest = self.next_xid

    async def snapshot(self) -> str:
        return f"{self._oldest}:{self.next_xid}:{self._oldest}"

    async def followed(
        self,
        since: str,
        until: str,
        accounts: Collection[str],
        behind: Place | None,
        limit: int,
    ) -> Page:
        self.since.append(since)
        end = snapshot_at(int(until.split(":")[1]))
        return await super().followed(since, end, accounts, behind, limit)


async def test_the_next_relay_goes_on_at_the_snapshot_though_a_transaction_is_left_open(
    client: Valkey, valkey_server: str
) -> None:
    history, poster = Held(), FakePoster()
    history.next_xid += 1
    await Arriving(client).opened(connection("a1"))
    async with running(valkey_server, history, poster, seconds=4) as first:
        await happen(client, history, events())
        await until(received(poster, "a1", 4))
        assert await first == "its time is over"
    noted = json.loads(str(await client.get(SERVED)))
    history.since.clear()
    async with running(valkey_server, history, poster):
        await until(lambda: bool(history.since))

    assert history.since[0] == noted["snapshot"] == await history.snapshot()
    assert int(noted["cursor"], 16) < history.next_xid - 1


@pytest.mark.parametrize("killed", [False, True])
async def test_of_an_order_that_alone_is_followed_the_end_comes_from_the_next_relay(
    client: Valkey, valkey_server: str, *, killed: bool
) -> None:
    history, registry, one = FakeHistory(), Arriving(client), connection("a1")
    order = events()
    history.write(order[:2])
    await registry.opened(one)
    poster = FakePoster()
    async with running(valkey_server, history, poster, seconds=4) as first:
        await leased(client)
        await registry.seen(one, json.dumps({"action": "unsubscribe"}))
        await registry.seen(one, subscribe(order, 2))
        await until(lambda: kinds(poster)[-2:] == ["unsubscribed", "subscribed"])
        poster.hanging.add("a1")
        await happen(client, history, order[2:])
        await happen(client, history, events())
        noted = await client.get(SERVED)

        async def behind() -> bool:
            served = await client.get(SERVED)
            return served != noted and "a1" in json.loads(str(served))["behind"]

        await until(behind)
        if killed:
            await kill(client, first)
        else:
            assert await first == "its time is over"
    poster = FakePoster()
    last = (str(order[0].order_id), 4)
    async with running(valkey_server, history, poster):
        await until(lambda: last in keys(poster, "a1"))

    assert {order_id for order_id, _ in keys(poster, "a1")} == {last[0]}
    assert keys(poster, "a1")[-2:] == [(last[0], 3), last]


async def test_an_order_that_is_over_takes_no_place_of_those_that_are_followed(
    client: Valkey, valkey_server: str
) -> None:
    history, poster, registry, one = FakeHistory(), FakePoster(), Arriving(client), connection("a1")
    orders = [events() for _ in range(SUBSCRIPTIONS + 1)]
    for order in orders:
        history.write(order, datetime.now(UTC) - LONG_AGO)
    await registry.opened(one)
    async with running(valkey_server, history, poster):
        await leased(client)
        for order in orders:
            await registry.seen(one, subscribe(order, len(order)))
        await until(received(poster, "a1", len(orders)))
    assert set(kinds(poster)) == {"subscribed"}
    assert keys(poster, "a1") == []
