"""$connect, $disconnect and $default of the WebSocket API."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.config import ConnectionsConfig, load
from sluice.observability import logger
from sluice.streaming.commands import (
    COMMANDS_BURST,
    COMMANDS_PER_SECOND,
    CommandInvalid,
    Ping,
    command_of,
)
from sluice.streaming.door import Door
from sluice.streaming.frames import Frame, StreamError, error_frame, pong_frame
from sluice.streaming.line import Line
from sluice.streaming.registry import Connection, Registry
from sluice.streaming.valkey import ValkeyError, connect

if TYPE_CHECKING:
    from sluice.streaming.poster import ApiGatewayPoster

Event = dict[str, Any]
"""As API Gateway sends it. Read as a dict: emulators leave out what strict models demand."""

loop = asyncio.new_event_loop()
config = cache(lambda: load(ConnectionsConfig))
registry = cache(lambda: Registry(connect(config().valkey_url()), config().RELAY_SHARDS))
door = cache(lambda: Door(Line(config().valkey_url()), COMMANDS_PER_SECOND, COMMANDS_BURST))


def handler(event: Event, context: LambdaContext) -> dict[str, int]:
    """One frame or one change of a connection; 200 lets it in, any exception refuses it."""
    request = event["requestContext"]
    logger.info("websocket", extra={"route": request["routeKey"], "id": request["connectionId"]})
    loop.run_until_complete(ROUTES[request["routeKey"]](event))
    return {"statusCode": 200}


async def _connected(event: Event) -> None:
    connection = _connection(event)
    if not await registry().opened(connection):
        _start_relay(connection)


async def _disconnected(event: Event) -> None:
    await registry().closed(event["requestContext"]["connectionId"])


async def _said(event: Event) -> None:
    connection = _connection(event)
    answer = await _heard(connection, event.get("body") or "")
    if answer is not None:
        await poster().post(connection.id, answer)


async def _heard(connection: Connection, body: str) -> Frame | None:
    """The answer to what a client says; None where the relay answers."""
    allowance = door().ask(f"connection:{connection.id}")
    if allowance is not None and not allowance.allowed:
        message = f"at most {COMMANDS_PER_SECOND} commands a second, {COMMANDS_BURST} at once"
        return error_frame(StreamError.TOO_MANY_COMMANDS, message)
    try:
        pinged = isinstance(command_of(body), Ping)
    except CommandInvalid as refused:
        return error_frame(refused.code, refused.message)
    try:
        if not await registry().seen(connection, None if pinged else body):
            _start_relay(connection)
    except ValkeyError as error:
        logger.warning("a client is not heard", exc_info=error)
        if not pinged:
            return error_frame(StreamError.UNAVAILABLE, "not possible just now; try again")
    return pong_frame() if pinged else None


def _connection(event: Event) -> Connection:
    request = event["requestContext"]
    # By the authorizer; a connection that came past it is refused.
    account = request["authorizer"]["account"]
    opened_ms = request.get("connectedAt")
    opened_at = datetime.fromtimestamp(opened_ms / 1000, UTC) if opened_ms else datetime.now(UTC)
    return Connection(request["connectionId"], account, opened_at)


def _start_relay(connection: Connection) -> None:
    # Imported here: only the first client of a quiet stack pays for it.
    from .calling import call_relay

    call_relay(config().RELAY_FUNCTION, connection.shard(config().RELAY_SHARDS), "client")


@cache
def poster() -> "ApiGatewayPoster":
    """Kept: its connection to API Gateway is."""
    # Imported here: most connections never say a word.
    from sluice.streaming.poster import ApiGatewayPoster

    return ApiGatewayPoster(config().WEBSOCKET_ENDPOINT, config().AWS_REGION)


ROUTES: dict[str, Callable[[Event], Coroutine[Any, Any, None]]] = {
    "$connect": _connected,
    "$disconnect": _disconnected,
    "$default": _said,
}
