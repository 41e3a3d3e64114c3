"""The store against a real Postgres."""

import asyncio
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import CheckViolation, RestrictViolation

from sluice.errors import DatabaseUnavailable, FailReason, StoreRefused
from sluice.orders.database import Database
from sluice.orders.migrate import migrate
from sluice.orders.model import (
    TRANSITIONS,
    U64_MAX,
    OrderStatus,
    OrderTerms,
    Side,
    SwapMode,
    VenueQuote,
)
from sluice.orders.port import Claim, Postponed, Wish
from sluice.orders.statements import MAX_CLAIMS
from sluice.orders.store import PostgresStore
from tests.builders import NOON, SOL, USDC, buy, confirmed, failed, seqs
from tests.integration.counting_proxy import CountingProxy
from tests.integration.relaying import until

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


@pytest.mark.parametrize("way", [1, -1])
async def test_of_two_messages_of_a_new_order_the_first_acceptance_is_told_and_stored(
    store: PostgresStore, way: int
) -> None:
    """As when Valkey is gone: each request under the key is queued, with its own moment."""
    first = buy(accepted_at=NOON)
    both = [first, replace(first, accepted_at=NOON + timedelta(seconds=9))]

    found = await claim(store, *both[::way])

    row = await store.order("alice", first.id)
    assert row is not None
    assert (found.events[0].at, row["accepted_at"]) == (NOON, NOON)
    assert [order.terms for order in found.orders] == [first]


async def test_everything_the_client_asked_for_is_kept(store: PostgresStore) -> None:
    order = replace(
        buy(),
        swap_mode=SwapMode.EXACT_OUT,
        slippage_bps=7,
        max_splits=2,
        limit_price=Decimal("0.000000123456789123456789"),
        min_amount_out=U64_MAX,
        expires_at=NOON + timedelta(hours=1),
    )

    assert [found.terms for found in (await claim(store, order)).orders] == [order]


async def test_a_leased_order_is_busy_for_a_second_worker(store: PostgresStore) -> None:
    order = buy()
    await claim(store, order)

    again = await claim(store, order)

    assert LEASE - 5 < again.busy[order.id] <= LEASE
    assert replace(again, busy={}) == Claim((), frozenset(), {}, frozenset(), ())


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
    _, events, quotes, _ = timeline
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
    while rows := (await store.orders("alice", Wish(), 2, before))[0]:
        seen += [row["id"] for row in rows]
        before = (rows[-1]["accepted_at"], rows[-1]["id"])

    assert seen == expected


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(), {"bought", "sold", "waits"}),
        (Wish(statuses=[OrderStatus.CONFIRMED]), {"bought"}),
        (Wish(statuses=[OrderStatus.FAILED, OrderStatus.ROUTING]), {"sold", "waits"}),
        (Wish(side=Side.SELL), {"sold"}),
        (Wish(token_in=USDC), {"bought", "waits"}),
        (Wish(token_out=USDC), {"sold"}),
        (Wish(since=NOON + timedelta(seconds=1)), {"sold", "waits"}),
        (Wish(until=NOON + timedelta(seconds=1)), {"bought"}),
        (Wish(statuses=[OrderStatus.CONFIRMED], side=Side.SELL), set()),
        (Wish(statuses=[]), set()),
    ],
)
async def test_orders_are_found_by_what_is_wished_and_counted(
    store: PostgresStore, wish: Wish, expected: set[str]
) -> None:
    bought = buy(accepted_at=NOON)
    sold = replace(
        buy(accepted_at=NOON + timedelta(seconds=1)), side=Side.SELL, token_in=SOL, token_out=USDC
    )
    waits = buy(accepted_at=NOON + timedelta(seconds=2))
    named = {"bought": bought.id, "sold": sold.id, "waits": waits.id}
    claimed = {o.terms.id: o for o in (await claim(store, bought, sold, waits)).orders}
    await store.record(
        [confirmed(claimed[bought.id]), failed(claimed[sold.id], FailReason.NO_ROUTE)]
    )

    rows, total = await store.orders("alice", wish, 1)
    more, _ = await store.orders("alice", wish, 10)

    assert {row["id"] for row in more} == {named[name] for name in expected}
    assert total == len(expected)
    assert rows == more[:1]


