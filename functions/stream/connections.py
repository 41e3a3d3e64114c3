"""$connect, $disconnect and $default of the WebSocket API."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.config import ConnectionsConfig, load
from sluice.observability import logger
from sluice.streaming.arrivals import Arrivals, TooManyConnections
from sluice.streaming.letters import Connection
from sluice.streaming.line import Line

if TYPE_CHECKING:
    from .said import Hearing

Event = dict[str, Any]
"""As API Gateway sends it. Read as a dict: emulators leave out what strict models demand."""

LONGEST_IDLE: Final = timedelta(minutes=10)
"""Whoever says nothing for longer API Gateway lets go: so long ago it was known for sure."""

config = cache(lambda: load(ConnectionsConfig))
line = cache(lambda: Line(config().valkey_url))
arrivals = cache(lambda: Arrivals(line(), config().RELAY_SHARDS, config().CONNECTIONS_PER_ACCOUNT))


def handler(event: Event, context: LambdaContext) -> dict[str, int]:
    """One frame or one change of a connection; 200 lets it in, 429 and any exception refuse it."""
    request = event["requestContext"]
    logger.info("websocket", extra={"route": request["routeKey"], "id": request["connectionId"]})
    try:
        ROUTES[request["routeKey"]](event)
    except TooManyConnections as refused:
        logger.warning("refused", extra={"id": request["connectionId"], "why": str(refused)})
        return {"statusCode": HTTPStatus.TOO_MANY_REQUESTS.value}
    return {"statusCode": HTTPStatus.OK.value}


def _connected(event: Event) -> None:
    connection = _connection(event)
    if not arrivals().opened(connection):
        _start_relay(connection)


def _disconnected(event: Event) -> None:
    arrivals().closed(event["requestContext"]["connectionId"])


def _said(event: Event) -> None:
    hearing().hear(_connection(event), event.get("body") or "")


def _connection(event: Event) -> Connection:
    request = event["requestContext"]
    # By the authorizer; a connection that came past it is refused.
    account = request["authorizer"]["account"]
    return Connection(request["connectionId"], account, _opened_at(request))


def _opened_at(request: Event) -> datetime:
    opened_ms = request.get("connectedAt")
    if opened_ms is None:
        return datetime.now(UTC)
    opened_at = datetime.fromtimestamp(opened_ms / 1000, UTC)
    if request["routeKey"] == "$default" and opened_ms == request.get("requestTimeEpoch"):
        # An emulator's way to say that it does not know: nobody speaks in the moment of connecting.
        # Were the connection forgotten, what it missed before would not be told.
        return opened_at - LONGEST_IDLE
    return opened_at


def _start_relay(connection: Connection) -> None:
    # Imported here: only the first client of a quiet stack pays for it.
    from .calling import call_relay

    call_relay(config().RELAY_FUNCTION, connection.shard(config().RELAY_SHARDS), "client")


@cache
def hearing() -> "Hearing":
    """Kept: its connection to API Gateway is."""
    # Imported here: most connections never say a word.
    from .said import Hearing

    return Hearing(config(), line(), arrivals(), _start_relay)


ROUTES: dict[str, Callable[[Event], None]] = {
    "$connect": _connected,
    "$disconnect": _disconnected,
    "$default": _said,
}
