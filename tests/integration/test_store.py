"""The store against a real Postgres."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import CheckViolation, RestrictViolation

from sluice.errors import DatabaseUnavailable, FailReason, StoreRefused
from sluice.orders.database import Database
from sluice.orders.migrate import migrate
from sluice.orders.model import TRANSITIONS, U64_MAX, OrderStatus, OrderTerms, SwapMode
from sluice.orders.store import Claim, PostgresStore
from tests.builders import NOON, buy, confirmed, failed
from tests.integration.counting_proxy import CountingProxy

pytestmark = pytest.mark.integration

LEASE = 60


async def claim(store: PostgresStore, *terms: OrderTerms) -> Claim:
    return await store.claim(list(terms), NOON, LEASE)


@pytest.fixture
def connection(postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


async def test_a_claim_stores_new_orders_and_moves_them_to_routing(store: PostgresStore) -> None:
    first, second = buy(), buy(amount=U64_MAX)

    found = await claim(store, first, second)

    assert {order.terms for order in found.orders} == {first, second}
    assert {(order.status, order.seq, order.fence) for order in found.orders} == {
        (OrderStatus.ROUTING, 2, 1)
    }
    told = [(e.order_id, e.seq, e.status) for e in found.events]
    assert told == [
        (terms.id, seq, status)
        for terms in sorted([first, second], key=lambda terms: terms.id)
        for seq, status in ((1, OrderStatus.PENDING), (2, OrderStatus.ROUTING))
    ]


async def test_everything_the_client_asked_for_is_kept(store: PostgresStore) -> None:
    order = replace(
        buy(),
        swap_mode=SwapMode.EXACT_OUT,
        slippage_bps=7,
        max_splits=2,
        limit_price=Decimal("0.000000123456789123456789"),
        min_amount_out=U64_MAX,
    )

    assert [found.terms for found in (await claim(store, order)).orders] == [order]


async def test_a_leased_order_is_busy_for_a_second_worker(store: PostgresStore) -> None:
    order = buy()
    await claim(store, order)

    again = await claim(store, order)

    assert again == Claim((), frozenset(), frozenset({order.id}), ())


async def test_the_same_order_twice_in_a_batch_is_claimed_once(store: PostgresStore) -> None:
    order = buy()

    found = await claim(store, order, order)

    assert [claimed.terms for claimed in found.orders] == [order]


async def test_an_order_whose_lease_ran_out_is_claimed_again_with_a_higher_fence(
    store: PostgresStore, connection: psycopg.Connection
) -> None:
    order = buy()
    await claim(store, order)
    connection.execute("UPDATE orders SET lease_until = now() - interval '1 second'")

    again = await claim(store, order)

    assert [(o.status, o.seq, o.fence) for o in again.orders] == [(OrderStatus.ROUTING, 2, 2)]
    # Whoever claimed it before may have died before it told anybody.
    assert [e.seq for e in again.events] == [1, 2]


async def test_a_worker_whose_lease_was_lost_records_nothing(
    store: PostgresStore, connection: psycopg.Connection
) -> None:
    (late,) = (await claim(store, buy())).orders
    connection.execute("UPDATE orders SET lease_until = now() - interval '1 second'")
    (current,) = (await claim(store, late.terms)).orders

    assert await store.record([confirmed(late)]) == frozenset()
    assert await store.record([failed(current, FailReason.NO_ROUTE)]) == {late.terms.id}

    counts = connection.execute(
        "SELECT (SELECT count(*) FROM fills), (SELECT count(*) FROM quotes), status FROM orders"
    ).fetchone()
    assert counts == (0, 0, "FAILED")


async def test_recording_stores_events_quotes_and_fills_of_the_whole_batch(
    store: PostgresStore,
) -> None:
    claimed = (await claim(store, buy(amount=U64_MAX), buy())).orders
    good, bad = claimed

    recorded = await store.record([confirmed(good), failed(bad, FailReason.INSUFFICIENT_LIQUIDITY)])

    assert recorded == {good.terms.id, bad.terms.id}
    row = await store.order("alice", good.terms.id)
    assert row is not None
    assert (row["status"], row["seq"], row["venue"]) == ("CONFIRMED", 4, "RAYDIUM_CPMM")
    assert row["amount_out"] == 702_000_000
    assert row["execution_price"] == Decimal("142.45")
    assert [int(fill["amount_in"]) for fill in row["fills"]] == [good.terms.amount]
    timeline = await store.timeline("alice", good.terms.id)
    assert timeline is not None
    _, events, quotes = timeline
    assert [(e["seq"], e["status"]) for e in events] == [
        (1, "PENDING"),
        (2, "ROUTING"),
        (3, "SUBMITTED"),
        (4, "CONFIRMED"),
    ]
    assert [(q["venue"], q["error"]) for q in quotes] == [
        ("RAYDIUM_CPMM", None),
        ("METEORA_DLMM", "no answer within 1.5 s"),
    ]
    failed_row = await store.order("alice", bad.terms.id)
    assert failed_row is not None
    assert (failed_row["status"], failed_row["reason"]) == ("FAILED", "INSUFFICIENT_LIQUIDITY")


async def test_a_final_order_that_comes_again_is_finished_and_its_events_are_told_again(
    store: PostgresStore,
) -> None:
    (order,) = (await claim(store, buy())).orders
    await store.record([confirmed(order)])

    again = await claim(store, order.terms)

    assert again.orders == ()
    assert again.finished == {order.terms.id}
    assert [e.status for e in again.events] == ["PENDING", "ROUTING", "SUBMITTED", "CONFIRMED"]
    assert again.events[2:] == confirmed(order).events


async def test_a_batch_is_two_round_trips_however_many_orders_it_holds(postgres_url: str) -> None:
    async with CountingProxy(postgres_url) as proxy:
        database = Database(proxy.url)
        store = PostgresStore(database)
        await store.ping()
        proxy.reset()

        claimed = (await claim(store, *[buy() for _ in range(10)])).orders
        assert proxy.round_trips == 1
        assert len(await store.record([confirmed(order) for order in claimed])) == 10
        assert proxy.round_trips == 2
        await database.close()


async def test_a_batch_with_one_illegal_step_is_stored_not_at_all(
    store: PostgresStore, connection: psycopg.Connection
) -> None:
    good, bad = (await claim(store, buy(), buy())).orders
    leap = replace(confirmed(bad).events[1], seq=3)

    with pytest.raises(StoreRefused, match="illegal transition"):
        await store.record([confirmed(good), replace(confirmed(bad), events=(leap,))])

    counts = connection.execute(
        """SELECT (SELECT count(*) FROM fills), (SELECT count(*) FROM quotes),
                  (SELECT count(*) FROM order_events), (SELECT array_agg(DISTINCT status)::text[]
                   FROM orders)"""
    ).fetchone()
    assert counts == (0, 0, 4, ["ROUTING"])


async def test_two_workers_with_overlapping_batches_claim_each_order_once(
    postgres_url: str,
) -> None:
    orders = [buy() for _ in range(40)]
    databases = [Database(postgres_url) for _ in range(2)]
    forwards, backwards = (PostgresStore(database) for database in databases)

    claims = await asyncio.gather(
        claim(forwards, *orders[:30]), claim(backwards, *reversed(orders[10:]))
    )

    claimed = [order.terms.id for found in claims for order in found.orders]
    assert sorted(claimed) == sorted(order.id for order in orders)
    for database in databases:
        await database.close()


@pytest.mark.parametrize(("old", "new"), list(product(OrderStatus, repeat=2)))
def test_the_trigger_and_the_table_agree_on_every_pair_of_statuses(
    connection: psycopg.Connection, old: OrderStatus, new: OrderStatus
) -> None:
    if old is new:
        return
    order = _stored(connection, old)
    change = """
        UPDATE orders SET status = %(new)s, seq = seq + 1, venue = 'RAYDIUM_CPMM',
            tx_hash = 'x', amount_in = 1, amount_out = 1, execution_price = 1, reason = %(reason)s
        WHERE id = %(id)s"""
    reason = "NO_ROUTE" if new is OrderStatus.FAILED else None
    values = {"new": new, "id": order, "reason": reason}
    if new in TRANSITIONS[old]:
        connection.execute(change, values)
    else:
        with pytest.raises(CheckViolation, match="illegal transition"):
            connection.execute(change, values)


def _stored(connection: psycopg.Connection, status: OrderStatus) -> UUID:
    """An order that stands at `status`, whatever way leads there."""
    terms = buy()
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(
            """INSERT INTO orders (id, account, type, side, token_in, token_out, swap_mode, amount,
                   slippage_bps, max_splits, accepted_at, status, seq, updated_at, venue, tx_hash,
                   amount_in, amount_out, execution_price, reason)
               VALUES (%s, 'alice', 'MARKET', 'BUY', 'a', 'b', 'EXACT_IN', 1, 50, 3, now(), %s, 3,
                   now(), 'RAYDIUM_CPMM', 'x', 1, 1, 1, %s)""",
            (terms.id, status, "NO_ROUTE" if status is OrderStatus.FAILED else None),
        )
    return terms.id


async def test_events_are_append_only(store: PostgresStore, connection: psycopg.Connection) -> None:
    await claim(store, buy())

    for change in ("UPDATE order_events SET at = now()", "DELETE FROM order_events"):
        with pytest.raises(RestrictViolation):
            connection.execute(change)


async def test_orders_are_listed_newest_first_page_by_page_and_by_account(
    store: PostgresStore,
) -> None:
    # Two were accepted at the very same time: their ids decide.
    mine = [buy(accepted_at=NOON + timedelta(seconds=n // 2)) for n in range(5)]
    await claim(store, *mine, buy(account="bob"))
    expected = [o.id for o in sorted(mine, key=lambda o: (o.accepted_at, o.id), reverse=True)]

    seen: list[UUID] = []
    before = None
    while rows := await store.orders("alice", 2, before):
        seen += [row["id"] for row in rows]
        before = (rows[-1]["accepted_at"], rows[-1]["id"])

    assert seen == expected


async def test_another_accounts_order_is_not_there(store: PostgresStore) -> None:
    order = buy(account="bob")
    await claim(store, order)

    assert await store.order("alice", order.id) is None
    assert await store.timeline("alice", order.id) is None


async def test_a_follower_reads_what_was_written_since_for_its_accounts(
    store: PostgresStore,
) -> None:
    mine, other = buy(), buy(account="bob")
    await claim(store, mine, other)
    written = await store.events_since(NOON - timedelta(days=3650), ["alice"])

    assert [(e.order_id, e.seq) for _, e in written] == [(mine.id, 1), (mine.id, 2)]
    last = written[-1][0]
    assert await store.events_since(last + timedelta(microseconds=1), ["alice"]) == []


async def test_a_connection_that_broke_while_it_idled_is_replaced(
    postgres_url: str, connection: psycopg.Connection
) -> None:
    seconds = 0.0
    database = Database(postgres_url, now=lambda: seconds)
    store = PostgresStore(database)
    await store.ping()
    connection.execute(
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"""
    )
    seconds = 3600.0

    await store.ping()
    await database.close()


