"""One connection's way out: what waits, what is dropped, and what its client can rely on."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.streaming.letters import Connection, Wishes
from sluice.streaming.sender import Sender
from tests.fakes import FakePoster

FRAME = '{"type":"order"}'
ORDER = "an order"
ALL = Wishes()


@dataclass
class Client:
    """A connection that reads when it is let, and its sender."""

    poster: FakePoster = field(default_factory=FakePoster)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    certain: asyncio.Event = field(default_factory=asyncio.Event)

    def sender(self, limit: int = 4, wishes: Wishes = ALL) -> Sender:
        async def forget(connection: Connection) -> None:
            self.gone.set()

        async def wait() -> None:
            await self.certain.wait()

        self.certain.set()
        long_ago = datetime.now(UTC) - timedelta(minutes=1)
        connection = Connection("a1", "alice", long_ago, wishes)
        return Sender(connection, self.poster, forget, wait, 100, limit)

    async def read(self, count: int) -> list[dict[str, Any]]:
        """What has come, once it is so many frames."""
        self.poster.hanging.clear()
        self.poster.reads["a1"].set()
        for _ in range(1000):
            if len(self.poster.sent["a1"]) >= count:
                break
            await asyncio.sleep(0)
        return [json.loads(frame) for frame in self.poster.sent["a1"]]


async def test_each_event_goes_out_with_the_cursor_up_to_which_all_were_told() -> None:
    client = Client()
    sender = client.sender()
    sender.tell(ORDER, FRAME, 0x1F)
    sender.tell(ORDER, FRAME, 0x20)

    assert await client.read(2) == [{"type": "order", "cursor": c} for c in ("1f", "20")]
    await sender.close()


async def test_a_client_that_is_too_slow_keeps_the_cursor_to_resume_at_until_it_does() -> None:
    client = Client(FakePoster(hanging={"a1"}))
    sender = client.sender()
    for cursor in range(101, 111):
        sender.tell(ORDER, FRAME, cursor)
        await asyncio.sleep(0)

    frames = await client.read(3)
    assert frames[0] == {"type": "order", "cursor": "65"}
    assert frames[1] == {"type": "resync", "cursor": "64"}
    # Whoever comes back with the cursor of a later frame misses nothing of what was dropped.
    assert {frame["cursor"] for frame in frames[1:]} == {"64"}
    assert sender.position(200) == 100

    sender.resume(100)
    sender.tell(ORDER, FRAME, 120)
    assert (await client.read(len(frames) + 1))[-1]["cursor"] == "78"
    await sender.close()


async def test_answers_are_not_dropped_with_the_events() -> None:
    client = Client(FakePoster(hanging={"a1"}))
    sender = client.sender()
    sender.push('{"type":"subscribed"}')
    await asyncio.sleep(0)
    sender.push('{"type":"pong"}')
    for cursor in range(101, 111):
        sender.tell(ORDER, FRAME, cursor)

    frames = await client.read(3)
    assert [frame["type"] for frame in frames][:3] == ["subscribed", "pong", "resync"]
    await sender.close()


async def test_what_is_told_while_it_holds_comes_behind_what_is_pushed() -> None:
    client = Client()
    sender = client.sender(limit=10)
    sender.hold()
    sender.tell(ORDER, '{"n":2}', 101)
    sender.push('{"n":1}', 100)
    assert sender.release()

    assert [frame["n"] for frame in await client.read(2)] == [1, 2]
    await sender.close()


async def test_holding_too_much_is_told_and_drops_it() -> None:
    client = Client()
    sender = client.sender(limit=4)
    sender.hold()
    for cursor in (101, 102, 103):
        sender.tell(ORDER, FRAME, cursor)

    assert not sender.release()
    assert client.poster.sent["a1"] == []
    await sender.close()


async def test_only_what_is_wished_for_is_told() -> None:
    client = Client()
    sender = client.sender(wishes=Wishes(orders=frozenset({"x"}), muted=frozenset({"y"})))
    sender.tell("y", '{"n":1}', 100)
    sender.tell("z", '{"n":2}', 100)
    sender.wish(Wishes(feed=False, orders=frozenset({"x"})))
    sender.tell("z", '{"n":3}', 100)
    sender.tell("x", '{"n":4}', 100, final=True)

    assert [frame["n"] for frame in await client.read(2)] == [2, 4]
    sender.tell("x", '{"n":5}', 100)
    sender.push('{"n":6}')
    assert [frame["n"] for frame in await client.read(3)] == [2, 4, 6]
    assert sender.connection.wishes.orders == frozenset()
    await sender.close()


async def test_an_order_is_wanted_until_its_end_was_posted() -> None:
    client = Client(FakePoster(hanging={"a1"}))
    sender = client.sender(wishes=Wishes(feed=False, orders=frozenset({"x"})))
    sender.tell("x", FRAME, 101, final=True)
    await asyncio.sleep(0)
    assert sender.connection.wishes.want("x")

    await client.read(1)

    assert not sender.connection.wishes.want("x")
    await sender.close()


async def test_nothing_is_posted_while_it_is_not_certain_that_we_may() -> None:
    client = Client()
    sender = client.sender()
    client.certain.clear()
    sender.tell(ORDER, FRAME, 101)
    await asyncio.sleep(0.01)
    assert client.poster.sent["a1"] == []
    assert sender.position(200) == 100

    client.certain.set()
    await client.read(1)
    await asyncio.sleep(0)
    assert sender.position(200) == 200
    await sender.close()


async def test_a_connection_that_cannot_be_served_is_closed_and_forgotten() -> None:
    client = Client(FakePoster(failing={"a1"}))
    sender = client.sender()
    sender.tell(ORDER, FRAME, 101)

    async with asyncio.timeout(1):
        await client.gone.wait()
    assert client.poster.disconnected == ["a1"]
    await sender.close()
