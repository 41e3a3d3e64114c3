"""All the SQL there is. Postgres is the truth; every unit of work here is one transaction.

A batch costs two round trips, `claim` and `record`, however many orders it holds: the statements
of each travel in one pipeline, and each statement handles the whole batch as a set.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from psycopg.types.json import Jsonb

from sluice.errors import FailReason

from .database import Connection, Database
from .model import (
    Fill,
    Order,
    OrderEvent,
    OrderStatus,
    OrderTerms,
    OrderType,
    Outcome,
    Side,
    SwapMode,
    VenueQuote,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a batch's claim found.

    `orders` are ours to execute. `finished` were final before, `busy` are leased by another worker.
    `events` are all events of `orders` and `finished`: whoever claimed them before may have died
    between its commit and its publish.
    """

    orders: tuple[Order, ...]
    finished: frozenset[UUID]
    busy: frozenset[UUID]
    events: tuple[OrderEvent, ...]


@dataclass(frozen=True, slots=True)
class Execution:
    """What a claimed order came to: its new events, with the quotes and fills behind them."""

    order: Order
    events: tuple[OrderEvent, ...]
    quotes: tuple[VenueQuote, ...]
    fills: tuple[Fill, ...] = ()


class OrderStore(Protocol):
    """What the engine asks of a store."""

    async def claim(
        self, terms: Sequence[OrderTerms], now: datetime, lease_seconds: int
    ) -> Claim: ...

    async def record(self, executions: Sequence[Execution]) -> frozenset[UUID]: ...


_ACCEPT = """
WITH accepted AS (
    INSERT INTO orders (id, account, type, side, token_in, token_out, swap_mode, amount,
                        slippage_bps, max_splits, limit_price, min_amount_out, accepted_at,
                        status, seq, updated_at)
    SELECT id, account, type, side, token_in, token_out, swap_mode, amount,
           slippage_bps, max_splits, limit_price, min_amount_out, accepted_at,
           'PENDING', 1, accepted_at
    FROM jsonb_to_recordset(%(terms)s) AS t (
        id uuid, account text, type order_type, side order_side, token_in text, token_out text,
        swap_mode swap_mode, amount u64, slippage_bps int, max_splits int, limit_price numeric,
        min_amount_out u64, accepted_at timestamptz)
    -- In one order everywhere: two workers with overlapping batches must not deadlock.
    ORDER BY id
    ON CONFLICT (id) DO NOTHING
    RETURNING id, accepted_at
)
INSERT INTO order_events (order_id, seq, status, at)
SELECT id, 1, 'PENDING', accepted_at FROM accepted
"""

_LEASE = """
WITH free AS (
    SELECT id, status FROM orders
    WHERE id = ANY(%(ids)s) AND status IN ('PENDING', 'ROUTING') AND lease_until < now()
    ORDER BY id FOR UPDATE
), leased AS (
    UPDATE orders o
    SET status = 'ROUTING', seq = o.seq + (free.status = 'PENDING')::int, fence = o.fence + 1,
        lease_until = now() + make_interval(secs => %(lease_seconds)s), updated_at = %(now)s
    FROM free WHERE o.id = free.id
    RETURNING o.*, free.status AS was
), begun AS (
    INSERT INTO order_events (order_id, seq, status, at)
    SELECT id, seq, status, updated_at FROM leased WHERE was = 'PENDING'
)
SELECT * FROM leased
"""

_EVENTS_OF = """
SELECT e.*, o.account, o.status AS order_status
FROM order_events e JOIN orders o ON o.id = e.order_id
WHERE e.order_id = ANY(%(ids)s) ORDER BY e.order_id, e.seq
"""

_ADVANCE = """
WITH step AS (
    SELECT * FROM jsonb_to_recordset(%(steps)s) AS s (
        order_id uuid, fence int, seq int, status order_status, at timestamptz, detail jsonb,
        venue venue, tx_hash text, amount_in u64, amount_out u64, execution_price numeric,
        reason fail_reason)
), moved AS (
    UPDATE orders o
    SET status = s.status, seq = s.seq, updated_at = s.at, reason = s.reason,
        venue = coalesce(s.venue, o.venue), tx_hash = coalesce(s.tx_hash, o.tx_hash),
        amount_in = coalesce(s.amount_in, o.amount_in),
        amount_out = coalesce(s.amount_out, o.amount_out),
        execution_price = coalesce(s.execution_price, o.execution_price)
    FROM step s
    -- The fence refuses a worker whose lease was lost; seq refuses a step out of turn.
    WHERE o.id = s.order_id AND o.fence = s.fence AND o.seq = s.seq - 1
    RETURNING o.id
)
INSERT INTO order_events (order_id, seq, status, detail, at)
SELECT s.order_id, s.seq, s.status, s.detail, s.at FROM step s JOIN moved ON moved.id = s.order_id
RETURNING order_id
"""