async def test_an_order_that_was_given_back_is_left_alone_for_its_time_and_then_claimed(
    store: PostgresStore, connection: psycopg.Connection
) -> None:
    (order,) = (await claim(store, buy())).orders
    quotes = confirmed(order).quotes

    assert await store.record([], [Postponed(order, 2, 1, "SLIPPAGE_EXCEEDED", quotes)]) == {
        order.terms.id
    }
    early = await claim(store, order.terms)
    assert 0 < early.busy[order.terms.id] <= 2
    connection.execute("UPDATE orders SET lease_until = now() - interval '1 second'")
    (again,) = (await claim(store, order.terms)).orders

    assert (again.status, again.seq, again.attempts) == (OrderStatus.ROUTING, 2, 1)
    assert await store.record([confirmed(again)]) == {order.terms.id}
    timeline = await store.timeline("alice", order.terms.id)
    # Both routings can be looked at afterwards, the vain one too.
    assert timeline is not None
    assert [quote["fence"] for quote in timeline[2]] == [1, 1, 2, 2]


async def test_a_worker_whose_lease_was_lost_gives_nothing_back(
    store: PostgresStore, connection: psycopg.Connection
) -> None:
    (late,) = (await claim(store, buy())).orders
    connection.execute("UPDATE orders SET lease_until = now() - interval '1 second'")
    await claim(store, late.terms)

    assert await store.record([], [Postponed(late, 0, 1, "VENUES_UNAVAILABLE")]) == frozenset()
    assert (await claim(store, late.terms)).busy


@pytest.mark.parametrize("claimed_before", [False, True])
async def test_an_order_that_expired_in_the_queue_ends_there(
    store: PostgresStore, connection: psycopg.Connection, claimed_before: bool
) -> None:
    order = replace(buy(), expires_at=NOON + timedelta(seconds=1))
    if claimed_before:
        (claimed,) = (await claim(store, order)).orders
        await store.record([], [Postponed(claimed, 0, 1, "SLIPPAGE_EXCEEDED")])

    found = await store.claim([order], NOON + timedelta(seconds=1), LEASE)

    assert found.orders == ()
    assert found.finished == {order.id}
    assert found.events[-1].status is OrderStatus.EXPIRED
    assert [event.seq for event in found.events] == list(range(1, len(found.events) + 1))
    if claimed_before:
        # Whoever claimed it before comes too late with what it did.
        assert await store.record([confirmed(claimed)]) == frozenset()


async def test_an_order_that_had_expired_when_it_was_accepted_ends_at_once(
    store: PostgresStore,
) -> None:
    order = replace(buy(), expires_at=NOON - timedelta(hours=1))

    found = await claim(store, order)

    assert [event.status for event in found.events] == [OrderStatus.PENDING, OrderStatus.EXPIRED]


async def test_an_order_claimed_too_often_fails_as_a_fault_of_ours(store: PostgresStore) -> None:
    order = buy()
    for _ in range(MAX_CLAIMS):
        (claimed,) = (await claim(store, order)).orders
        await store.record([], [Postponed(claimed, 0, 0, "out of time")])

    found = await claim(store, order)

    assert found.finished == {order.id}
    assert found.events[-1].status is OrderStatus.FAILED
    assert found.events[-1].outcome.reason is FailReason.INTERNAL
    row = await store.order("alice", order.id)
    assert row is not None
    assert (row["status"], row["reason"], row["fills"]) == ("FAILED", "INTERNAL", [])


async def test_another_body_under_the_same_id_is_refused_and_kept_to_be_shown(
    store: PostgresStore, connection: psycopg.Connection
) -> None:
    first = buy(amount=100)
    other = replace(first, amount=101, accepted_at=NOON + timedelta(seconds=1))
    same = replace(first, accepted_at=NOON + timedelta(seconds=2))

    found = await claim(store, first, other)
    again = await claim(store, other, same)

    assert [order.terms for order in found.orders] == [first]
    assert found.conflicts == again.conflicts == {first.id}
    kept = connection.execute("SELECT order_id, terms->>'amount' FROM conflicts").fetchall()
    assert kept == [(first.id, "101")]
    assert (await claim(store, same)).conflicts == frozenset()


OTHERWISE: dict[str, Any] = {
    "side": Side.SELL,
    "token_in": "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB",
    "token_out": "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB",
    "amount": 1,
    "swap_mode": SwapMode.EXACT_OUT,
    "slippage_bps": 1,
    "max_splits": 1,
    "limit_price": Decimal("0.1"),
    "min_amount_out": 1,
    "expires_at": NOON + timedelta(hours=1),
}


