"""The relay in Lambda: started by the schedule, the first client and the relay before it."""

import asyncio
from functools import cache
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.config import RelayConfig, load
from sluice.observability import Often, logger
from sluice.orders.database import Database
from sluice.orders.store import PostgresStore
from sluice.streaming.history import OneAtATime
from sluice.streaming.poster import ApiGatewayPoster
from sluice.streaming.registry import Registry
from sluice.streaming.relay import Relay
from sluice.streaming.valkey import Valkey, connect

MARGIN_SECONDS = 10.0
"""Left over at the end for handing the lease on."""
FIRST_SHARD = 0
WRITE_SECONDS = 10.0
"""How often a relay writes its metric: it lives too long to do so at its end."""

delivery_lag = Often("DeliveryLag", MetricUnit.Milliseconds)
loop = asyncio.new_event_loop()
config = cache(lambda: load(RelayConfig))


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Serves a shard until its time is over, nobody listens, or another relay does it already.

    Of an event that names no shard, the schedule's, it serves the first and starts the others.
    """
    left = context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
    seconds = min(left, config().RELAY_LIFE_SECONDS)
    shard = event.get("shard")
    extra = {"source": event.get("source"), "shard": shard, "seconds": seconds}
    logger.info("relay started", extra=extra)
    # With the alias that this one was called by: the next relay is of the same.
    why = loop.run_until_complete(_live(shard, seconds, context.invoked_function_arn))
    logger.info("relay left", extra={"why": why})
    return {"left": why}


async def _live(shard: int | None, seconds: float, function: str) -> str:
    database = Database(config().database_url)
    valkey = connect(config().valkey_url())
    listener = connect(config().valkey_url(), retries=0)
    poster = ApiGatewayPoster(config().WEBSOCKET_ENDPOINT, config().AWS_REGION)
    served = FIRST_SHARD if shard is None else shard

    async def call_next() -> bool:
        return await _start(function, served, "relay")

    writing = asyncio.create_task(_keep_writing())
    try:
        if shard is None:
            await _start_others(valkey, function)
        return await Relay(
            valkey,
            listener,
            OneAtATime(PostgresStore(database)),
            poster,
            served,
            config().RELAY_SHARDS,
            call_next,
            late=late,
        ).run(seconds)
    finally:
        writing.cancel()
        delivery_lag.write()
        await asyncio.gather(database.close(), poster.close(), valkey.aclose(), listener.aclose())


def late(seconds: float) -> None:
    """Counts an event that was posted so long after it happened."""
    delivery_lag.add(seconds * 1000)


async def _keep_writing() -> None:
    while True:
        await asyncio.sleep(WRITE_SECONDS)
        delivery_lag.write()


async def _start_others(valkey: Valkey, function: str) -> None:
    registry = Registry(valkey, config().RELAY_SHARDS)
    for shard in await registry.unserved():
        if shard != FIRST_SHARD:
            await _start(function, shard, "schedule")


async def _start(function: str, shard: int, source: str) -> bool:
    # Imported here: a relay that serves alone needs it once in its life.
    from .calling import call_relay

    return await asyncio.to_thread(call_relay, function, shard, source)
