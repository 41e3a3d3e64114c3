"""A TCP proxy that counts round trips, and can be cut."""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class CountingProxy:
    """Stands in front of the server at `url`; a round trip is a request after an answer."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._refusing = False
        self._answered = True
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.round_trips = 0

    @property
    def url(self) -> str:
        """The same URL through the proxy."""
        if self._server is None:
            raise RuntimeError("not started")
        port = self._server.sockets[0].getsockname()[1]
        user = f"{self._target.username}@" if self._target.username else ""
        return f"{self._target.scheme}://{user}127.0.0.1:{port}{self._target.path}"

    def reset(self) -> None:
        self.round_trips = 0
        self._answered = True

    def cut(self) -> None:
        """Breaks every connection and refuses new ones."""
        self._refusing = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self._refusing = False

    def stall(self) -> None:
        """Keeps every connection open and passes nothing on any more."""
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    def lose(self) -> None:
        """Passes nothing on any more by the connections there are; those to come work."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        host, port = self._target.hostname, self._target.port
        there_reader, there_writer = await asyncio.open_connection(host, port)
        self._writers += [writer, there_writer]
        flowing = self._flowing
        await asyncio.gather(
            self._copy(reader, there_writer, flowing, asked=True),
            self._copy(there_reader, writer, flowing, asked=False),
        )

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flowing: asyncio.Event,
        *,
        asked: bool,
    ) -> None:
        try:
            while data := await reader.read(65536):
                await flowing.wait()
                if asked and self._answered:
                    self.round_trips += 1
                self._answered = not asked
                writer.write(data)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()