_WHY = """
WITH quoted AS (
    INSERT INTO quotes (order_id, fence, hop, venue, pool, token_in, token_out, slot,
                        amount_in, amount_out, leg_in, leg_out, fees, impact_ppm, error)
    SELECT q.order_id, q.fence, q.hop, q.venue, q.pool, q.token_in, q.token_out, q.slot,
           q.amount_in, q.amount_out, q.leg_in, q.leg_out, q.fees, q.impact_ppm, q.error
    FROM jsonb_to_recordset(%(quotes)s) AS q (
        order_id uuid, fence int, hop int, venue venue, pool text, token_in text, token_out text,
        slot bigint, amount_in u64, amount_out u64, leg_in u64, leg_out u64, fees jsonb,
        impact_ppm int, error text)
    JOIN orders o ON o.id = q.order_id AND o.fence = q.fence
)
INSERT INTO fills (order_id, leg, hop, venue, pool, token_in, token_out, slot,
                   amount_in, amount_out, fees, reference)
SELECT f.order_id, f.leg, f.hop, f.venue, f.pool, f.token_in, f.token_out, f.slot,
       f.amount_in, f.amount_out, f.fees, f.reference
FROM jsonb_to_recordset(%(fills)s) AS f (
    order_id uuid, fence int, leg int, hop int, venue venue, pool text, token_in text,
    token_out text, slot bigint, amount_in u64, amount_out u64, fees jsonb, reference text)
JOIN orders o ON o.id = f.order_id AND o.fence = f.fence
"""

_LIST = """
SELECT * FROM orders
WHERE account = %(account)s
  AND (%(before_at)s::timestamptz IS NULL
       OR (accepted_at, id) < (%(before_at)s, %(before_id)s::uuid))
ORDER BY accepted_at DESC, id DESC LIMIT %(limit)s
"""

_SINCE = """
SELECT e.*, o.account FROM order_events e JOIN orders o ON o.id = e.order_id
WHERE e.recorded_at >= %(since)s AND o.account = ANY(%(accounts)s) ORDER BY e.xid, e.order_id, e.seq
"""


class PostgresStore:
    """The store of a process.

    Every method raises `DatabaseUnavailable` when Postgres is gone or stalls, and `StoreRefused`
    when it will not take what it is given.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, terms: Sequence[OrderTerms], now: datetime, lease_seconds: int) -> Claim:
        """Stores what is new of `terms` and leases what is free; one round trip.

        A re-claim of an order whose worker died keeps its status and seq and raises its fence.
        """
        ids = [order.id for order in terms]
        async with self._transaction() as connection:
            await connection.execute(_ACCEPT, {"terms": _json([_fields(t) for t in terms])})
            leased = await connection.execute(
                _LEASE, {"ids": ids, "lease_seconds": lease_seconds, "now": now}
            )
            rows = await connection.execute(_EVENTS_OF, {"ids": ids})
        orders = tuple(_order(row) for row in await leased.fetchall())
        ours = {order.terms.id for order in orders}
        finished, events = set(), []
        for row in await rows.fetchall():
            if OrderStatus(row["order_status"]).final:
                finished.add(row["order_id"])
            if row["order_id"] in ours or row["order_id"] in finished:
                events.append(_event(row))
        busy = frozenset(ids) - ours - finished
        return Claim(orders, frozenset(finished), busy, tuple(events))

    async def record(self, executions: Sequence[Execution]) -> frozenset[UUID]:
        """Stores the events, quotes and fills of claimed orders; one transaction and round trip.

        Returns the ids that were recorded: the others' leases were lost to another worker.
        """
        waves: list[list[dict[str, object]]] = []
        for execution in executions:
            for depth, event in enumerate(execution.events):
                if depth == len(waves):
                    waves.append([])
                waves[depth].append(_step(execution.order.fence, event))
        quotes = [_behind(e.order, quote) for e in executions for quote in e.quotes]
        fills = [
            {"leg": leg, **_behind(e.order, fill)}
            for e in executions
            for leg, fill in enumerate(e.fills)
        ]
        async with self._transaction() as connection:
            # A wave per status: the trigger sees each order walk every step of its way.
            moved = [await connection.execute(_ADVANCE, {"steps": _json(w)}) for w in waves]
            await connection.execute(_WHY, {"quotes": _json(quotes), "fills": _json(fills)})
        return frozenset([row["order_id"] for row in await moved[0].fetchall()] if moved else [])

    async def order(self, account: str, order_id: UUID) -> Row | None:
        """The order's row with its fills, or None if the account has none of that id."""
        rows = await self._read(
            """SELECT o.*, coalesce((SELECT jsonb_agg(to_jsonb(f) ORDER BY f.leg) FROM fills f
                                     WHERE f.order_id = o.id), '[]') AS fills
               FROM orders o WHERE o.id = %(id)s AND o.account = %(account)s""",
            {"id": order_id, "account": account},
        )
        return rows[0] if rows else None

    async def orders(
        self, account: str, limit: int, before: tuple[datetime, UUID] | None = None
    ) -> list[Row]:
        """The account's orders, newest first, from behind `before`."""
        before_at, before_id = before or (None, None)
        return await self._read(
            _LIST,
            {"account": account, "limit": limit, "before_at": before_at, "before_id": before_id},
        )

    async def timeline(
        self, account: str, order_id: UUID
    ) -> tuple[Row, list[Row], list[Row]] | None:
        """The order, its events and its quotes, or None if the account has none of that id."""
        key = {"id": order_id, "account": account}
        async with self._transaction() as connection:
            order = await connection.execute(
                "SELECT * FROM orders WHERE id = %(id)s AND account = %(account)s", key
            )
            events = await connection.execute(
                "SELECT * FROM order_events WHERE order_id = %(id)s ORDER BY seq", key
            )
            quotes = await connection.execute(
                """SELECT * FROM quotes WHERE order_id = %(id)s
                   ORDER BY fence, hop, amount_out DESC NULLS LAST, pool""",
                key,
            )
        found = await order.fetchone()
        if found is None:
            return None
        return found, list(await events.fetchall()), list(await quotes.fetchall())

    async def events_since(
        self, since: datetime, accounts: Iterable[str]
    ) -> list[tuple[datetime, OrderEvent]]:
        """The accounts' events written at or after `since`, each with when, in commit order."""
        rows = await self._read(_SINCE, {"since": since, "accounts": list(accounts)})
        return [(row["recorded_at"], _event(row)) for row in rows]

    async def ping(self) -> None:
        """Raises `DatabaseUnavailable` unless Postgres answers and is migrated."""
        await self._read("SELECT 1 FROM orders LIMIT 1", {})

    async def _read(self, sql: str, parameters: Mapping[str, object]) -> list[Row]:
        async with self._database.work() as connection:
            return list(await (await connection.execute(sql, parameters)).fetchall())

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        """One transaction in one round trip: results are there once the block is left.

        Postgres runs what lies between two syncs of a pipeline as one implicit transaction;
        an explicit one would cost a round trip for its BEGIN and one for its COMMIT.
        """
        async with self._database.work() as connection, connection.pipeline():
            yield connection


