"""A connection to Valkey: hiredis writes and reads what is said, a blocking socket carries it.

redis-py's own would take more CPU for its import than all the rest of what such a function needs.
"""

import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

import hiredis

from .names import ANSWER_TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS

PORT: Final = 6379
RECEIVED_BYTES: Final = 64 * 1024

Command = tuple[str | int, ...]

# hiredis' own types know tuples of one alone.
packed: Final = cast("Callable[[Command], bytes]", hiredis.pack_command)


class LineError(Exception):
    """Valkey did not do what it was asked for, or nobody knows."""


class Broken(LineError):
    """It was not reached, or has hung up."""


class Stalled(LineError):
    """It did not answer in time."""


class Refused(LineError):
    """It answered that it will not."""


class NoScript(Refused):
    """It does not know the script that it was to run."""


class Wire:
    """Connects when something is sent. Whatever it raises, it has closed the connection.

    Of a `rediss` URL the server's certificate is checked.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "localhost", parts.port or PORT
        self._tls = ssl.create_default_context() if parts.scheme == "rediss" else None
        self._hello: list[Command] = []
        if parts.password is not None:
            names = (parts.username,) if parts.username else ()
            self._hello.append(("AUTH", *map(unquote, (*names, parts.password))))
        if parts.path.strip("/"):
            self._hello.append(("SELECT", parts.path.strip("/")))
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
        raw = socket.create_connection((self._host, self._port), CONNECT_TIMEOUT_SECONDS)
        self._socket = raw
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            self._socket = self._tls.wrap_socket(raw, server_hostname=self._host)
        self._socket.settimeout(ANSWER_TIMEOUT_SECONDS)
        self._reader = _reader()
        for command in self._hello:
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
    return Broken(str(error)) if isinstance(error, OSError) else error
