"""The API function as Lambda runs it: one process, one request after the other."""

import json
import time
from statistics import median
from typing import Any, cast
from uuid import uuid4

import mangum.types

from api.start import handler
from tests.http import http_event

from .invocation import Invocation
from .orders import account, body
from .peer import Answer, serve

KEYED = 10
"""One order of so many has an Idempotency-Key."""


def accept(orders: int) -> Answer:
    """Places that many orders; raises when one is not accepted."""
    events = [_event(number) for number in range(orders)]
    context = cast("mangum.types.LambdaContext", Invocation())
    statuses: list[int] = []
    seconds: list[float] = []
    cpu = time.process_time()
    for event in events:
        began = time.perf_counter()
        statuses.append(handler(event, context)["statusCode"])
        seconds.append(time.perf_counter() - began)
    cpu = time.process_time() - cpu
    if refused := [status for status in statuses if status != 201]:
        raise RuntimeError(f"{len(refused)} of {orders} orders were not accepted: {refused[0]}")
    return {"cpuSeconds": cpu, "p50Millis": median(seconds) * 1000}


def _event(number: int) -> dict[str, Any]:
    event = http_event(
        "POST", "/api/orders/execute", json.dumps(body(number)), account=account(number)
    )
    if number % KEYED == 0:
        event["headers"]["idempotency-key"] = str(uuid4())
    return event


if __name__ == "__main__":
    serve({"accept": accept})
