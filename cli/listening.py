"""One connection of the WebSocket."""

import json
from contextlib import ExitStack, suppress
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect

from .service import NOT_LET_IN, Endpoint

OPEN_SECONDS, CLOSE_SECONDS = 10.0, 1.0
MAX_QUEUE = 4096
"""Messages that wait here while something else is being asked."""


class Broken(Exception):
    """The connection could not be had, or is gone; the text is for people."""


class Listener:
    """What an account is told, message by message."""

    def __init__(self, where: Endpoint) -> None:
        """Connects; raises `Broken`."""
        if where.websocket is None:
            raise Broken(
                "the service does not say where its WebSocket is: set SLUICE_WEBSOCKET_URL"
            )
        self._open = ExitStack()
        url = where.websocket
        if where.token is not None:
            url += f"{'&' if '?' in url else '?'}token={quote(where.token, safe='')}"
        try:
            # Its own pings are off: what keeps API Gateway from closing are messages.
            connection = connect(
                url,
                open_timeout=OPEN_SECONDS,
                close_timeout=CLOSE_SECONDS,
                ping_interval=None,
                max_queue=MAX_QUEUE,
            )
            self._socket = self._open.enter_context(connection)
        except InvalidStatus as error:
            status = error.response.status_code
            advice = ""
            if status in NOT_LET_IN:
                advice = "; SLUICE_TOKEN must be a token or key of this service"
            elif status == HTTPStatus.TOO_MANY_REQUESTS:
                advice = "; the account has as many connections as it may"
            message = f"{where.websocket} answers {status}{advice}"
            raise Broken(message) from error
        except (OSError, WebSocketException) as error:
            why = (isinstance(error, OSError) and error.strerror) or str(error)
            raise Broken(f"{where.websocket} does not answer: {why}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError, WebSocketException):
            self._open.close()

    def hear(self, seconds: float) -> dict[str, Any] | None:
        """The next message; None when there was none for so long. Raises `Broken`."""
        try:
            frame = json.loads(self._socket.recv(timeout=max(0.0, seconds)))
        except TimeoutError:
            return None
        except (OSError, WebSocketException) as error:
            raise Broken(f"the connection broke: {error}") from error
        except ValueError:
            return {}
        return frame if isinstance(frame, dict) else {}

    def say(self, command: dict[str, Any]) -> None:
        """Sends a command; raises `Broken`."""
        try:
            self._socket.send(json.dumps(command))
        except (OSError, WebSocketException) as error:
            raise Broken(f"the connection broke: {error}") from error
