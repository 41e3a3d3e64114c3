"""What Postgres is asked after a run: each invariant notices what it is there for, and nothing else
does; and what came of the orders is counted."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from uuid_utils.compat import uuid7

from local import postgres, processes
from local.chaos import ledger
from local.chaos.checks import Stored
from local.chaos.invariants import EXAMPLES, INVARIANTS, Violation, violation, violations
from local.home import Home
from local.ports import Ports
from sluice.orders.migrate import migrate
from sluice.orders.model import OrderStatus, Side
from tests.builders import NOON, SOL, USDC

pytestmark = pytest.mark.integration

HUB = "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN"

BREAKS = {
    "accepted is stored": "DELETE FROM fills; DELETE FROM order_events; DELETE FROM orders",
    "every order ends": """
        UPDATE orders SET status = 'SUBMITTED', seq = 3; DELETE FROM fills;
        DELETE FROM order_events WHERE seq = 4""",
    "one end": """
        UPDATE orders SET status = 'FAILED', seq = 5, reason = 'NO_ROUTE'; DELETE FROM fills;
        INSERT INTO order_events (order_id, account, seq, status, at)
        SELECT id, account, 5, 'FAILED', now() FROM orders""",
    "the end is last": """
        UPDATE orders SET status = 'SUBMITTED', seq = 5; DELETE FROM fills;
        INSERT INTO order_events (order_id, account, seq, status, at)
        SELECT id, account, 5, 'SUBMITTED', now() FROM orders""",
    "status is the last event's": """
        UPDATE orders SET status = 'FAILED', reason = 'NO_ROUTE'; DELETE FROM fills""",
    "seq has no gap": "UPDATE orders SET seq = 6; UPDATE order_events SET seq = 6 WHERE seq = 4",
    "legal steps": "UPDATE order_events SET status = 'CANCELLED' WHERE seq = 3",
    "fills are of the confirmed": "DELETE FROM fills",
    "fills add up": "UPDATE fills SET amount_out = amount_out + 1 WHERE leg = 2",
    "hops join": "UPDATE fills SET amount_in = amount_in + 1 WHERE leg = 2",
    "the order is filled whole": "UPDATE orders SET amount = amount + 1",
    "limits are kept": "UPDATE orders SET limit_price = 142.44",
    "one reference": "UPDATE fills SET reference = 'another' WHERE leg = 1",
    "a reason for failing": "UPDATE orders SET reason = 'NO_ROUTE'",
}
"""What breaks the invariant of that name."""

ALSO = {
    "one end": {"the end is last", "legal steps"},
    "the end is last": {"every order ends", "legal steps"},
    "legal steps": {"one end", "the end is last"},
}
"""What cannot be broken without breaking others."""


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = Home(Path(tmp_path_factory.mktemp("chaos")))
    home.create()
    part = postgres.part(home, Ports.free().postgres)
    processes.start(home, part)
    try:
        url = postgres.url(part.port)
        migrate(url)
        yield url
    finally:
        processes.stop(home, part.name, part.stop_signal)


@pytest.fixture
def connection(migrated: str) -> Iterator[psycopg.Connection]:
    """A schema that refuses nothing any more: what it would refuse is to be found."""
    with (
        psycopg.connect(migrated) as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("""
            DO $$ DECLARE name text; BEGIN
                FOR name IN SELECT conname FROM pg_constraint
                            WHERE conrelid = 'orders'::regclass AND contype = 'c' LOOP
                    EXECUTE format('ALTER TABLE orders DROP CONSTRAINT %I', name);
                END LOOP;
            END $$""")
        yield connection


def confirmed(connection: psycopg.Connection) -> UUID:
    """A sound order: split over two pools, and then through a hub."""
    order_id = uuid7()
    tx_hash = f"tx-{order_id}"
    values = {"id": order_id, "in": USDC, "hub": HUB, "out": SOL, "at": NOON, "tx": tx_hash}
    connection.execute(
        """INSERT INTO orders (id, account, type, side, token_in, token_out, swap_mode, amount,
               slippage_bps, max_splits, limit_price, min_amount_out, accepted_at, status, seq,
               updated_at, venue, tx_hash, amount_in, amount_out, execution_price)
           VALUES (%(id)s, 'alice', 'MARKET', 'BUY', %(in)s, %(out)s, 'EXACT_IN', 100, 50, 3,
               142.45, 70, %(at)s, 'CONFIRMED', 4, %(at)s, 'RAYDIUM_CPMM', %(tx)s, 100, 70,
               142.45)""",
        values,
    )
    connection.execute(
        """INSERT INTO order_events (order_id, account, seq, status, at)
           SELECT %(id)s, 'alice', seq, status, %(at)s
           FROM unnest('{PENDING,ROUTING,SUBMITTED,CONFIRMED}'::order_status[])
               WITH ORDINALITY AS way (status, seq)""",
        values,
    )
    connection.execute(
        """INSERT INTO fills (order_id, leg, hop, venue, pool, token_in, token_out, slot,
               amount_in, amount_out, reference)
           VALUES (%(id)s, 0, 0, 'RAYDIUM_CPMM', 'a', %(in)s, %(hub)s, 7, 60, 600, %(tx)s),
                  (%(id)s, 1, 0, 'METEORA_DLMM', 'b', %(in)s, %(hub)s, 7, 40, 400, %(tx)s),
                  (%(id)s, 2, 1, 'RAYDIUM_CPMM', 'c', %(hub)s, %(out)s, 7, 1000, 70, %(tx)s)""",
        values,
    )
    return order_id


def test_a_sound_order_breaks_nothing(connection: psycopg.Connection) -> None:
    assert violations(connection, [confirmed(connection)]) == []


def test_there_is_a_break_for_every_invariant() -> None:
    assert BREAKS.keys() == {invariant.name for invariant in INVARIANTS}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_order_breaks_the_invariant_that_is_there_for_it(
    connection: psycopg.Connection, name: str
) -> None:
    order_id = confirmed(connection)
    connection.execute(BREAKS[name])

    found = violations(connection, [order_id])

    assert {one.name for one in found} == {name} | ALSO.get(name, set())
    assert all((one.count, one.examples) == (1, (order_id,)) for one in found)


def test_an_order_of_nobody_is_not_asked_about(connection: psycopg.Connection) -> None:
    confirmed(connection)
    connection.execute("DELETE FROM fills")

    assert violations(connection, [confirmed(connection)]) == []


def test_an_order_without_events_has_neither_status_nor_seq(connection: psycopg.Connection) -> None:
    order_id = confirmed(connection)
    connection.execute("DELETE FROM order_events")

    assert {one.name for one in violations(connection, [order_id])} == {
        "status is the last event's",
        "seq has no gap",
    }


def test_exact_out_fixes_what_is_received(connection: psycopg.Connection) -> None:
    order_id = confirmed(connection)
    connection.execute("UPDATE orders SET swap_mode = 'EXACT_OUT', amount = amount_out")
    assert violations(connection, [order_id]) == []

    connection.execute("UPDATE orders SET amount = amount_in")
    assert [one.name for one in violations(connection, [order_id])] == ["the order is filled whole"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE orders SET min_amount_out = 71",
        "UPDATE orders SET side = 'SELL', limit_price = 142.46",
    ],
)
def test_every_limit_of_the_client_is_looked_at(
    connection: psycopg.Connection, change: str
) -> None:
    order_id = confirmed(connection)
    connection.execute(change)

    assert [one.name for one in violations(connection, [order_id])] == ["limits are kept"]


def test_two_orders_with_one_reference_are_both_named(connection: psycopg.Connection) -> None:
    both = sorted([confirmed(connection), confirmed(connection)])
    connection.execute("UPDATE orders SET tx_hash = 'same'; UPDATE fills SET reference = 'same'")

    (found,) = violations(connection, both)

    assert (found.name, found.examples) == ("one reference", tuple(both))


def test_many_offenders_are_counted_and_a_few_named() -> None:
    ids = [uuid7() for _ in range(EXAMPLES + 3)]

    assert violation("name", "sentence", ids) == Violation(
        "name", "sentence", EXAMPLES + 3, tuple(ids[:EXAMPLES])
    )


def test_orders_are_unfinished_until_they_are_final_known_to_postgres_or_not(
    migrated: str,
) -> None:
    with psycopg.connect(migrated) as connection:
        connection.execute("SET session_replication_role = replica")
        done, open_ = confirmed(connection), confirmed(connection)
        connection.execute("UPDATE orders SET status = 'ROUTING' WHERE id = %s", [open_])
        connection.commit()
        try:
            assert ledger.unfinished(migrated, []) == 1
            assert ledger.unfinished(migrated, [done, open_]) == 1
            assert ledger.unfinished(migrated, [done, uuid7(), uuid7()]) == 3
        finally:
            for table in ("fills", "order_events", "orders"):
                connection.execute(f"DELETE FROM {table}")


def test_while_postgres_is_away_nobody_knows_what_is_unfinished() -> None:
    assert ledger.unfinished("postgresql://postgres@127.0.0.1:1/postgres", []) is None


def test_what_came_of_the_orders_is_counted(connection: psycopg.Connection) -> None:
    quick, slow, failed = (confirmed(connection) for _ in range(3))
    connection.execute(
        "UPDATE orders SET status = 'FAILED', reason = 'NO_ROUTE', fence = 2, attempts = 3 "
        "WHERE id = %s",
        [failed],
    )
    for order_id, seconds in ((quick, 1), (failed, 2), (slow, 9)):
        connection.execute(
            """UPDATE order_events SET recorded_at = %s + make_interval(secs => %s)
               WHERE order_id = %s AND seq = 4""",
            [NOON, seconds, order_id],
        )

    connection.execute("INSERT INTO conflicts VALUES (%s, now(), '{}')", [quick])

    assert ledger.endings(connection) == [
        ledger.Ending("CONFIRMED", None, 2),
        ledger.Ending("FAILED", "NO_ROUTE", 1),
    ]
    assert ledger.effort(connection) == ledger.Effort(claimed_again=1, routed_again=1, conflicts=1)
    took = ledger.times(connection)
    assert took is not None
    assert (took.p50, took.longest) == (2, 9)
    assert 8 < took.p99 < 9
    assert ledger.stored(connection)[quick] == Stored(
        OrderStatus.CONFIRMED, Side.BUY, USDC, 100, conflicts=1
    )
    assert ledger.stored(connection)[slow].conflicts == 0
    assert {(slow, 1), (slow, 4), (failed, 2)} < ledger.events(connection)


def test_nothing_took_no_time(connection: psycopg.Connection) -> None:
    assert ledger.times(connection) is None