def test_every_field_is_asked_for_otherwise_below() -> None:
    """A field that the comparison in claim_orders forgot would make two orders one."""
    named = {field.name for field in fields(OrderTerms)}
    # What makes the id, what may differ, and an enum of one value.
    assert named - {"id", "account", "accepted_at", "type"} == OTHERWISE.keys()


@pytest.mark.parametrize("name", OTHERWISE)
async def test_whatever_is_asked_for_otherwise_under_one_id_is_a_conflict(
    store: PostgresStore, name: str
) -> None:
    first = buy()
    await claim(store, first)

    again = await claim(store, replace(first, **{name: OTHERWISE[name]}))

    assert again.conflicts == {first.id}


async def test_an_order_in_the_queue_is_cancelled_and_its_message_finds_it_so(
    store: PostgresStore,
) -> None:
    order = buy()

    cancelled = await store.cancel("alice", order.id, order, NOON)
    found = await claim(store, order)

    assert cancelled is not None
    row, events = cancelled
    assert (row["status"], seqs(events)) == ("CANCELLED", [1, 2])
    assert found.orders == ()
    assert found.finished == {order.id}
    assert found.events == tuple(events)


async def test_an_order_that_was_claimed_is_not_cancelled(store: PostgresStore) -> None:
    (order,) = (await claim(store, buy())).orders
    routing = await store.cancel("alice", order.terms.id, order.terms, NOON)
    await store.record([confirmed(order)])
    done = await store.cancel("alice", order.terms.id, order.terms, NOON)

    assert routing is not None
    assert done is not None
    assert [row["status"] for row, _ in (routing, done)] == ["ROUTING", "CONFIRMED"]

    assert await store.cancel("bob", order.terms.id, None, NOON) is None
    assert await store.cancel("alice", buy().id, None, NOON) is None


async def test_the_sweeper_finds_orders_that_nobody_is_at_work_on(
    store: PostgresStore, connection: psycopg.Connection
) -> None:
    stuck, working, done = (await claim(store, buy(), buy(), buy())).orders
    await store.record([confirmed(done)])
    lapsed = "UPDATE orders SET lease_until = now() - interval '1 minute' WHERE id = ANY(%s)"
    connection.execute(lapsed, ([stuck.terms.id, done.terms.id],))

    swept = await store.sweep(NOON, 10)

    assert (swept.back, swept.events) == ((stuck.terms,), ())
    # Not again at once: its message is on its way.
    assert (await store.sweep(NOON, 10)).back == ()
    connection.execute("UPDATE orders SET revive_at = now() - interval '1 second'")
    assert (await store.sweep(NOON, 10)).back == (stuck.terms,)
    assert (await claim(store, working.terms)).busy


async def test_the_sweeper_looks_at_a_few_at_a_time(
    store: PostgresStore, connection: psycopg.Connection
) -> None:
    await claim(store, *[buy() for _ in range(5)])
    connection.execute("UPDATE orders SET lease_until = now() - interval '1 minute'")

    assert [len((await store.sweep(NOON, 2)).back) for _ in range(4)] == [2, 2, 1, 0]


async def test_the_sweeper_ends_what_expired_and_whoever_was_at_work_comes_too_late(
    store: PostgresStore, connection: psycopg.Connection
) -> None:
    order = replace(buy(), expires_at=NOON + timedelta(seconds=1))
    (late,) = (await claim(store, order)).orders
    connection.execute("UPDATE orders SET lease_until = now() - interval '1 minute'")

    swept = await store.sweep(NOON + timedelta(minutes=1), 10)

    assert swept.back == ()
    assert [(e.order_id, e.seq, e.status) for e in swept.events] == [
        (order.id, 3, OrderStatus.EXPIRED)
    ]
    assert await store.record([confirmed(late)]) == frozenset()
    assert (await claim(store, order)).finished == {order.id}


async def test_which_orders_are_stored_is_known(store: PostgresStore) -> None:
    stored, unknown = buy(), buy()
    await claim(store, stored)

    assert await store.known([stored.id, unknown.id]) == {stored.id}


