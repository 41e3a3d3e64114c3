"""What clients say to the relay, over a real Valkey: subscriptions, resuming, and refusals."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from sluice.orders.message import encode
from sluice.orders.model import OrderEvent
from sluice.streaming.commands import SUBSCRIPTIONS
from sluice.streaming.frames import Frame
from sluice.streaming.letters import Connection
from sluice.streaming.names import ACCEPTED, CONNECTIONS
from sluice.streaming.poster import Posted
from sluice.streaming.valkey import Valkey
from tests.builders import buy
from tests.fakes import FakeHistory, FakePoster

from .relaying import (
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
    until,
)

pytestmark = pytest.mark.integration


class Client:
    """A connection of alice's at a relay that runs."""

    def __init__(self, valkey: Valkey, history: FakeHistory, poster: FakePoster) -> None:
        self.valkey = valkey
        self.history = history
        self.poster = poster
        self.registry = Arriving(valkey)
        self.connection: Connection = connection("a1", age=timedelta(minutes=1))

    async def say(self, action: str, **fields: object) -> None:
        await self.registry.seen(self.connection, json.dumps({"action": action, **fields}))

    async def got(self, count: int) -> list[dict[str, Any]]:
        """Its frames, once there are so many."""
        await until(received(self.poster, "a1", count))
        return frames(self.poster, "a1")

    async def answered(self, action: str, **fields: object) -> dict[str, Any]:
        """The frame that comes next when it says that."""
        before = len(self.poster.sent["a1"])
        await self.say(action, **fields)
        await until(lambda: len(self.poster.sent["a1"]) > before)
        return frames(self.poster, "a1")[before]

    async def happen(self, order: list[OrderEvent]) -> None:
        await happen(self.valkey, self.history, order)


class Halting(FakePoster):
    """Posts a frame of one type, keeps what stands in Valkey by then, and posts nothing more."""

    def __init__(self, kind: str, valkey: Valkey) -> None:
        super().__init__()
        self.halted: str | None = None
        self._kind = kind
        self._valkey = valkey

    async def post(self, connection_id: str, frame: Frame) -> Posted:
        posted = await super().post(connection_id, frame)
        if json.loads(frame)["type"] == self._kind:
            self.halted = str(await self._valkey.get(SERVED))
            self.hanging.add(connection_id)
        return posted


@pytest.fixture
async def alice(client: Valkey, valkey_server: str) -> AsyncIterator[Client]:
    history, poster = FakeHistory(), FakePoster()
    alice = Client(client, history, poster)
    await alice.registry.opened(alice.connection)
    async with running(valkey_server, history, poster):
        await leased(client)
        yield alice


def ids(order: list[OrderEvent]) -> list[tuple[str, int]]:
    return [(str(event.order_id), event.seq) for event in order]


async def test_subscribing_to_an_order_brings_what_was_missed_and_then_what_comes(
    alice: Client,
) -> None:
    order = events()
    alice.history.write(order[:2])
    await alice.got(2)
    id_ = str(order[0].order_id)

    assert await alice.answered("unsubscribe") == {"type": "unsubscribed"}
    assert await alice.answered("subscribe", orderId=id_, afterSeq=1) == {
        "type": "subscribed",
        "orderId": id_,
    }
    await alice.happen(events())
    await alice.happen(order[2:])
    await alice.got(7)

    assert keys(alice.poster, "a1") == ids(order[:2]) + ids(order[1:])


async def test_an_account_resumes_by_cursor_and_goes_on_live(alice: Client) -> None:
    missed, later = [events() for _ in range(3)], events()
    for order in missed:
        alice.history.write(order)
    await alice.got(12)
    cursor = f"{alice.history.next_xid - 2:x}"

    assert await alice.answered("subscribe", after=cursor) == {
        "type": "subscribed",
        "after": cursor,
    }
    await alice.happen(later)
    await alice.got(12 + 1 + 8 + 4)

    again = [key for order in missed[1:] for key in ids(order)]
    assert keys(alice.poster, "a1")[12:] == again + ids(later)