async def test_a_broken_transaction_is_told_as_unavailable_and_stores_nothing(
    postgres_url: str, connection: psycopg.Connection
) -> None:
    async with CountingProxy(postgres_url) as proxy:
        store = PostgresStore(Database(proxy.url))
        await store.ping()
        proxy.cut()

        with pytest.raises(DatabaseUnavailable):
            await claim(store, buy())
        proxy.mend()
        assert len((await claim(store, buy())).orders) == 1

    assert connection.execute("SELECT count(*) FROM orders").fetchone() == (1,)


async def test_a_postgres_that_stalls_is_given_up_in_time_and_served_anew_when_it_is_back(
    postgres_url: str,
) -> None:
    async with CountingProxy(postgres_url) as proxy:
        database = Database(proxy.url, patience=0.5)
        store = PostgresStore(database)
        await store.ping()
        proxy.stall()

        async with asyncio.timeout(2):
            with pytest.raises(DatabaseUnavailable):
                await claim(store, buy())
        proxy.flow()
        assert len((await claim(store, buy())).orders) == 1
        await database.close()


async def test_a_postgres_that_stalls_while_we_idle_is_given_up_in_the_same_time(
    postgres_url: str,
) -> None:
    async with CountingProxy(postgres_url) as proxy:
        seconds = 0.0
        database = Database(proxy.url, now=lambda: seconds, patience=0.5)
        store = PostgresStore(database)
        await store.ping()
        proxy.stall()
        seconds = 3600.0

        async with asyncio.timeout(2):
            with pytest.raises(DatabaseUnavailable):
                await store.ping()
        proxy.flow()
        await store.ping()
        await database.close()


async def test_what_postgres_will_never_store_is_told_apart_from_its_absence(
    store: PostgresStore,
) -> None:
    absurd = replace(buy(), limit_price=Decimal(1).scaleb(-30_000))

    with pytest.raises(StoreRefused):
        await claim(store, absurd)
    assert len((await claim(store, buy())).orders) == 1


async def test_a_postgres_that_is_not_there_is_told_as_unavailable() -> None:
    store = PostgresStore(Database("postgresql://postgres@127.0.0.1:1/postgres"))

    with pytest.raises(DatabaseUnavailable):
        await store.ping()


def test_migrating_twice_changes_nothing(migrated: str) -> None:
    assert migrate(migrated) == []
