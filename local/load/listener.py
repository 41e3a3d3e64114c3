"""One client at the WebSocket, who notes when each status change came to him."""

import asyncio
import json
import time
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from .figures import FINAL
from .records import Heard

BEGINNING: Final = "0"
SILENCE_SECONDS: Final = 10.0
"""After which it asks for a sign of life, by which a relay that has forgotten it knows it again."""
OPEN_SECONDS: Final = 30.0


class Listener:
    """Listens until it is cancelled; what a break made it miss it hears afterwards."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._cursor = BEGINNING
        self._known: set[tuple[str, int]] = set()
        self.heard: list[Heard] = []
        """Each status change once."""
        self.ended: set[str] = set()
        """The orders whose end was heard."""
        self.repeats = 0
        """How many came once more."""
        self.connects = 0
        self.listens = asyncio.Event()
        """Set once it is subscribed."""

    async def listen(self) -> None:
        """Connects, and connects again; raises websockets' errors when it is not let in."""
        async for socket in connect(self._url, open_timeout=OPEN_SECONDS, max_queue=None):
            self.connects += 1
            try:
                await self._resume(socket)
                while True:
                    await self._hear(socket)
            except ConnectionClosed:
                continue

    async def _hear(self, socket: ClientConnection) -> None:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                text = await socket.recv()
        except TimeoutError:
            await socket.send('{"action":"ping"}')
            return
        now = time.time()
        match _frame(text):
            case {"type": "order"} as frame:
                self.note(frame, now)
            case {"type": "subscribed"}:
                self.listens.set()
            case {"type": "resync", "cursor": str(cursor)}:
                self._cursor = cursor
                await self._resume(socket)

    async def _resume(self, socket: ClientConnection) -> None:
        await socket.send(json.dumps({"action": "subscribe", "after": self._cursor}))

    def note(self, frame: dict[str, Any], now: float) -> None:
        """The order's message `frame` came at `now`."""
        change = Heard.of(frame, now)
        self._cursor = frame["cursor"]
        if (change.order_id, change.seq) in self._known:
            self.repeats += 1
            return
        self._known.add((change.order_id, change.seq))
        self.heard.append(change)
        if change.status in FINAL:
            self.ended.add(change.order_id)


def _frame(text: str | bytes) -> dict[str, Any]:
    """Empty for what is no message: an emulated gateway that is overrun says so in words."""
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
