"""What a follower of the events reads from a real Postgres, while transactions come and go."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sluice.errors import FailReason
from sluice.orders.migrate import MIGRATIONS
from sluice.orders.model import OrderTerms
from sluice.orders.port import Page, Past
from sluice.orders.rows import packed_terms
from sluice.orders.statements import FOLLOWED
from sluice.orders.store import PostgresStore
from sluice.streaming.cursor import BEGINNING, known, settled, snapshot_at
from tests.builders import NOON, buy, failed, seqs

pytestmark = pytest.mark.integration

START = snapshot_at(BEGINNING)


async def claim(store: PostgresStore, *terms: OrderTerms) -> None:
    await store.claim(list(terms), NOON, 60)


def told(page: Page) -> list[tuple[OrderTerms | object, int]]:
    return [(one.event.order_id, one.event.seq) for one in page.written]


@pytest.fixture
def other(postgres_url: str) -> Iterator[psycopg.Connection]:
    """Somebody else's transactions."""
    with psycopg.connect(postgres_url) as connection:
        yield connection
        connection.rollback()


async def test_a_follower_reads_the_events_of_its_accounts_alone(store: PostgresStore) -> None:
    mine, theirs = buy(), buy(account="bob")
    await claim(store, mine, theirs)

    page = await store.followed(START, await store.snapshot(), ["alice"], None, 100)

    assert told(page) == [(mine.id, 1), (mine.id, 2)]
    assert page.behind is None


async def test_what_commits_late_is_not_skipped_and_nothing_comes_twice(
    store: PostgresStore, other: psycopg.Connection
) -> None:
    late, early = buy(), buy()
    await claim(store, late)
    # It has its number from here on, and commits much later.
    other.execute(
        "UPDATE orders SET status = 'FAILED', reason = 'INTERNAL', seq = 3 WHERE id = %s", [late.id]
    )
    other.execute(
        """INSERT INTO order_events (order_id, seq, status, detail, at)
           VALUES (%s, 3, 'FAILED', '{"reason": "INTERNAL"}', now())""",
        [late.id],
    )
    await claim(store, early)

    first = await store.snapshot()
    before = await store.followed(START, first, ["alice"], None, 100)
    other.commit()
    after = await store.followed(first, await store.snapshot(), ["alice"], None, 100)
    resumed = await store.followed(
        snapshot_at(settled(first)), await store.snapshot(), ["alice"], None, 100
    )

    assert told(before) == [(late.id, 1), (late.id, 2), (early.id, 1), (early.id, 2)]
    assert told(after) == [(late.id, 3)]
    assert set(told(resumed)) == {(late.id, 3), (early.id, 1), (early.id, 2)}


def test_events_from_before_there_were_accounts_are_their_orders_accounts(
    postgres_server: str,
) -> None:
    before: list[str] = []
    after: list[str] = []
    for path in sorted(MIGRATIONS.glob("*.sql")):
        (after if path.name >= "0004" else before).append(path.read_text())
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE before_accounts")
    with psycopg.connect(make_conninfo(postgres_server, dbname="before_accounts")) as connection:
        for text in before:
            connection.execute(text.encode())
        connection.execute(
            "SELECT accept_orders(%s)", [packed_terms([buy(), buy(), buy(account="bob")])]
        )
        connection.commit()
        for text in after:
            connection.execute(text.encode())
        accounts = connection.execute("SELECT account FROM order_events ORDER BY 1").fetchall()
        with pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute("UPDATE order_events SET account = 'carol'")

    assert accounts == [("alice",), ("alice",), ("bob",)]


async def pages(store: PostgresStore, accounts: list[str], limit: int) -> list[Page]:
    """All that there is, from the beginning on."""
    until = await store.snapshot()
    read = [await store.followed(START, until, accounts, None, limit)]
    while (behind := read[-1].behind) is not None:
        read.append(await store.followed(START, until, accounts, behind, limit))
    return read


async def test_pages_hold_all_in_order_whoever_else_has_events_between(
    store: PostgresStore,
) -> None:
    mine = [buy() for _ in range(5)]
    for one in mine:
        await claim(store, one, buy(account="bob"), buy(account="bob"))

    read = await pages(store, ["alice", "carol"], 4)

    assert [one for page in read for one in told(page)] == [
        (one.id, seq) for one in mine for seq in (1, 2)
    ]
    assert len(read) > 5


async def test_what_one_account_missed_is_read_past_everybody_elses(store: PostgresStore) -> None:
    mine = [buy() for _ in range(5)]
    for one in mine:
        await claim(store, *(buy(account="bob") for _ in range(20)), one)

    read = await pages(store, ["alice"], 4)

    assert [one for page in read for one in told(page)] == [
        (one.id, seq) for one in mine for seq in (1, 2)
    ]
    assert [len(page.written) for page in read] == [4, 4, 2]


