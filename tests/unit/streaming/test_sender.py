"""One connection's way out, and its end."""

import asyncio
from datetime import UTC, datetime, timedelta

from sluice.streaming.registry import Connection
from sluice.streaming.sender import Sender
from tests.fakes import FakePoster


async def test_frames_that_overflow_into_a_farewell_do_not_keep_it_from_ending() -> None:
    class Slow(FakePoster):
        goodbye = asyncio.Event()

        async def disconnect(self, connection_id: str) -> None:
            await self.goodbye.wait()
            await super().disconnect(connection_id)

    poster, gone = Slow(failing={"a1"}), asyncio.Event()

    async def forget(connection: Connection) -> None:
        gone.set()

    long_ago = datetime.now(UTC) - timedelta(minutes=1)
    sender = Sender(Connection("a1", "alice", long_ago), poster, forget, queue_limit=2)
    sender.send("first")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for _ in range(5):
        sender.send("more")
    poster.goodbye.set()

    async with asyncio.timeout(1):
        await gone.wait()
    assert poster.disconnected == ["a1"]
    await sender.close()
