"""Clients of the deployed stream: they come and go, resume, and drop what they have seen."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

AWAY_SECONDS: Final = (0.2, 1.5)
SILENCE_SECONDS: Final = (5.0, 10.0)
"""After which a client asks for a sign of life, and once more for an answer it still waits for."""
OPEN_SECONDS: Final = 60
AT_THE_DOOR: Final = 4
BEGINNING: Final = "0"

Key = tuple[str, int]
"""An order and the number of its event."""


@dataclass
class Client:
    """One listener; `stays` is for how many seconds at a time, from and to, or None for ever.

    `door` lets in so many at once: the emulated Lambda would start an authorizer for each.
    """

    url: str
    door: asyncio.Semaphore
    chance: random.Random
    stays: tuple[float, float] | None = None
    cursor: str = BEGINNING
    seen: dict[Key, float] = field(default_factory=dict)
    """When each event came first, by the monotonic clock; in the order of coming."""
    frames: int = 0
    visits: int = 0
    resyncs: int = 0
    resumed: bool = False
    listens: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it has been told that it is subscribed."""

    async def live(self) -> None:
        """Listens until it is cancelled, and connects anew whenever it must."""
        while True:
            seconds = self.chance.uniform(*self.stays) if self.stays else None
            try:
                async with self.door:
                    socket = await connect(self.url, open_timeout=OPEN_SECONDS, compression=None)
                async with socket, asyncio.timeout(seconds):
                    await self._visit(socket)
            except TimeoutError:
                await asyncio.sleep(self.chance.uniform(*AWAY_SECONDS))
            except (OSError, WebSocketException):
                # Refused as long as Valkey is away.
                await asyncio.sleep(self.chance.uniform(*AWAY_SECONDS))

    async def _visit(self, socket: ClientConnection) -> None:
        self.visits += 1
        await self._resume(socket)
        while True:
            try:
                async with asyncio.timeout(self.chance.uniform(*SILENCE_SECONDS)):
                    frame = json.loads(await socket.recv())
            except TimeoutError:
                await (socket.send('{"action":"ping"}') if self.resumed else self._resume(socket))
            else:
                await self._read(socket, frame)

    async def _resume(self, socket: ClientConnection) -> None:
        self.resumed = False
        await socket.send(json.dumps({"action": "subscribe", "after": self.cursor}))

    async def _read(self, socket: ClientConnection, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "subscribed":
                self.resumed = True
                self.listens.set()
            case "resync":
                self.resyncs += 1
                self.cursor = frame["cursor"]
                await self._resume(socket)
            case "order" if self.resumed:
                self.frames += 1
                self.cursor = frame["cursor"]
                self.seen.setdefault((frame["orderId"], frame["seq"]), monotonic())


@asynccontextmanager
async def listening(clients: list[Client]) -> AsyncIterator[None]:
    """They live as long as the block."""
    tasks = [asyncio.create_task(client.live()) for client in clients]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def in_order(seen: Mapping[Key, object]) -> bool:
    """Whether each order's events came one by one from the first."""
    last: dict[str, int] = defaultdict(int)
    for order_id, seq in seen:
        if seq != last[order_id] + 1:
            return False
        last[order_id] = seq
    return True
