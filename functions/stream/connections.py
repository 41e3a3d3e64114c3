"""$connect, $disconnect and $default of the WebSocket API."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.config import ConnectionsConfig, load
from sluice.observability import logger
from sluice.streaming.frames import Frame, error_frame, pong_frame
from sluice.streaming.registry import Connection, Registry
from sluice.streaming.valkey import connect

Event = dict[str, Any]
"""As API Gateway sends it. Read as a dict: emulators leave out what strict models demand."""

loop = asyncio.new_event_loop()
config = cache(lambda: load(ConnectionsConfig))
registry = cache(lambda: Registry(connect(config().VALKEY_URL)))


def handler(event: Event, context: LambdaContext) -> dict[str, int]:
    """One frame or one change of a connection; 200 lets it in, any exception refuses it."""
    request = event["requestContext"]
    logger.info("websocket", extra={"route": request["routeKey"], "id": request["connectionId"]})
    loop.run_until_complete(ROUTES[request["routeKey"]](event))
    return {"statusCode": 200}


async def _connected(event: Event) -> None:
    request = event["requestContext"]
    account = (request.get("authorizer") or {}).get("account") or config().ACCOUNT
    connection = Connection(request["connectionId"], account, datetime.now(UTC))
    if not await registry().opened(connection):
        _start_relay()


async def _disconnected(event: Event) -> None:
    await registry().closed(event["requestContext"]["connectionId"])


async def _said(event: Event) -> None:
    await _answer(event["requestContext"]["connectionId"], _reply(event.get("body") or ""))


def _reply(body: str) -> Frame:
    try:
        command = json.loads(body)
    except ValueError:
        return error_frame("INVALID_JSON", "a command is a JSON object")
    action = command.get("action") if isinstance(command, dict) else None
    if action == "ping":
        return pong_frame()
    return error_frame("UNKNOWN_ACTION", 'known actions: "ping"')


def _start_relay() -> None:
    # Imported here: only the first client of a quiet stack pays for it.
    import boto3

    boto3.client("lambda").invoke(
        FunctionName=config().RELAY_FUNCTION,
        InvocationType="Event",
        Payload=b'{"source":"connect"}',
    )


async def _answer(connection_id: str, frame: Frame) -> None:
    # Imported here: most connections never say a word.
    from sluice.streaming.poster import ApiGatewayPoster

    poster = ApiGatewayPoster(config().WEBSOCKET_ENDPOINT, config().AWS_REGION)
    try:
        await poster.post(connection_id, frame)
    finally:
        await poster.close()


ROUTES: dict[str, Callable[[Event], Coroutine[Any, Any, None]]] = {
    "$connect": _connected,
    "$disconnect": _disconnected,
    "$default": _said,
}