async def test_another_accounts_order_is_not_there(store: PostgresStore) -> None:
    order = buy(account="bob")
    await claim(store, order)

    assert await store.order("alice", order.id) is None
    assert await store.timeline("alice", order.id) is None


@pytest.mark.parametrize("idled", [0.0, 3600.0])
async def test_a_connection_that_broke_while_it_idled_is_replaced(
    postgres_url: str, connection: psycopg.Connection, idled: float
) -> None:
    seconds = 0.0
    database = Database(postgres_url, now=lambda: seconds)
    store = PostgresStore(database)
    await store.ping()
    connection.execute(
        """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
           WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"""
    )
    seconds = idled

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


async def test_words_that_are_no_text_are_refused_and_the_next_are_taken(
    store: PostgresStore,
) -> None:
    (order,) = (await claim(store, buy())).orders
    said = VenueQuote("RAYDIUM_CPMM", "pool", 0, USDC, SOL, None, error="half of a pair: \ud800")

    with pytest.raises(StoreRefused, match="surrogates"):
        await store.record([], [Postponed(order, 1, 1, "", (said,))])
    sound = replace(said, error="no such account")
    assert await store.record([], [Postponed(order, 1, 1, "", (sound,))]) == {order.terms.id}


async def test_where_the_clock_of_postgres_hangs_changes_no_moment(postgres_url: str) -> None:
    """Under a key the first moment there is may be asked for: west of Greenwich it is none."""
    database = Database(f"{postgres_url}?options=-c%20timezone%3DAmerica/New_York")
    store = PostgresStore(database)
    order = buy(expires_at=datetime.min.replace(tzinfo=UTC))

    found = await claim(store, order)

    assert found.finished == {order.id}
    # The clients' frames are made of them.
    assert {event.at.isoformat() for event in found.events} == {NOON.isoformat()}
    row = await store.order("alice", order.id)
    assert row is not None
    assert row["expires_at"] == order.expires_at
    await database.close()


async def test_a_postgres_that_only_reads_is_told_as_unavailable_and_left_for_another(
    postgres_url: str,
) -> None:
    """As after a failover: the old writer answers, and stores nothing."""
    reading = f"{postgres_url}?options=-c%20default_transaction_read_only%3Don"
    database = Database(reading)
    store = PostgresStore(database)
    await store.ping()
    async with database.work() as before:
        pass

    with pytest.raises(DatabaseUnavailable):
        await claim(store, buy())

    assert before.closed
    await store.ping()
    await database.close()


async def test_a_postgres_that_is_not_there_is_told_as_unavailable() -> None:
    store = PostgresStore(Database("postgresql://postgres@127.0.0.1:1/postgres"))

    with pytest.raises(DatabaseUnavailable):
        await store.ping()


def test_migrating_twice_changes_nothing(migrated: str) -> None:
    assert migrate(migrated) == []


async def test_what_is_read_of_an_order_is_of_one_moment_and_one_round_trip(
    postgres_url: str, connection: psycopg.Connection
) -> None:
    async with CountingProxy(postgres_url) as proxy:
        store = PostgresStore(Database(proxy.url))
        (order,) = (await claim(store, buy())).orders
        proxy.reset()
        with connection.transaction():
            # What is read of an order first can be read, its events not before this is over.
            connection.execute("LOCK TABLE order_events IN ACCESS EXCLUSIVE MODE")
            reading = asyncio.create_task(store.timeline("alice", order.terms.id))
            await until(lambda: _waits(postgres_url))
            connection.execute(
                "INSERT INTO conflicts (order_id, accepted_at, terms) VALUES (%s, %s, '{}')",
                (order.terms.id, NOON),
            )
        found = await reading

        assert found is not None
        assert [event["seq"] for event in found[1]] == [1, 2]
        assert found[3] == []
        assert proxy.round_trips == 1


async def test_after_reading_failed_the_same_connection_reads_on(postgres_url: str) -> None:
    async with CountingProxy(postgres_url) as proxy:
        store = PostgresStore(Database(proxy.url))
        await store.ping()
        with pytest.raises(StoreRefused):
            await store.orders("alice", Wish(), limit=-1)
        proxy.reset()

        assert await store.orders("alice", Wish(), 20) == ([], 0)
        assert proxy.round_trips == 1


def _waits(postgres_url: str) -> bool:
    """Whether somebody waits for a lock."""
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return row == (1,)
