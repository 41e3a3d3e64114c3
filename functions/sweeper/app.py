"""The schedule that looks for orders nobody is at work on."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.config import SweeperConfig, load
from sluice.errors import SecretUnavailable
from sluice.observability import logger, metrics
from sluice.orders.database import Database
from sluice.orders.model import OrderTerms
from sluice.orders.store import PostgresStore
from sluice.secret import made_of
from sluice.streaming.publish import ValkeyPublisher
from sluice.streaming.registry import Registry
from sluice.streaming.valkey import Valkey, ValkeyError, connect
from sluice.streaming.waiting import WaitingOrders
from sluice.sweeper import Sweeper

loop = asyncio.new_event_loop()


config = cache(lambda: load(SweeperConfig))
_reached = cache(lambda: made_of(config().valkey_url, connect))


def valkey() -> Valkey:
    """The process's client: its connections live as long as it is where Valkey is.

    Raises `SecretUnavailable`.
    """
    return _reached()()


class _Returns:
    """The orders queue, for what is put back."""

    def send_all(self, terms: Sequence[OrderTerms]) -> None:
        # Imported here: it brings boto3, and most rounds find nothing.
        from sluice.orders.returns import SqsReturns

        SqsReturns(config().ORDERS_QUEUE_URL).send_all(terms)


@cache
def sweeper() -> Sweeper:
    """The process's sweeper."""
    return Sweeper(
        PostgresStore(Database(config().database_url)),
        WaitingOrders(valkey),
        _Returns(),
        ValkeyPublisher(valkey),
    )


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """One look; what it raises is logged by Lambda, and the next minute looks again."""
    loop.run_until_complete(_look_for_relays())
    found = asdict(loop.run_until_complete(sweeper().sweep(datetime.now(UTC))))
    for name, count in found.items():
        metrics.add_metric(f"Orders{name.title()}", MetricUnit.Count, count)
    logger.info("swept", extra=found)
    return found


async def _look_for_relays() -> None:
    """Counts the shards whose clients nobody serves.

    Here, because a relay that does not start cannot say so: where this says nothing for minutes
    the alarm goes off as well.
    """
    try:
        unserved = await Registry(valkey(), config().RELAY_SHARDS).unserved()
    except (ValkeyError, SecretUnavailable) as error:
        # Whether anybody tells where Valkey is: stuck orders are put back without it.
        logger.warning("relays not looked for", exc_info=error)
    else:
        metrics.add_metric("ShardsUnserved", MetricUnit.Count, len(unserved))
