"""One small order through the public doors, as proof that the whole way is open."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from . import http
from .errors import StackError
from .stack import Stack

ORDER = {"type": "MARKET", "side": "BUY", "tokenIn": "USDC", "tokenOut": "SOL", "amount": 1}
FINAL = {"CONFIRMED", "FAILED", "EXPIRED", "CANCELLED"}
TIMEOUT_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Step:
    """One status, as the WebSocket told it."""

    after_ms: int
    event: dict[str, Any]


def place(stack: Stack) -> Iterator[Step]:
    """Posts `ORDER` and yields its statuses as they arrive, until the final one."""
    try:
        url = http.listening(stack.websocket, stack.token)
        with connect(url, open_timeout=TIMEOUT_SECONDS) as socket:
            began = time.monotonic()
            order_id = _post(f"{stack.http}/api/orders/execute", stack.token)
            for event in _events(socket, order_id, began + TIMEOUT_SECONDS):
                yield Step(round((time.monotonic() - began) * 1000), event)
    except (OSError, WebSocketException) as error:
        raise StackError(f"first order: {error} ({stack.websocket})") from error


def _post(url: str, token: str | None) -> str:
    status, answer = http.call("POST", url, ORDER, token)
    if status != HTTPStatus.CREATED:
        raise StackError(f"first order: POST {url} answered {status}: {answer}")
    order_id: str = answer["data"]["orderId"]
    return order_id


def _events(socket: ClientConnection, order_id: str, deadline: float) -> Iterator[dict[str, Any]]:
    last = "nothing"
    while last not in FINAL:
        try:
            message = json.loads(socket.recv(timeout=max(0, deadline - time.monotonic())))
        except TimeoutError as error:
            raise StackError(
                f"first order: {order_id} got no final status in {TIMEOUT_SECONDS} s, "
                f"last heard: {last}; `.venv/bin/python -m local logs worker` may say why"
            ) from error
        if message.get("type") == "order" and message["orderId"] == order_id:
            last = message["status"]
            yield message