async def test_a_long_replay_comes_in_parts_while_events_go_on(
    client: Valkey, valkey_server: str
) -> None:
    history, poster = FakeHistory(), FakePoster()
    alice = Client(client, history, poster)
    old = [events() for _ in range(100)]
    for order in old:
        history.write(order, alice.connection.opened_at - timedelta(hours=1))
    await alice.registry.opened(alice.connection)
    sent = list(old)
    async with running(valkey_server, history, poster, queue_limit=10):
        await leased(client)
        await alice.say("subscribe", after="0")
        for _ in range(30):
            sent.append(events())
            await alice.happen(sent[-1])
        resumed = 0

        async def all_there() -> bool:
            """It comes back for what it is told that it has lost."""
            nonlocal resumed
            lost = [frame for frame in frames(poster, "a1") if frame["type"] == "resync"]
            if len(lost) > resumed:
                resumed = len(lost)
                await alice.say("subscribe", after=lost[-1]["cursor"])
            return len(set(keys(poster, "a1"))) == 4 * len(sent)

        await until(all_there)

    # What came before the answer may come once more, in its turn.
    kinds = [frame["type"] for frame in frames(poster, "a1")]
    behind = [
        (frame["orderId"], frame["seq"])
        for frame in frames(poster, "a1")[kinds.index("subscribed") :]
        if frame["type"] == "order"
    ]
    if "resync" not in kinds:
        assert list(dict.fromkeys(behind)) == [key for order in sent for key in ids(order)]


async def test_what_a_relay_had_still_to_replay_when_it_died_is_replayed_by_the_next(
    client: Valkey, valkey_server: str
) -> None:
    history, poster, noted = FakeHistory(), Halting("subscribed", client), None
    alice = Client(client, history, poster)
    missed = [events() for _ in range(3)]
    for order in missed:
        history.write(order, alice.connection.opened_at - timedelta(hours=1))
    await alice.registry.opened(alice.connection)
    async with running(valkey_server, history, poster):
        await leased(client)
        await alice.say("subscribe", after="0")
        await until(lambda: poster.halted is not None)
        noted = poster.halted

    # A relay that is killed then has noted that much and no more.
    assert noted is not None
    await client.set(SERVED, noted)
    after = FakePoster()
    async with running(valkey_server, history, after):
        await until(received(after, "a1", 12))
    assert keys(after, "a1") == [key for order in missed for key in ids(order)]


async def test_an_order_that_is_unsubscribed_from_is_silent_on_this_connection(
    alice: Client,
) -> None:
    silent, other = events(), events()
    id_ = str(silent[0].order_id)
    await alice.happen(silent[:1])
    await alice.got(1)

    assert await alice.answered("unsubscribe", orderId=id_) == {
        "type": "unsubscribed",
        "orderId": id_,
    }
    await alice.happen(silent[1:3] + other)
    await alice.got(6)
    assert keys(alice.poster, "a1")[1:] == ids(other)

    await alice.answered("subscribe", orderId=id_, afterSeq=3)
    await alice.happen(silent[3:])
    await alice.got(8)
    assert keys(alice.poster, "a1")[-1] == ids(silent)[-1]


async def test_whats_wished_for_outlives_the_relay(alice: Client, valkey_server: str) -> None:
    assert await alice.answered("unsubscribe") == {"type": "unsubscribed"}

    async def kept() -> bool:
        return '"feed": false' in str(await alice.valkey.hget(CONNECTIONS, "a1"))

    await until(kept)
    await alice.valkey.flushall()
    await until(kept)


async def test_the_account_feed_comes_back_by_subscribing_to_nothing_else(alice: Client) -> None:
    await alice.answered("unsubscribe")
    assert await alice.answered("subscribe") == {"type": "subscribed"}
    await alice.happen(events(1))
    await alice.got(3)


