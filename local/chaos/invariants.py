"""What must hold of every accepted order, however it came there: each a question to Postgres.

A question selects the ids of the orders that break it, for all orders at once. What the schema
refuses by itself is asked all the same: here the schema is under test too.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import scalar_row

from sluice.orders.model import TRANSITIONS, OrderStatus

EXAMPLES: Final = 5
"""Enough to look into, few enough for one line."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """`sql` selects the ids of the orders for which `sentence` is not true."""

    name: str
    sentence: str
    sql: str


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken invariant, how often, the ids of some of the orders, and the first in words."""

    name: str
    sentence: str
    count: int
    examples: tuple[UUID, ...]
    detail: str = ""


INVARIANTS: Final = (
    Invariant(
        "accepted is stored",
        "every accepted order is in Postgres",
        "SELECT id FROM unnest(%(ids)s::uuid[]) AS id EXCEPT SELECT id FROM orders",
    ),
    Invariant(
        "every order ends",
        "every order has a final status",
        """SELECT id FROM orders
           WHERE id = ANY(%(ids)s) AND status <> ALL(%(final)s::order_status[])""",
    ),
    Invariant(
        "one end",
        "no order has more than one final event",
        """SELECT order_id FROM order_events
           WHERE order_id = ANY(%(ids)s) AND status = ANY(%(final)s::order_status[])
           GROUP BY order_id HAVING count(*) > 1""",
    ),
    Invariant(
        "the end is last",
        "no event follows a final one",
        """SELECT order_id FROM order_events WHERE order_id = ANY(%(ids)s) GROUP BY order_id
           HAVING min(seq) FILTER (WHERE status = ANY(%(final)s::order_status[])) < max(seq)""",
    ),
    Invariant(
        "status is the last event's",
        "an order's status is that of its last event",
        """SELECT o.id FROM orders o LEFT JOIN order_events e ON e.order_id = o.id
           WHERE o.id = ANY(%(ids)s) GROUP BY o.id
           HAVING (array_agg(e.status ORDER BY e.seq DESC))[1] IS DISTINCT FROM o.status""",
    ),
    Invariant(
        "seq has no gap",
        "an order's events are numbered from 1 without a gap, up to the order's own seq",
        """SELECT o.id FROM orders o LEFT JOIN order_events e ON e.order_id = o.id
           WHERE o.id = ANY(%(ids)s) GROUP BY o.id
           HAVING count(e.seq) <> o.seq OR min(e.seq) IS DISTINCT FROM 1
               OR max(e.seq) IS DISTINCT FROM o.seq""",
    ),
    Invariant(
        "legal steps",
        "every order begins as PENDING, and each next event is a legal transition",
        """SELECT DISTINCT order_id FROM (
               SELECT order_id, status,
                      lag(status) OVER (PARTITION BY order_id ORDER BY seq) AS before
               FROM order_events WHERE order_id = ANY(%(ids)s)) AS step
           WHERE CASE WHEN before IS NULL THEN status <> 'PENDING'
                 ELSE (before::text, status::text) NOT IN (
                     SELECT * FROM unnest(%(olds)s::text[], %(news)s::text[])) END""",
    ),
    Invariant(
        "fills are of the confirmed",
        "an order has fills if it is CONFIRMED, and only then",
        """SELECT id FROM orders o
           WHERE id = ANY(%(ids)s) AND (status = 'CONFIRMED') <>
                 EXISTS (SELECT FROM fills f WHERE f.order_id = o.id)""",
    ),
    Invariant(
        "fills add up",
        "the fills of the first hop add up to amount_in, those of the last hop to amount_out",
        """SELECT o.id FROM orders o
           JOIN (SELECT *, max(hop) OVER (PARTITION BY order_id) AS last FROM fills
                 WHERE order_id = ANY(%(ids)s)) AS f ON f.order_id = o.id
           GROUP BY o.id
           HAVING sum(f.amount_in) FILTER (WHERE f.hop = 0) IS DISTINCT FROM o.amount_in
               OR sum(f.amount_out) FILTER (WHERE f.hop = f.last) IS DISTINCT FROM o.amount_out""",
    ),
    Invariant(
        "hops join",
        "fills lead from tokenIn to tokenOut, and no hop takes more than the one before it paid",
        """SELECT hop.order_id FROM (
               SELECT order_id, hop, min(token_in) AS token_in, min(token_out) AS token_out,
                      sum(amount_in) AS taken, sum(amount_out) AS paid,
                      count(DISTINCT (token_in, token_out)) AS kinds,
                      row_number() OVER way - 1 AS place, lag(sum(amount_out)) OVER way AS funds,
                      lag(min(token_out)) OVER way AS arrived,
                      lead(hop) OVER way IS NULL AS last
               FROM fills WHERE order_id = ANY(%(ids)s) GROUP BY order_id, hop
               WINDOW way AS (PARTITION BY order_id ORDER BY hop)) AS hop
           JOIN orders o ON o.id = hop.order_id
           WHERE kinds > 1 OR hop <> place OR taken > funds
              OR hop.token_in <> coalesce(arrived, o.token_in)
              OR last AND hop.token_out <> o.token_out
           GROUP BY hop.order_id""",
    ),
    Invariant(
        "the order is filled whole",
        "what the order fixed, amount_in or amount_out, was filled to the last unit",
        # No partial fills: a pool that cannot take all of its part refuses all of it.
        """SELECT id FROM orders WHERE id = ANY(%(ids)s) AND status = 'CONFIRMED'
           AND CASE swap_mode WHEN 'EXACT_IN' THEN amount_in ELSE amount_out END <> amount""",
    ),
    Invariant(
        "limits are kept",
        "no order was filled below minAmountOut or at a price worse than limitPrice",
        """SELECT id FROM orders WHERE id = ANY(%(ids)s) AND status = 'CONFIRMED'
           AND (amount_out < min_amount_out
                OR CASE side WHEN 'BUY' THEN execution_price > limit_price
                   ELSE execution_price < limit_price END)""",
    ),
    Invariant(
        "one reference",
        "an order's fills carry its one txHash, and no other order has it",
        """SELECT o.id FROM orders o JOIN fills f ON f.order_id = o.id
           WHERE o.id = ANY(%(ids)s) AND f.reference IS DISTINCT FROM o.tx_hash
           UNION
           SELECT o.id FROM orders o JOIN orders other USING (tx_hash)
           WHERE o.id = ANY(%(ids)s) AND o.id <> other.id""",
    ),
    Invariant(
        "a reason for failing",
        "an order has a reason if it is FAILED, and only then",
        """SELECT id FROM orders
           WHERE id = ANY(%(ids)s) AND (status = 'FAILED') <> (reason IS NOT NULL)""",
    ),
)
"""In the order in which an order meets them."""

_PARAMETERS: Final = {
    "final": [status.value for status in OrderStatus if status.final],
    "olds": [old.value for old, news in TRANSITIONS.items() for _ in news],
    "news": [new.value for news in TRANSITIONS.values() for new in news],
}


def violations(connection: psycopg.Connection[Any], order_ids: Collection[UUID]) -> list[Violation]:
    """Which of `INVARIANTS` the accepted orders `order_ids` break; empty when all hold.

    Each is asked in a statement of its own: while workers still move the orders, an answer is true
    of its own moment. Raises psycopg's errors.
    """
    parameters = {**_PARAMETERS, "ids": list(order_ids)}
    found = []
    with connection.cursor(row_factory=scalar_row) as cursor:
        for invariant in INVARIANTS:
            ids = sorted(cursor.execute(invariant.sql, parameters).fetchall())
            if ids:
                found.append(violation(invariant.name, invariant.sentence, ids))
    return found


def violation(name: str, sentence: str, order_ids: Collection[UUID]) -> Violation:
    """A violation by `order_ids`, with the first few of them as examples."""
    return Violation(name, sentence, len(order_ids), tuple(sorted(order_ids)[:EXAMPLES]))
