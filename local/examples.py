"""The events in `events/`, of each trigger one at least, and what a stack answers to each."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from . import containers, http
from .errors import StackError
from .home import PROJECT
from .ports import HOST, Ports
from .stack import Stack

EVENTS = PROJECT / "events"
ENVIRONMENT = EVENTS / "env.json"
RELAY_SECONDS = 30

FUNCTIONS: Mapping[str, str] = {
    "api": "ApiFunction",
    "authorizer": "AuthorizerFunction",
    "worker": "WorkerFunction",
    "connections": "ConnectionsFunction",
    "relay": "RelayFunction",
    "sweeper": "SweeperFunction",
    "migrations": "MigrationsFunction",
    "keys": "KeysFunction",
}
"""Which function an event is for, by the first word of its name."""
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "migrations_create": {"Status": "SUCCESS", "Data": {"Applied": ""}},
    "api_health": {"statusCode": 200},
    "api_execute": {"statusCode": 201},
    "authorizer_http": {"isAuthorized": False},
    "authorizer_connect": {"principalId": "nobody", "context": {}},
    "worker_sqs": {"batchItemFailures": []},
    "connections_connect": {"statusCode": 200},
    "connections_default": {"statusCode": 200},
    "connections_disconnect": {"statusCode": 200},
    "relay_schedule": {"left": "another relay serves"},
    "keys_list": {"keys": []},
    "sweeper_schedule": {"stuck": 0, "unclaimed": 0, "expired": 0},
}
"""What each answer has in it at least, where a relay serves."""


def function_of(name: str) -> str:
    """The logical id of the function that an event is for."""
    return FUNCTIONS[name.partition("_")[0]]


def payload(name: str, ports: Ports, host: str = HOST) -> str:
    """An event, with the addresses of a stack on these ports of `host`."""
    return _moved((EVENTS / f"{name}.json").read_text(), ports, host)


def environment(ports: Ports, host: str = HOST) -> dict[str, dict[str, str]]:
    """What `sam local` gives each function instead of secrets, for such a stack."""
    content: dict[str, dict[str, str]] = json.loads(_moved(ENVIRONMENT.read_text(), ports, host))
    return content


def fault(name: str, answer: object) -> str | None:
    """What is wrong with the answer to an event; None when it is as it should be."""
    expected = ANSWERS[name]
    # A function that raised answers with its error instead, which has none of these keys.
    if isinstance(answer, dict) and expected.items() <= answer.items():
        return None
    return f"{json.dumps(answer)} has not {json.dumps(expected)}"


@contextmanager
def relay_serves(stack: Stack) -> Iterator[None]:
    """A client of the deployed stack listens meanwhile, and its relay has said so."""
    try:
        url = http.listening(stack.websocket, stack.token)
        # Nobody reads meanwhile: it has no pings of its own, and what comes stands in nobody's way.
        with connect(url, open_timeout=RELAY_SECONDS, ping_interval=None, max_queue=None) as socket:
            socket.send(json.dumps({"action": "subscribe", "after": "0"}))
            while json.loads(socket.recv(timeout=RELAY_SECONDS)).get("type") != "subscribed":
                pass
            yield
    except (OSError, WebSocketException) as error:
        raise StackError(f"relay: {stack.websocket}: {error!r}") from error


def _moved(text: str, ports: Ports, host: str) -> str:
    """The files are written for containers and the default ports."""
    chosen = asdict(ports)
    for part, port in asdict(Ports()).items():
        text = text.replace(f"{containers.NAME}:{port}", f"{host}:{chosen[part]}")
    return text
