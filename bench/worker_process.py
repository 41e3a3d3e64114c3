"""The worker function as Lambda runs it: one process, one batch after the other."""

import time
from typing import Any

from sluice.orders.message import encode
from worker.app import handler

from .invocation import Invocation
from .orders import terms
from .peer import Answer, serve

BATCH = 10


def work(orders: int) -> Answer:
    """Takes that many orders through."""
    messages = [_message(number) for number in range(orders)]
    events = [{"Records": messages[at : at + BATCH]} for at in range(0, orders, BATCH)]
    context = Invocation()
    cpu, began = time.process_time(), time.perf_counter()
    for event in events:
        handler(event, context)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"seconds": seconds, "cpuSeconds": cpu}


def _message(number: int) -> dict[str, Any]:
    """A record of an SQS event."""
    order = terms(number)
    return {
        "messageId": f"message-{number}",
        "receiptHandle": f"receipt-{number}",
        "body": encode(order),
        "eventSource": "aws:sqs",
        "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": order.account},
    }


if __name__ == "__main__":
    serve({"work": work})
