"""A worker in a process: one batch after the other, as Lambda runs it, or several in flight."""

import asyncio
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

from sluice.config import WorkerConfig, load
from sluice.engine import Deadline, Engine, SystemClock
from sluice.markets.catalog import catalog
from sluice.markets.live import live_market
from sluice.orders.database import Database
from sluice.orders.message import decode, encode
from sluice.orders.store import PostgresStore
from sluice.routing.router import Router
from sluice.settlement.paper import PaperSettlement
from sluice.streaming.publish import ValkeyPublisher
from sluice.streaming.valkey import connect
from worker.app import loop
from worker.start import handler

from .invocation import Invocation
from .orders import terms
from .peer import Answer, serve

BATCH = 10


def work(orders: int) -> Answer:
    """Takes that many orders through the function, one batch after the other."""
    events = _events(orders)
    context = Invocation()
    cpu, began = time.process_time(), time.perf_counter()
    for event in events:
        handler(event, context)
    return _taken(cpu, began)


def overlap(orders: int, in_flight: int) -> Answer:
    """The same through as many engines, each one batch after the other, all in one event loop."""
    events = iter(_events(orders))
    cpu, began = time.process_time(), time.perf_counter()
    loop.run_until_complete(_all(events, in_flight))
    return _taken(cpu, began)


async def _all(events: Iterator[dict[str, Any]], in_flight: int) -> None:
    async def take(engine: Engine) -> None:
        for event in events:
            batch = [decode(record["body"]) for record in event["Records"]]
            await engine.execute(batch, Deadline(Invocation.SECONDS))

    await asyncio.gather(*(take(engine) for engine in _engines(in_flight)))


@cache
def _engines(count: int) -> list[Engine]:
    """Each with connections of its own, over one market: as `bootstrap` makes one."""
    config = load(WorkerConfig)
    tokens = catalog(config.MARKETS)
    market = live_market(tokens, config.rpc_url, config.VENUE_TIMEOUT_MS / 1000)
    router, settlement = Router(tokens, config.LEG_COST_LAMPORTS), PaperSettlement(market)
    return [
        Engine(
            PostgresStore(Database(config.DATABASE_URL)),
            market,
            router,
            tokens,
            settlement,
            ValkeyPublisher(connect(config.VALKEY_URL)),
            SystemClock(),
            config.LEASE_SECONDS,
        )
        for _ in range(count)
    ]


def _events(orders: int) -> list[dict[str, Any]]:
    messages = [_message(number) for number in range(orders)]
    return [{"Records": messages[at : at + BATCH]} for at in range(0, orders, BATCH)]


def _taken(cpu: float, began: float) -> Answer:
    return {"seconds": time.perf_counter() - began, "cpuSeconds": time.process_time() - cpu}


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
    serve({"work": work, "overlap": overlap})