@pytest.mark.parametrize("analyzed", ["never", "when all were alice's", "now"])
async def test_from_the_beginning_postgres_looks_at_no_event_of_others(
    store: PostgresStore, other: psycopg.Connection, analyzed: str
) -> None:
    await claim(store, *(buy() for _ in range(5)))
    if analyzed == "when all were alice's":
        other.execute("ANALYZE order_events")
    await claim(store, *(buy(account="bob") for _ in range(2000)))
    if analyzed == "now":
        other.execute("ANALYZE order_events")
    given = {"account": "alice", "since": START, "until": await store.snapshot(), "limit": 100}
    given |= {"xid": "0", "order_id": UUID(int=0), "seq": 0}

    row = other.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {FOLLOWED}", given).fetchone()

    assert row
    assert looked_at(row[0][0]["Plan"]) == 10


def looked_at(plan: dict[str, Any]) -> int:
    """How many rows of the table a plan has fetched, those that it had no use for, too."""
    own = 0
    if plan.get("Relation Name") == "order_events":
        own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return int(own) + sum(looked_at(part) for part in plan.get("Plans", []))


async def test_an_event_is_its_orders_accounts_whoever_wrote_it(
    store: PostgresStore, postgres_url: str
) -> None:
    order, theirs = buy(), buy(account="bob")
    await claim(store, order, theirs)
    # As the release before does, that knows of no account of an event.
    with psycopg.connect(postgres_url, autocommit=True) as release_before:
        release_before.execute(
            "INSERT INTO order_events (order_id, seq, status, at) VALUES (%s, 3, 'FAILED', now())",
            [order.id],
        )

    page = await store.followed(START, await store.snapshot(), ["alice"], None, 100)

    assert told(page) == [(order.id, 1), (order.id, 2), (order.id, 3)]


async def test_a_cursor_of_the_future_is_not_known(store: PostgresStore) -> None:
    now = await store.snapshot()

    assert known(settled(now), now)
    assert not known(settled(now) + 1_000_000, now)


async def test_the_events_since_a_moment_begin_at_its_transaction(store: PostgresStore) -> None:
    old, new = buy(), buy()
    await claim(store, old)
    moment = datetime.now(UTC)
    await claim(store, new)

    since = snapshot_at(await store.xid_at(moment))
    page = await store.followed(since, await store.snapshot(), ["alice"], None, 100)
    assert told(page) == [(new.id, 1), (new.id, 2)]

    everything = snapshot_at(await store.xid_at(moment - timedelta(days=1)))
    page = await store.followed(everything, await store.snapshot(), ["alice"], None, 100)
    assert len(page.written) == 4


async def test_the_last_transaction_before_a_moment_is_the_largest_number_not_the_largest_text(
    store: PostgresStore, other: psycopg.Connection
) -> None:
    # No trigger has a say: what is written was written long ago, under numbers long given out.
    other.execute("SET session_replication_role = replica")
    hour = timedelta(hours=1)
    for age, xid in ((3 * hour, "99"), (2 * hour, "100"), (0 * hour, "101")):
        other.execute(
            """INSERT INTO order_events (order_id, account, seq, status, at, recorded_at, xid)
               VALUES (gen_random_uuid(), 'alice', 1, 'PENDING', now(), now() - %s, %s)""",
            [age, xid],
        )
    other.commit()
    moment = datetime.now(UTC) - hour

    assert await store.xid_at(moment) == 101
    assert await store.xid_at(moment, since=90) == 101
    # What is known to be over is not looked at.
    assert await store.xid_at(moment, since=101) == 101
    assert await store.xid_at(moment, since=150) == 150


async def test_what_is_being_written_comes_after_the_moment(
    store: PostgresStore, other: psycopg.Connection
) -> None:
    order = buy()
    await claim(store, order)
    other.execute("UPDATE orders SET attempts = 1 WHERE id = %s", [order.id])
    await claim(store, buy())

    row = other.execute("SELECT pg_current_xact_id()::text").fetchone()
    assert row
    assert await store.xid_at(datetime.now(UTC) + timedelta(hours=1)) == int(row[0])


async def test_the_events_of_an_order_are_its_owners_from_a_step_on(store: PostgresStore) -> None:
    order = buy()
    (claimed,) = (await store.claim([order], NOON, 60)).orders
    await store.record([failed(claimed, FailReason.NO_ROUTE)])

    past = await store.events_of("alice", order.id, 1)
    assert past is not None
    assert (seqs(past.events), past.final) == ([2, 3], True)
    assert await store.events_of("alice", order.id, 3) == Past((), final=True)
    assert await store.events_of("bob", order.id, 0) is None
    assert await store.events_of("alice", buy().id, 0) is None
    assert await store.over("alice", [order.id, buy().id]) == [order.id]
    assert await store.over("bob", [order.id]) == []


async def test_an_order_that_goes_on_is_not_final(store: PostgresStore) -> None:
    order = buy()
    await claim(store, order)
    assert await store.over("alice", [order.id]) == []
    assert await store.events_of("alice", order.id, 2) == Past((), final=False)
