"""A connection to Valkey: hiredis writes and reads what is said, a blocking socket carries it.

redis-py's own would take more CPU for its import than all the rest of what such a function needs.
"""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

import hiredis

from sluice.errors import SecretUnavailable

from .names import ANSWER_TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS

PORT: Final = 6379
RECEIVED_BYTES: Final = 64 * 1024

Command = tuple[str | int, ...]

# hiredis' own types know tuples of one alone.
packed: Final = cast("Callable[[Command], bytes]", hiredis.pack_command)


class LineError(Exception):
    """Valkey did not do what it was asked for, or nobody knows."""


class Broken(LineError):
    """It was not reached, or has hung up, or nobody tells where it is."""


class Stalled(LineError):
    """It did not answer in time."""


class Refused(LineError):
    """It answered that it will not."""


class NoScript(Refused):
    """It does not know the script that it was to run."""


@dataclass(frozen=True, slots=True)
class _Server:
    """What a URL says of where to connect, and of what to say first."""

    host: str
    port: int
    tls: bool
    hello: tuple[Command, ...]


class Wire:
    """Connects when something is sent. Whatever it raises, it has closed the connection.

    Of a `rediss` URL the server's certificate is checked.
    """

    def __init__(self, where: str | Callable[[], str]) -> None:
        """`where` is the URL, or tells it at each connecting; may raise `SecretUnavailable`."""
        self._where = where
        self._socket: socket.socket | None = None
        self._reader = _reader()

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def send(self, commands: bytes) -> None:
        """Has left when this returns. Raises `Broken`, `Stalled`, or `Refused` if not let in."""
        try:
            (self._socket or self._connected()).sendall(commands)
        except BaseException as error:
            self._close()
            raise _told(error) from error

    def answers(self, number: int) -> list[Any]:
        """So many; one that is an error is among them as `Refused`. Raises `Broken`, `Stalled`."""
        try:
            return [self._answer() for _ in range(number)]
        except BaseException as error:
            self._close()
            raise _told(error) from error

    def _connected(self) -> socket.socket:
        server = _server(self._where if isinstance(self._where, str) else self._where())
        raw = socket.create_connection((server.host, server.port), CONNECT_TIMEOUT_SECONDS)
        self._socket = raw
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if server.tls:
            self._socket = _certified().wrap_socket(raw, server_hostname=server.host)
        self._socket.settimeout(ANSWER_TIMEOUT_SECONDS)
        self._reader = _reader()
        for command in server.hello:
            self._socket.sendall(packed(command))
            answer = self._answer()
            if isinstance(answer, Refused):
                raise answer
        return self._socket

    def _answer(self) -> object:
        while (answer := self._reader.gets()) is _UNFINISHED:
            received = b"" if self._socket is None else self._socket.recv(RECEIVED_BYTES)
            if not received:
                raise Broken("Valkey has hung up")
            self._reader.feed(received)
        return answer

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _server(url: str) -> _Server:
    parts = urlsplit(url)
    hello: list[Command] = []
    if parts.password is not None:
        names = (parts.username,) if parts.username else ()
        hello.append(("AUTH", *map(unquote, (*names, parts.password))))
    if parts.path.strip("/"):
        hello.append(("SELECT", parts.path.strip("/")))
    host, port = parts.hostname or "localhost", parts.port or PORT
    return _Server(host, port, parts.scheme == "rediss", tuple(hello))


@cache
def _certified() -> ssl.SSLContext:
    # Kept: to read the world's certificates takes longer than to connect.
    return ssl.create_default_context()


_UNFINISHED: Final = object()


def _reader() -> hiredis.Reader:
    return hiredis.Reader(
        protocolError=Broken,
        replyError=_refused,
        encoding="utf-8",
        notEnoughData=_UNFINISHED,
    )


def _refused(message: str) -> Refused:
    return (NoScript if message.startswith("NOSCRIPT") else Refused)(message)


def _told(error: BaseException) -> BaseException:
    """In our words, if it is of the network."""
    if isinstance(error, TimeoutError):
        return Stalled("Valkey does not answer")
    return Broken(str(error)) if isinstance(error, OSError | SecretUnavailable) else error
