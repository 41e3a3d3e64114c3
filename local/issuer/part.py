"""The issuer as a part of the stack."""

import sys
from http import HTTPStatus
from typing import Final

from local import http
from local.home import Home
from local.ports import HOST
from local.processes import Part

from . import key

DISCOVERY: Final = "/.well-known/openid-configuration"
KEY_SET: Final = "/jwks.json"


def url(port: int) -> str:
    """Where it is, and what it calls itself in its tokens."""
    return f"http://{HOST}:{port}"


def part(home: Home, port: int) -> Part:
    return Part(
        name="issuer",
        port=port,
        command=(
            *(sys.executable, "-m", "local.issuer"),
            *("--host", HOST, "--port", str(port), "--key", str(key.path(home))),
        ),
        ready=lambda: ready(port),
        prepare=lambda: key.create(home),
    )


def ready(port: int) -> bool:
    try:
        return http.call("GET", f"{url(port)}{KEY_SET}")[0] == HTTPStatus.OK
    except OSError:
        return False
