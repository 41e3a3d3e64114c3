"""Where the parts of a stack listen: always on loopback, on ports that can be chosen."""

import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import psutil

from .errors import StackError

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """One port per part. The defaults are below the range that systems hand out to clients."""

    gateway: int = 4566
    postgres: int = 15432
    valkey: int = 16379
    market: int = 18899
    issuer: int = 14567

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Ports":
        """The defaults, or what `SLUICE_PORT_GATEWAY`, `..._POSTGRES` and so on say."""
        chosen = {}
        for part in cls.__slots__:
            value = environ.get(variable(part), "")
            if value:
                chosen[part] = _port(variable(part), value)
        return cls(**chosen)

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nobody holds now, for a stack beside another one."""
        with ExitStack() as held:
            sockets = [held.enter_context(socket.socket()) for _ in cls.__slots__]
            for each in sockets:
                each.bind((HOST, 0))
            return cls(*(each.getsockname()[1] for each in sockets))


def variable(part: str) -> str:
    """The environment variable that chooses the port of `part`."""
    return f"SLUICE_PORT_{part.upper()}"


def _port(name: str, value: str) -> int:
    if value.isdecimal() and 0 < int(value) < 1 << 16:
        return int(value)
    raise StackError(f"{name}={value} is no port; choose one from 1 to 65535")


def require_free(part: str, port: int) -> None:
    """Raises one line that says who holds `port`, if somebody does."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise StackError(
                f"{part}: port {port} is held by {_holder(port)}; "
                f"stop that, or choose another port with {variable(part)}"
            ) from error


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and connection.laddr[1:2] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass  # Other users' processes are hidden from some; the port is taken all the same.
    return "another program"
