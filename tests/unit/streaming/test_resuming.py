"""What a connection's queue and cursors are worth when its client comes back for what it missed."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.streaming import sender as senders
from sluice.streaming.letters import Connection
from sluice.streaming.sender import For, Sender
from tests.fakes import FakePoster

ORDER = "an order"


class Client:
    """One that does not read at first, unless it is opening, and its sender."""

    def __init__(self, limit: int = 10, age: timedelta = timedelta(minutes=1)) -> None:
        self.poster = FakePoster(hanging={"a1"})
        self.certain = asyncio.Event()
        self.certain.set()
        self.connection = Connection("a1", "alice", datetime.now(UTC) - age)
        self.sender = Sender(self.connection, self.poster, self._gone, self._sure, 100, limit)

    async def _gone(self, connection: Connection) -> None:
        raise AssertionError("it was not to be given up")

    async def _sure(self) -> None:
        await self.certain.wait()

    def tell(self, number: int, cursor: int) -> None:
        self.sender.tell(ORDER, json.dumps({"n": number}), cursor)

    async def begins(self) -> None:
        """Returns when the first frame is on its way."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def read(self, count: int) -> list[dict[str, Any]]:
        """What has come, once it is so many frames."""
        self.poster.hanging.clear()
        self.poster.reads["a1"].set()
        for _ in range(1000):
            if len(self.poster.sent["a1"]) >= count:
                break
            await asyncio.sleep(0)
        await self.begins()
        return [json.loads(frame) for frame in self.poster.sent["a1"]]


async def test_a_frame_that_was_on_its_way_as_its_client_came_back_moves_nothing() -> None:
    client = Client()
    client.tell(1, 150)
    await client.begins()
    client.sender.rewind(50)
    await client.read(1)

    assert client.sender.position(200) == 50
    await client.sender.close()


async def test_no_frame_that_waits_has_a_cursor_past_that_of_a_client_who_came_back() -> None:
    client = Client()
    client.tell(1, 150)
    await client.begins()
    client.tell(2, 160)
    client.sender.resume(0x50)

    assert [frame["cursor"] for frame in await client.read(2)] == ["96", "50"]
    await client.sender.close()


async def test_a_command_in_a_replay_drops_nothing_of_what_the_replay_holds() -> None:
    client = Client()
    client.sender.hold(For.REPLAY)
    client.tell(1, 101)
    client.sender.hold()
    client.tell(2, 102)
    assert client.sender.release()
    assert not client.sender.idle
    assert client.sender.release(For.REPLAY)

    assert [frame["n"] for frame in await client.read(2)] == [1, 2]
    await client.sender.close()


async def test_what_was_too_much_to_hold_in_a_replay_is_the_replays_to_read() -> None:
    client = Client(limit=4)
    client.sender.hold(For.REPLAY)
    for number in range(3):
        client.tell(number, 101)
    client.sender.hold()

    assert client.sender.release()
    assert not client.sender.release(For.REPLAY)
    await client.sender.close()


async def test_a_connection_that_opens_is_tried_again_only_while_that_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(senders, "OPENING_RETRY_SECONDS", 0)
    client = Client(age=timedelta())
    client.poster.opening["a1"] = 1
    client.tell(1, 101)
    await client.begins()
    client.certain.clear()
    client.poster.hanging.clear()
    client.poster.reads["a1"].set()
    for _ in range(100):
        await asyncio.sleep(0)
    assert client.poster.opening["a1"] == 0
    assert client.poster.sent["a1"] == []

    client.certain.set()
    assert len(await client.read(1)) == 1
    await client.sender.close()
