"""Letting containers reach a stack: it listens on loopback, where a container finds itself alone.

`sam local` offers `--docker-network host`, and does nothing about it.
"""

import asyncio
import errno
import socket
import sys
from asyncio import AbstractEventLoop, Server, StreamReader, StreamWriter
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from threading import Event, Thread
from typing import Any

from .errors import StackError
from .ports import HOST, Ports

NAME = "host.docker.internal"
"""What a container calls this machine."""
CHUNK_BYTES = 64 * 1024
SECONDS = 10


@contextmanager
def reachable(address: str, ports: Ports) -> Iterator[None]:
    """Meanwhile each part is reached by `address`, that of Docker's bridge, on its own port, too.

    Where `address` is none of this machine's, Docker runs in a virtual machine, which brings what
    its containers send there to loopback by itself. Raises `StackError`.
    """
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        servers = _on(loop, _open(address, ports))
        try:
            yield
        finally:
            _on(loop, _close(servers))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _open(address: str, ports: Ports) -> list[Server]:
    servers = []
    for part, port in asdict(ports).items():
        try:
            # Bound here: asyncio does not tell why it could not, from Python 3.13 on.
            listening = socket.create_server((address, port))
            servers.append(await asyncio.start_server(_forward, sock=listening))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return []
            await _close(servers)
            raise StackError(f"{part}: {address}:{port} cannot be opened: {error}") from error
    return servers


async def _close(servers: list[Server]) -> None:
    for server in servers:
        server.close()
    forwarding = asyncio.all_tasks() - {asyncio.current_task()}
    for task in forwarding:
        task.cancel()
    await asyncio.gather(*forwarding, return_exceptions=True)


async def _forward(reader: StreamReader, writer: StreamWriter) -> None:
    """Until either side has said its last: no client of a part closes one half alone."""
    port = writer.get_extra_info("sockname")[1]
    # Cancelled at the end; a task of asyncio's streams that says so is told as an error.
    with closing(writer), suppress(OSError, asyncio.CancelledError):
        answers, asks = await asyncio.open_connection(HOST, port)
        with closing(asks):
            pipes = [
                asyncio.create_task(_pipe(reader, asks)),
                asyncio.create_task(_pipe(answers, writer)),
            ]
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
            for pipe in pipes:
                pipe.cancel()
            await asyncio.gather(*pipes, return_exceptions=True)


async def _pipe(reader: StreamReader, writer: StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()


def _on(loop: AbstractEventLoop, work: Coroutine[Any, Any, list[Server] | None]) -> list[Server]:
    return asyncio.run_coroutine_threadsafe(work, loop).result(SECONDS) or []


if __name__ == "__main__":
    with reachable(sys.argv[1], Ports.from_environment()), suppress(KeyboardInterrupt):
        Event().wait()
