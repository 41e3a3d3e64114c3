"""Takes HTTP requests and answers each at once: where API Gateway would be."""

import asyncio
import threading
from typing import cast

from .peer import Answer, serve

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
HANGING = "hanging"
HANGS = f"/{HANGING} http".encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Sink(asyncio.Protocol):
    """As little as a kept-alive HTTP server can do, so that the client is what is measured.

    To the connection `HANGING` it never answers.
    """

    def __init__(self) -> None:
        self._said = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._said += data
        while (end := self._said.find(HEAD_END)) >= 0:
            head = self._said[:end].lower()
            at = head.find(LENGTH)
            length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            whole = end + len(HEAD_END) + length
            if len(self._said) < whole:
                return
            hangs = HANGS in head
            self._said = self._said[whole:]
            if not hangs:
                self._transport.write(ANSWER)


def listen() -> Answer:
    """Begins to take requests; the port."""
    ready: list[int] = []
    listening = threading.Event()

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
        ready.append(server.sockets[0].getsockname()[1])
        listening.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    listening.wait()
    return {"port": ready[0]}


if __name__ == "__main__":
    serve({"listen": listen})