def _default(value: object) -> str:
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not stored")


def _json(value: object) -> Jsonb:
    return Jsonb(value, dumps=_dumps)


def _dumps(value: object) -> str:
    return json.dumps(value, default=_default, separators=(",", ":"))


def _fields(record: "DataclassInstance") -> dict[str, object]:
    # asdict would copy deep, and slowly; these are flat.
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _step(fence: int, event: OrderEvent) -> dict[str, object]:
    known = _known(event.outcome)
    return {
        "order_id": event.order_id,
        "fence": fence,
        "seq": event.seq,
        "status": event.status,
        "at": event.at,
        "detail": known,
        **known,
    }


def _known(outcome: Outcome) -> dict[str, object]:
    # A price goes as a string: JSON would keep it, but its readers make floats of numbers.
    price = outcome.execution_price
    fields = {
        "venue": outcome.venue,
        "tx_hash": outcome.tx_hash,
        "amount_in": None if outcome.amount_in is None else str(outcome.amount_in),
        "amount_out": None if outcome.amount_out is None else str(outcome.amount_out),
        "execution_price": None if price is None else format(price, "f"),
        "reason": outcome.reason,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _behind(order: Order, record: "DataclassInstance") -> dict[str, object]:
    """A quote or fill of `order`, tied to the claim that made it."""
    return {"order_id": order.terms.id, "fence": order.fence, **_fields(record)}


def _order(row: Row) -> Order:
    minimum = row["min_amount_out"]
    terms = OrderTerms(
        row["id"],
        row["account"],
        OrderType(row["type"]),
        Side(row["side"]),
        row["token_in"],
        row["token_out"],
        int(row["amount"]),
        row["accepted_at"],
        SwapMode(row["swap_mode"]),
        row["slippage_bps"],
        row["max_splits"],
        row["limit_price"],
        None if minimum is None else int(minimum),
    )
    return Order(terms, OrderStatus(row["status"]), row["seq"], row["fence"])


def _event(row: Row) -> OrderEvent:
    detail = row["detail"]
    price, reason = detail.get("execution_price"), detail.get("reason")
    amount_in, amount_out = detail.get("amount_in"), detail.get("amount_out")
    outcome = Outcome(
        detail.get("venue"),
        detail.get("tx_hash"),
        None if amount_in is None else int(amount_in),
        None if amount_out is None else int(amount_out),
        None if price is None else Decimal(price),
        None if reason is None else FailReason(reason),
    )
    return OrderEvent(
        row["order_id"], row["account"], row["seq"], OrderStatus(row["status"]), row["at"], outcome
    )
