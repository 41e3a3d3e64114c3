"""The schedule that looks for orders nobody is at work on."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.config import SweeperConfig, load
from sluice.observability import logger, metrics
from sluice.orders.database import Database
from sluice.orders.returns import SqsReturns
from sluice.orders.store import PostgresStore
from sluice.streaming.accepted import WaitingOrders
from sluice.streaming.publish import ValkeyPublisher
from sluice.streaming.valkey import connect
from sluice.sweeper import Sweeper

loop = asyncio.new_event_loop()


@cache
def sweeper() -> Sweeper:
    """The process's sweeper: its connections live as long as the process."""
    config = load(SweeperConfig)
    valkey = connect(config.valkey_url())
    return Sweeper(
        PostgresStore(Database(config.database_url)),
        WaitingOrders(valkey),
        SqsReturns(config.ORDERS_QUEUE_URL),
        ValkeyPublisher(valkey),
    )


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """One look; what it raises is logged by Lambda, and the next minute looks again."""
    found = asdict(loop.run_until_complete(sweeper().sweep(datetime.now(UTC))))
    for name, count in found.items():
        metrics.add_metric(f"Orders{name.title()}", MetricUnit.Count, count)
    logger.info("swept", extra=found)
    return found
