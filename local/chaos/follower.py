"""One listener at the WebSocket: what a client hears while all this happens."""

import asyncio
import json
from typing import Final
from uuid import UUID

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

SILENCE_SECONDS: Final = 5
"""Under this load something happens many times a second: who hears nothing has been forgotten."""
PAUSE_SECONDS: Final = 0.5


class Follower:
    """Listens until it is cancelled, and connects anew whenever it must."""

    def __init__(
        self, url: str, silence: float = SILENCE_SECONDS, pause: float = PAUSE_SECONDS
    ) -> None:
        """After `silence` seconds it connects again, and after `pause` where it is refused."""
        self._url = url
        self._silence = silence
        self._pause = pause
        self.seen: set[tuple[UUID, int]] = set()
        self.connects = 0

    async def listen(self) -> None:
        while True:
            try:
                await self._hear()
            except (OSError, WebSocketException):
                # Refused as long as Valkey is away.
                await asyncio.sleep(self._pause)

    async def _hear(self) -> None:
        async with connect(self._url, max_queue=None) as socket:
            self.connects += 1
            while True:
                async with asyncio.timeout(self._silence):
                    message = json.loads(await socket.recv())
                if message.get("type") == "order":
                    self.seen.add((UUID(message["orderId"]), message["seq"]))
