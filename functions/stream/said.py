"""What clients say: refused, answered, or passed on to their relay."""

import asyncio
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Final

from sluice.config import ConnectionsConfig
from sluice.observability import logger
from sluice.streaming.arrivals import Arrivals
from sluice.streaming.commands import (
    COMMANDS_BURST,
    COMMANDS_PER_SECOND,
    CommandInvalid,
    Ping,
    command_of,
)
from sluice.streaming.door import Door
from sluice.streaming.frames import Frame, StreamError, error_frame, pong_frame
from sluice.streaming.letters import Connection
from sluice.streaming.line import Line
from sluice.streaming.wire import LineError

if TYPE_CHECKING:
    from sluice.streaming.poster import ApiGatewayPoster


ANSWER_SECONDS: Final = 6.0
"""Less than the function may take, and more than the poster waits for one answer."""

loop = asyncio.new_event_loop()


class Hearing:
    """One per process: its connection to API Gateway is kept, on this module's loop."""

    def __init__(
        self,
        config: ConnectionsConfig,
        line: Line,
        arrivals: Arrivals,
        start_relay: Callable[[Connection], None],
    ) -> None:
        self._config = config
        self._door = Door(line, COMMANDS_PER_SECOND, COMMANDS_BURST)
        self._arrivals = arrivals
        self._start_relay = start_relay

    def hear(self, connection: Connection, body: str) -> None:
        """Sees to it that a command is answered, here or by the relay."""
        answer = self._answer(connection, body)
        if answer is not None:
            loop.run_until_complete(self._post(connection.id, answer))

    async def _post(self, connection_id: str, answer: Frame) -> None:
        # Imported here, as the poster is.
        from sluice.streaming.poster import PostFailed

        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.poster.post(connection_id, answer)
        except (PostFailed, TimeoutError) as error:
            # The client asks again; to fail would make an alarm of API Gateway's being busy.
            extra = {"id": connection_id}
            logger.warning("a client is not answered", extra=extra, exc_info=error)

    @cached_property
    def poster(self) -> "ApiGatewayPoster":
        # Imported here: it brings aiohttp, and most commands are the relay's to answer.
        from sluice.streaming.poster import ApiGatewayPoster

        return ApiGatewayPoster(self._config.WEBSOCKET_ENDPOINT, self._config.AWS_REGION)

    def _answer(self, connection: Connection, body: str) -> Frame | None:
        """None where the relay answers."""
        allowance = self._door.ask(f"connection:{connection.id}")
        if allowance is not None and not allowance.allowed:
            message = f"at most {COMMANDS_PER_SECOND} commands a second, {COMMANDS_BURST} at once"
            return error_frame(StreamError.TOO_MANY_COMMANDS, message)
        try:
            pinged = isinstance(command_of(body), Ping)
        except CommandInvalid as refused:
            return error_frame(refused.code, refused.message)
        try:
            if not self._arrivals.seen(connection, None if pinged else body):
                self._start_relay(connection)
        except LineError as error:
            logger.warning("a client is not heard", exc_info=error)
            if not pinged:
                return error_frame(StreamError.UNAVAILABLE, "not possible just now; try again")
        return pong_frame() if pinged else None
