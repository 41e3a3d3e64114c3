"""The listener hears what is said, and comes back when it was dropped or forgotten."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from uuid_utils.compat import uuid7
from websockets.asyncio.server import ServerConnection, serve

from local.chaos.follower import Follower
from local.ports import HOST
from local.waiting import until

ORDER = uuid7()


def event(seq: int) -> str:
    return json.dumps({"type": "order", "orderId": str(ORDER), "seq": seq})


async def hear(
    speak: Callable[[ServerConnection], Coroutine[Any, Any, None]],
    enough: int,
    silence: float = 5,
) -> Follower:
    """A listener to `speak` that has heard `enough` events."""
    async with serve(speak, HOST, 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        listener = Follower(f"ws://{HOST}:{port}", silence, pause=0.01)
        listening = asyncio.create_task(listener.listen())
        assert await asyncio.to_thread(until, lambda: len(listener.seen) >= enough, 5)
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
    return listener


async def test_an_event_told_twice_is_heard_once() -> None:
    async def speak(client: ServerConnection) -> None:
        for text in (event(1), event(1), '{"type": "pong"}', event(2)):
            await client.send(text)
        await client.wait_closed()

    listener = await hear(speak, 2)

    assert listener.seen == {(ORDER, 1), (ORDER, 2)}
    assert listener.connects == 1


@pytest.mark.parametrize("drops", [True, False], ids=["dropped", "forgotten"])
async def test_who_is_dropped_or_forgotten_connects_again(drops: bool) -> None:
    seqs = iter(range(1, 100))

    async def speak(client: ServerConnection) -> None:
        await client.send(event(next(seqs)))
        if not drops:
            await client.wait_closed()

    assert (await hear(speak, 3, silence=0.1)).connects >= 3
