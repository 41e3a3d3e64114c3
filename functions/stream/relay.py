"""The relay in Lambda: started by the schedule and the first client, ended by its time."""

import asyncio
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.config import RelayConfig, load
from sluice.observability import logger
from sluice.orders.database import Database
from sluice.orders.store import PostgresStore
from sluice.streaming.poster import ApiGatewayPoster
from sluice.streaming.relay import Relay
from sluice.streaming.valkey import connect

MARGIN_SECONDS = 10.0
"""Left over at the end for handing the lease on."""

loop = asyncio.new_event_loop()
config = cache(lambda: load(RelayConfig))


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Serves until its time is over, nobody listens, or another relay does it already."""
    seconds = context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
    logger.info("relay started", extra={"source": event.get("source"), "seconds": seconds})
    left = loop.run_until_complete(_live(seconds))
    logger.info("relay left", extra={"why": left})
    return {"left": left}


async def _live(seconds: float) -> str:
    database = Database(config().DATABASE_URL)
    valkey = connect(config().VALKEY_URL)
    listener = connect(config().VALKEY_URL, retries=0)
    poster = ApiGatewayPoster(config().WEBSOCKET_ENDPOINT, config().AWS_REGION)
    try:
        return await Relay(valkey, listener, PostgresStore(database), poster).run(seconds)
    finally:
        await asyncio.gather(database.close(), poster.close(), valkey.aclose(), listener.aclose())
