"""SQS batch -> engine -> which messages must come again."""

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.config import WorkerConfig, load
from sluice.engine import BatchOutcome, Deadline, Engine, bootstrap
from sluice.observability import logger, metrics
from sluice.orders.message import MessageInvalid, decode
from sluice.orders.model import OrderTerms

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


@cache
def engine() -> Engine:
    """The process's engine: its connections live as long as the process."""
    return bootstrap(load(WorkerConfig))


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Executes the batch as a whole; a message that is no order fails alone, up to the DLQ."""
    batch = Batch(event["Records"])
    batch.execute(engine(), Deadline(context.get_remaining_time_in_millis() / 1000))
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, batch.result, processor, context)


class ComesAgain(Exception):
    """This message is not done with: SQS hands it out again, in the end to the DLQ."""


class Executor(Protocol):
    """What a batch needs of the engine."""

    async def execute(self, terms: Sequence[OrderTerms], deadline: Deadline) -> BatchOutcome: ...


class Batch:
    """The orders of one invocation, and what became of each message."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._orders: dict[str, OrderTerms] = {}
        self._faults: dict[str, str] = {}
        for record in records:
            try:
                self._orders[record["messageId"]] = decode(record["body"])
            except MessageInvalid as invalid:
                self._faults[record["messageId"]] = f"not an order: {invalid}"

    def execute(self, engine: Executor, deadline: Deadline) -> None:
        """Runs the engine over all orders at once. Never raises: what failed comes again."""
        orders = list(self._orders.values())
        metrics.add_metric("OrdersReceived", MetricUnit.Count, len(orders))
        try:
            retry = loop.run_until_complete(engine.execute(orders, deadline)).retry
        except Exception as error:
            # Whatever it was, nothing was lost: the messages are still in the queue.
            logger.exception("batch failed", extra={"order_ids": [str(o.id) for o in orders]})
            retry = dict.fromkeys(
                (order.id for order in orders), f"{type(error).__name__}: {error}"
            )
        for message_id, order in self._orders.items():
            if order.id in retry:
                self._faults[message_id] = retry[order.id]

    def result(self, record: SQSRecord) -> None:
        """What Powertools asks for each message; raises `ComesAgain`."""
        order = self._orders.get(record.message_id)
        about = {"order_id": order and str(order.id), "message_id": record.message_id}
        fault = self._faults.get(record.message_id)
        if fault is not None:
            logger.warning("message comes again", extra={**about, "why": fault})
            raise ComesAgain(fault)
        logger.info("order done", extra=about)
