"""The orders in Postgres, which is the truth: every unit of work here is one transaction.

A batch costs two round trips, `claim` and `record`, however many orders it holds: the statements
of each travel in one pipeline, and each statement handles the whole batch as a set.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from . import statements as sql
from .database import Connection, Database
from .model import Order, OrderEvent, OrderStatus, OrderTerms, begin
from .port import Claim, Execution, Page, Past, Place, Postponed, Snapshot, Swept, Wish
from .rows import (
    Json,
    Row,
    event_of,
    fills,
    later,
    order_of,
    packed,
    packed_terms,
    quotes,
    step,
    written_of,
)


class PostgresStore:
    """The store of a process.

    Every method raises `DatabaseUnavailable` when Postgres is gone or stalls, and `StoreRefused`
    when it will not take what it is given.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, terms: Sequence[OrderTerms], now: datetime, lease_seconds: float
    ) -> Claim:
        """Stores what is new of `terms` and leases what is free; one round trip.

        A re-claim of an order whose worker died keeps its status and seq and raises its fence; what
        happened to it so far costs a second round trip.
        """
        ids = [order.id for order in terms]
        given = {"ids": ids, "terms": packed_terms(terms), "now": now}
        rows = await self._read(sql.CLAIM, given | {"lease_seconds": lease_seconds})
        # Of one that came twice the first is stored, as `accept_orders` sorts them.
        asked = {o.id: o for o in sorted(terms, key=lambda o: o.accepted_at, reverse=True)}
        orders, finished, busy, events = [], set(), {}, []
        seen_before = {}
        disputed: tuple[OrderTerms, ...] = ()
        conflicts = frozenset([row["order_id"] for row in rows if row["conflicting"]])
        for row in rows:
            id_, status = row["order_id"], OrderStatus(row["status"])
            if row["ours"] and row["fresh"] and not row["conflicting"]:
                begun, order, routing = begin(asked[id_], now, row["fence"])
                orders.append(order)
                events += [begun, routing]
            elif row["ours"] or status.final:
                seen_before[id_] = row
            else:
                busy[id_] = max(0.0, row["lease_left"])
            if status.final:
                finished.add(id_)
        if seen_before:
            stored, told = await self._before(list(seen_before))
            # The number is this claim's: by now the order may be another's.
            orders += [
                Order(terms, OrderStatus.ROUTING, row["seq"], row["fence"], row["attempts"])
                for terms in stored
                if (row := seen_before[terms.id])["ours"]
            ]
            events += told
            disputed = tuple(terms for terms in stored if terms.id in conflicts)
        return Claim(tuple(orders), frozenset(finished), busy, conflicts, tuple(events), disputed)

    async def _before(self, ids: Sequence[UUID]) -> tuple[list[OrderTerms], list[OrderEvent]]:
        """What was asked for in orders that were known already, and what happened to them."""
        async with self._transaction() as connection:
            orders = await connection.execute(sql.ORDERS_OF, {"ids": ids})
            events = await connection.execute(sql.EVENTS_OF, {"ids": ids})
        return (
            [order_of(row).terms for row in await orders.fetchall()],
            [event_of(row) for row in await events.fetchall()],
        )

    async def record(
        self, executions: Sequence[Execution], postponed: Sequence[Postponed] = ()
    ) -> frozenset[UUID]:
        """Stores what claimed orders came to, or gives them back; one transaction and round trip.

        Returns the ids that were recorded: the others' leases were lost to another worker.
        """
        ends: list[Execution | Postponed] = [*executions, *postponed]
        if not ends:
            return frozenset()
        # A wave per status: every step of an order's way is checked.
        waves: list[list[Json]] = []
        for execution in executions:
            for depth, event in enumerate(execution.events):
                if depth == len(waves):
                    waves.append([])
                waves[depth].append(step(execution.order.fence, event))
        rows = await self._read(
            sql.RECORD,
            {
                "ids": [end.order.terms.id for end in ends],
                "steps": packed(waves),
                "later": packed([later(one) for one in postponed]),
                "quotes": packed([q for end in ends for q in quotes(end.order, end.quotes)]),
                "fills": packed([f for e in executions for f in fills(e.order, e.fills)]),
            },
        )
        return frozenset([row["order_id"] for row in rows])

    async def cancel(
        self, account: str, order_id: UUID, accepted: OrderTerms | None, now: datetime
    ) -> tuple[Row, list[OrderEvent]] | None:
        """Cancels an order that no worker has claimed: its row as it now is, and its events.

        `accepted` is what is known of an order that still waits in the queue: it is stored here, to
        be found cancelled by the worker that its message reaches. None if there is no such order.
        """
        key = {"id": order_id, "account": account, "now": now}
        async with self._transaction() as connection:
            if accepted is not None:
                await connection.execute(sql.ACCEPT, {"terms": packed_terms([accepted])})
            await connection.execute(sql.CANCEL, key)
            order = await connection.execute(sql.ONE, key)
            events = await connection.execute(sql.EVENTS_OF, {"ids": [order_id]})
        found = await order.fetchone()
        return (
            None if found is None else (found, [event_of(row) for row in await events.fetchall()])
        )

    async def sweep(self, now: datetime, limit: int) -> Swept:
        """Orders that somebody should be at work on and nobody is, at most `limit`; one round trip.

        What expired meanwhile ends here. The others are due again after twice the time they were
        left alone for, at most an hour: whoever calls puts them back in the queue.
        """
        rows = await self._read(sql.SWEEP, {"now": now, "grace": sql.GRACE, "limit": limit})
        back = [order_of(row).terms for row in rows if row["status"] != OrderStatus.EXPIRED]
        events = [
            OrderEvent(row["id"], row["account"], row["seq"], OrderStatus.EXPIRED, now)
            for row in rows
            if row["status"] == OrderStatus.EXPIRED
        ]
        return Swept(tuple(back), tuple(events))

    async def known(self, ids: Collection[UUID]) -> frozenset[UUID]:
        """Those of `ids` that are stored."""
        rows = await self._read("SELECT id FROM orders WHERE id = ANY(%(ids)s)", {"ids": list(ids)})
        return frozenset([row["id"] for row in rows])

    async def order(self, account: str, order_id: UUID) -> Row | None:
        """The order's row with its fills, or None if the account has none of that id."""
        rows = await self._read(sql.ONE, {"id": order_id, "account": account})
        return rows[0] if rows else None

    async def orders(
        self,
        account: str,
        wish: Wish,
        limit: int,
        before: tuple[datetime, UUID] | None = None,
    ) -> tuple[list[Row], int]:
        """The account's orders, newest first, from behind `before`; and how many there are in all.

        The total counts what `wish` asks for, whatever page of it this is.
        """
        before_at, before_id = before or (None, None)
        wished = {
            "side": wish.side,
            "token_in": wish.token_in,
            "token_out": wish.token_out,
            "since": wish.since,
            "until": wish.until,
            "account": account,
            "statuses": None if wish.statuses is None else [str(s) for s in wish.statuses],
        }
        page = {"limit": limit, "before_at": before_at, "before_id": before_id}
        async with self._moment() as connection:
            rows = await connection.execute(sql.LIST, wished | page)
            counted = await connection.execute(sql.COUNT, wished)
        total = await counted.fetchone()
        return list(await rows.fetchall()), 0 if total is None else total["total"]

    async def timeline(
        self, account: str, order_id: UUID
    ) -> tuple[Row, list[Row], list[Row], list[Row]] | None:
        """The order, its events, its quotes, and what else was asked for under its key.

        None if the account has no order of that id.
        """
        key = {"id": order_id, "account": account}
        async with self._moment() as connection:
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
            conflicts = await connection.execute(
                # The price as text: readers of JSON make floats of its numbers.
                """SELECT accepted_at, terms || jsonb_build_object(
                       'limit_price', terms ->> 'limit_price') AS terms
                   FROM conflicts WHERE order_id = %(id)s ORDER BY accepted_at""",
                key,
            )
        found = await order.fetchone()
        if found is None:
            return None
        return (
            found,
            list(await events.fetchall()),
            list(await quotes.fetchall()),
            list(await conflicts.fetchall()),
        )

    async def snapshot(self) -> Snapshot:
        """Which transactions have committed by now."""
        (row,) = await self._read("SELECT pg_current_snapshot()::text AS snapshot", {})
        return str(row["snapshot"])

    async def followed(
        self,
        since: Snapshot,
        until: Snapshot,
        accounts: Collection[str],
        behind: Place | None,
        limit: int,
    ) -> Page:
        """The accounts' events that were committed after `since` and by `until`, a page of them.

        In the order of their transactions' numbers, from behind a place on. `limit` is how many
        events are looked at: of one account its own, of several whosever.
        """
        xid, order_id, seq = behind or (0, UUID(int=0), 0)
        given: dict[str, object] = {"since": since, "until": until, "limit": limit}
        given |= {"xid": str(xid), "order_id": order_id, "seq": seq}
        match list(accounts):
            case [account]:
                rows = await self._read(sql.FOLLOWED, given | {"account": account})
            case several:
                rows = await self._read(sql.FOLLOWED_BY_MANY, given | {"accounts": several})
        written = [written_of(row) for row in rows]
        found = tuple(one for one, row in zip(written, rows, strict=True) if row["wanted"])
        more = bool(rows) and rows[0]["looked_at"] == limit
        return Page(found, written[-1].place if more else None)

    async def xid_at(self, at: datetime, since: int = 1) -> int:
        """The least number, from `since` on, of a transaction that began at `at` or later, by
        Postgres' clock.

        Roughly: one that began much earlier than it wrote its first row may have misled us.
        """
        (row,) = await self._read(sql.MOMENT, {"at": at, "since": str(since)})
        return min(int(row["settled"]), max(int(row["before"] or 0) + 1, since))

    async def events_of(self, account: str, order_id: UUID, after_seq: int) -> Past | None:
        """The order's events behind one, or None if the account has no order of that id."""
        key = {"id": order_id, "account": account, "seq": after_seq}
        rows = await self._read(sql.EVENTS_OF_ONE, key)
        if not rows:
            return None
        events = tuple(event_of(row) for row in rows if row["seq"] is not None)
        return Past(events, OrderStatus(rows[0]["order_status"]).final)

    async def over(self, account: str, order_ids: Collection[UUID]) -> Collection[UUID]:
        """Those of the account's orders that are at their end."""
        final = [str(status) for status in OrderStatus if status.final]
        given = {"account": account, "ids": list(order_ids), "final": final}
        rows = await self._read(sql.OVER, given)
        return [row["id"] for row in rows]

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

    @asynccontextmanager
    async def _moment(self) -> AsyncIterator[Connection]:
        """Several statements that all see Postgres as it was at one moment; one round trip.

        Their own BEGIN and COMMIT travel with them.
        """
        async with self._database.work() as connection:
            try:
                async with connection.pipeline():
                    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    yield connection
                    await connection.execute("COMMIT")
            except Exception:
                # Or the next to come would find a transaction that failed.
                if not connection.closed:
                    await connection.rollback()
                raise
