"""What Postgres says in the end: which orders there are, what they came to, how long they took."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final
from uuid import UUID

import boto3
import psycopg
from psycopg.rows import class_row

from local import ministack
from local.deploy import STACK_NAME
from sluice.orders.model import OrderStatus, Side

from .checks import Stored

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

FINAL: Final = [status.value for status in OrderStatus if status.final]
CONNECT_SECONDS: Final = 2
ORDERS, DEAD_LETTERS = "orders", "orders-dead"
COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How many orders ended so."""

    status: str
    reason: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Times:
    """From accepted to final, in seconds."""

    p50: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True)
class Effort:
    """How many orders needed more than one go."""

    claimed_again: int
    """By another worker, after the first had died or given up."""
    routed_again: int
    conflicts: int
    """Other bodies that only the worker could tell apart."""


def unfinished(database: str, accepted: Collection[UUID]) -> int | None:
    """How many orders are not final yet, known or not to Postgres; None while it is away."""
    try:
        with psycopg.connect(database, connect_timeout=CONNECT_SECONDS) as connection:
            row = connection.execute(
                """SELECT (SELECT count(*) FROM orders
                           WHERE status <> ALL(%(final)s::order_status[]))
                        + (SELECT count(*) FROM unnest(%(ids)s::uuid[]) AS id
                           WHERE id NOT IN (SELECT id FROM orders))""",
                {"final": FINAL, "ids": list(accepted)},
            ).fetchone()
    except psycopg.OperationalError:
        return None
    return int(row[0]) if row else None


def stored(connection: psycopg.Connection) -> dict[UUID, Stored]:
    """Every order that there is."""
    rows = connection.execute(
        """SELECT id, status, side, token_in, amount,
                  (SELECT count(*) FROM conflicts c WHERE c.order_id = o.id) FROM orders o"""
    )
    return {
        order_id: Stored(OrderStatus(status), Side(side), token_in, int(amount), conflicts)
        for order_id, status, side, token_in, amount, conflicts in rows
    }


def endings(connection: psycopg.Connection) -> list[Ending]:
    """By status and reason, the most frequent first."""
    with connection.cursor(row_factory=class_row(Ending)) as cursor:
        return cursor.execute(
            """SELECT status::text, reason::text, count(*) FROM orders
               GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"""
        ).fetchall()


def times(connection: psycopg.Connection) -> Times | None:
    """How long the orders took that are final; None if none is."""
    row = connection.execute(
        """SELECT percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (
               ORDER BY extract(epoch FROM e.recorded_at - o.accepted_at))
           FROM orders o JOIN order_events e ON e.order_id = o.id AND e.seq = o.seq
           WHERE o.status = ANY(%s::order_status[])""",
        [FINAL],
    ).fetchone()
    return Times(*row[0]) if row and row[0] else None


def effort(connection: psycopg.Connection) -> Effort:
    """What it took."""
    with connection.cursor(row_factory=class_row(Effort)) as cursor:
        found = cursor.execute(
            """SELECT count(*) FILTER (WHERE fence > 1) AS claimed_again,
                      count(*) FILTER (WHERE attempts > 0) AS routed_again,
                      (SELECT count(*) FROM conflicts) AS conflicts
               FROM orders"""
        ).fetchone()
    return found or Effort(0, 0, 0)


def events(connection: psycopg.Connection) -> set[tuple[UUID, int]]:
    """Every event that there is: the order's id, and its number there."""
    rows = connection.execute("SELECT order_id, seq FROM order_events")
    return {(order_id, seq) for order_id, seq in rows}


def messages(gateway: int) -> dict[str, int]:
    """What is left in the queues, whether it may be received now or later."""
    sqs = _sqs(gateway)
    left = {}
    for queue in (ORDERS, DEAD_LETTERS):
        url = sqs.get_queue_url(QueueName=f"{STACK_NAME}-{queue}")["QueueUrl"]
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(COUNTS))["Attributes"]
        left[queue] = sum(int(counts[name]) for name in COUNTS)
    return left


@cache
def _sqs(gateway: int) -> "SQSClient":
    return boto3.client(
        "sqs",
        endpoint_url=ministack.url(gateway),
        aws_access_key_id=ministack.CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ministack.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=ministack.REGION,
    )