@pytest.mark.parametrize("whose", ["bob", "nobody"])
async def test_anothers_or_no_order_is_not_found(alice: Client, whose: str) -> None:
    order = events(account="bob")
    if whose == "bob":
        alice.history.write(order)
        body = encode(buy(order[0].order_id, account="bob"))
        await alice.valkey.set(ACCEPTED.format(order_id=order[0].order_id), body)

    answer = await alice.answered("subscribe", orderId=str(order[0].order_id))
    assert (answer["type"], answer["code"]) == ("error", "NOT_FOUND")

    await alice.happen(order if whose == "nobody" else events(account="bob"))
    await alice.happen(events(1))
    assert [frame["type"] for frame in await alice.got(2)] == ["error", "order"]


async def test_what_is_refused_leaves_the_wishes_as_they_were(alice: Client) -> None:
    order = events()
    id_ = str(order[0].order_id)
    await alice.answered("unsubscribe", orderId=id_)
    answer = await alice.answered("subscribe", orderId=id_)
    assert answer["code"] == "NOT_FOUND"

    # Of the order that it left out nothing comes, though it asked for it in vain.
    await alice.happen(order)
    other = events(1)
    await alice.happen(other)
    assert (await alice.got(3))[2]["orderId"] == str(other[0].order_id)


async def test_an_order_that_waits_in_the_queue_can_be_subscribed_to(alice: Client) -> None:
    terms = buy()
    await alice.valkey.set(ACCEPTED.format(order_id=terms.id), encode(terms))

    answer = await alice.answered("subscribe", orderId=str(terms.id))
    assert answer["type"] == "subscribed"


async def test_a_connection_follows_so_many_orders_and_no_more(alice: Client) -> None:
    orders = [events(1) for _ in range(SUBSCRIPTIONS + 1)]
    for order in orders:
        alice.history.write(order)
    await alice.answered("unsubscribe")
    count = len(alice.poster.sent["a1"])
    for order in orders:
        await alice.say("subscribe", orderId=str(order[0].order_id), afterSeq=1)
    answers = (await alice.got(count + len(orders)))[count:]

    kinds = [answer["type"] for answer in answers]
    assert kinds == ["subscribed"] * SUBSCRIPTIONS + ["error"]
    assert answers[-1]["code"] == "TOO_MANY_SUBSCRIPTIONS"


async def test_orders_that_are_over_take_no_place_of_those_that_are_left_out(alice: Client) -> None:
    over, there = [events() for _ in range(SUBSCRIPTIONS)], events()
    for order in over:
        alice.history.write(order)
    for order in (*over, there):
        await alice.say("unsubscribe", orderId=str(order[0].order_id))

    answers = await alice.got(SUBSCRIPTIONS + 1)
    assert {answer["type"] for answer in answers} == {"unsubscribed"}
    for order in (there, other := events(1)):
        await alice.happen(order)
    assert (await alice.got(SUBSCRIPTIONS + 2))[-1]["orderId"] == str(other[0].order_id)


async def test_a_cursor_of_the_future_is_refused_and_the_feed_goes_on(alice: Client) -> None:
    answer = await alice.answered("subscribe", after="ffffffffffff")
    assert answer["code"] == "CURSOR_INVALID"
    await alice.happen(events(1))
    await alice.got(2)


async def test_without_postgres_a_subscription_is_refused_for_now(alice: Client) -> None:
    alice.history.gone = True
    order = events(1)
    for fields in ({"orderId": str(order[0].order_id)}, {"after": "1"}):
        answer = await alice.answered("subscribe", **fields)
        assert answer["code"] == "UNAVAILABLE"
    alice.history.gone = False
    await alice.happen(order)
    assert [frame["type"] for frame in await alice.got(3)] == ["error", "error", "order"]


async def test_a_command_that_comes_before_any_relay_runs_is_done_by_the_first(
    client: Valkey, valkey_server: str
) -> None:
    alice = Client(client, FakeHistory(), FakePoster())
    order = events()
    alice.history.write(order)
    assert not await alice.registry.opened(alice.connection)
    await alice.say("subscribe", orderId=str(order[0].order_id), afterSeq=3)
    async with running(valkey_server, alice.history, alice.poster), asyncio.timeout(10):
        await until(lambda: "subscribed" in [frame["type"] for frame in frames(alice.poster, "a1")])
