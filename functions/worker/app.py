"""SQS batch -> engine -> which messages must come again, and when."""

import asyncio
import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.config import WorkerConfig, load
from sluice.engine import Again, BatchOutcome, Deadline, Engine, bootstrap
from sluice.errors import DatabaseUnavailable, SecretUnavailable
from sluice.observability import by_reason, by_venue, logger, metrics
from sluice.orders.message import MessageInvalid, decode
from sluice.orders.model import OrderTerms
from sluice.orders.received import Received, patience

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

    from sluice.orders.redelivery import Redelivery

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)

_RANDOM = random.SystemRandom()
config = cache(lambda: load(WorkerConfig))


@cache
def composed() -> Engine:
    """The process's engine: its connections live as long as the process."""
    return bootstrap(config())


def engine() -> Engine:
    """The same, for a batch."""
    made = composed()
    # Should it be time to ask for the secret anew, then here, where no venue's time runs.
    config().rpc_url()
    return made


@cache
def redelivery() -> "Redelivery":
    """The queues that this worker is fed from."""
    # Imported here: it brings boto3, and most batches are done with at once.
    from sluice.orders.redelivery import Redelivery

    return Redelivery(config().ORDERS_QUEUE_URL, config().DEAD_LETTER_QUEUE_URL)


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> "PartialItemFailureResponse":
    """Executes the batch as a whole; a message that is no order fails alone, up to the DLQ."""
    batch = Batch([Received.of(record) for record in event["Records"]])
    batch.execute(_ProcessEngine(), Deadline(context.get_remaining_time_in_millis() / 1000))
    left = batch.see_to_faults(redelivery()) if batch.faults else []
    by_venue.write()
    by_reason.write()
    logger.info("batch", extra={"orders": batch.order_ids, "messages": len(event["Records"])})
    return {"batchItemFailures": [{"itemIdentifier": message.id} for message in left]}


class Queues(Protocol):
    """What a batch needs of SQS; see `Redelivery`."""

    def come_again(self, messages: Sequence[tuple[Received, float]]) -> None: ...

    def renew(self, message: Received, seconds: float) -> bool: ...

    def bury(self, message: Received, error: str) -> bool: ...


class Executor(Protocol):
    """What a batch needs of the engine."""

    async def execute(self, terms: Sequence[OrderTerms], deadline: Deadline) -> BatchOutcome: ...


class _ProcessEngine:
    """`engine()`, made no sooner than it is to execute: where it cannot be, the batch waits."""

    async def execute(self, terms: Sequence[OrderTerms], deadline: Deadline) -> BatchOutcome:
        return await engine().execute(terms, deadline)


class Batch:
    """The messages of one invocation, and what became of each."""

    def __init__(self, messages: Sequence[Received]) -> None:
        self._orders: list[tuple[Received, OrderTerms]] = []
        self.faults: list[tuple[Received, Again]] = []
        """The messages that are not done with."""
        for message in messages:
            try:
                self._orders.append((message, decode(message.body)))
            except MessageInvalid as invalid:
                self.faults.append((message, Again(f"not an order: {invalid}", broken=True)))

    @property
    def order_ids(self) -> list[str]:
        return [str(order.id) for _, order in self._orders]

    def execute(self, engine: Executor, deadline: Deadline) -> None:
        """Runs the engine over all orders at once. Never raises: what failed comes again."""
        metrics.add_metric("OrdersReceived", MetricUnit.Count, len(self._orders))
        try:
            work = engine.execute([order for _, order in self._orders], deadline)
            retry = loop.run_until_complete(work).retry
        except Exception as error:
            # Whatever it was, nothing was lost: the messages are still in the queue.
            logger.exception("batch failed", extra={"order_ids": self.order_ids})
            # That Postgres is gone is no message's fault: none is given up for it. Nor that a
            # secret cannot be read: SQS alone would bury them all within minutes, unclaimed.
            broken = not isinstance(error, DatabaseUnavailable | SecretUnavailable)
            if isinstance(error, SecretUnavailable):
                # But the alarm hears of it, and so the canary: a release may not be let read it.
                metrics.add_metric("MessagesBroken", MetricUnit.Count, len(self._orders))
            again = Again(f"{type(error).__name__}: {error}", broken=broken)
            retry = {order.id: again for _, order in self._orders}
        self.faults += [(m, retry[order.id]) for m, order in self._orders if order.id in retry]

    def see_to_faults(
        self, queues: Queues, jitter: Callable[[int], int] = _RANDOM.randrange
    ) -> list[Received]:
        """Has each unfinished message come again in its time, or no more; those SQS must keep."""
        # Lambda sees no error in what is given back: alarms, and by them the canary, see this.
        if broken := sum(again.broken for _, again in self.faults):
            metrics.add_metric("MessagesBroken", MetricUnit.Count, broken)
        kept = []
        for message, again in self.faults:
            seconds = again.seconds
            if seconds is None:
                seconds = patience(message.receives, jitter)
            about = {"message_id": message.id, "receives": message.receives, "why": again.why}
            logger.warning("message not done with", extra=about | {"seconds": seconds})
            if not (message.last and self._replaced(queues, message, again, seconds)):
                kept.append((message, seconds))
        queues.come_again(kept)
        return [message for message, _ in kept]

    def _replaced(self, queues: Queues, message: Received, again: Again, seconds: float) -> bool:
        """Whether another message stands for this one, which SQS would not hand out again."""
        if not again.broken:
            return queues.renew(message, seconds)
        metrics.add_metric("MessagesGivenUp", MetricUnit.Count, 1)
        return queues.bury(message, again.why)
