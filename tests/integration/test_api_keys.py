"""API keys over a real Postgres: made, used, listed and revoked, never kept."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

import psycopg
import pytest
from uuid_utils.compat import uuid7

from sluice.access.caller import Caller, Scope
from sluice.access.keys import hash_of, new_key
from sluice.access.stored_keys import StoredKey, StoredKeys
from sluice.errors import StoreRefused
from sluice.orders.database import Database

pytestmark = pytest.mark.integration

READ = [Scope.READ]


@pytest.fixture
async def stored(postgres_url: str) -> AsyncIterator[StoredKeys]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("TRUNCATE api_keys")
    database = Database(postgres_url)
    yield StoredKeys(database)
    await database.close()


async def create(
    stored: StoredKeys, account: str, name: str, scopes: Iterable[Scope]
) -> tuple[str, StoredKey]:
    key = new_key()
    made = await stored.create(account, name, scopes, hash_of(key))
    assert made is not None
    return key, made


async def test_a_key_has_a_holder_until_it_is_revoked(stored: StoredKeys) -> None:
    key, made = await create(stored, "alice", "bot", Scope)
    assert await stored.holder(hash_of(key)) == Caller("alice", frozenset(Scope))

    revoked = await stored.revoke(made.id)

    assert revoked is not None
    assert revoked.revoked_at is not None
    assert await stored.holder(hash_of(key)) is None


async def test_a_key_allows_what_it_was_made_for(stored: StoredKeys) -> None:
    key, made = await create(stored, "alice", "dashboard", READ)

    assert made.scopes == ["orders:read"]
    assert await stored.holder(hash_of(key)) == Caller("alice", frozenset(READ))


async def test_an_unknown_key_has_no_holder(stored: StoredKeys) -> None:
    await create(stored, "alice", "bot", READ)

    assert await stored.holder(hash_of(new_key())) is None


async def test_a_key_that_is_made_again_is_the_same_and_no_other_ones(stored: StoredKeys) -> None:
    key, made = await create(stored, "alice", "bot", Scope)

    assert await stored.create("alice", "bot", Scope, hash_of(key)) == made
    for account, name, scopes in (
        ("bob", "bot", list(Scope)),
        ("alice", "other", list(Scope)),
        ("alice", "bot", READ),
    ):
        assert await stored.create(account, name, scopes, hash_of(key)) is None

    await stored.revoke(made.id)
    again = await stored.create("alice", "bot", Scope, hash_of(key))
    assert again is not None
    assert again.revoked_at
    assert await stored.all(None) == [again]


async def test_a_key_is_revoked_once_and_for_all(stored: StoredKeys) -> None:
    _, made = await create(stored, "alice", "bot", READ)

    first, second = [await stored.revoke(made.id) for _ in range(2)]

    assert first == second
    assert await stored.revoke(uuid7()) is None


async def test_keys_are_listed_newest_first_with_what_became_of_them(stored: StoredKeys) -> None:
    used, old = await create(stored, "alice", "old", READ)
    _, revoked = await create(stored, "bob", "revoked", READ)
    _, unused = await create(stored, "alice", "unused", READ)
    await stored.holder(hash_of(used))
    await stored.revoke(revoked.id)

    listed = await stored.all(None)

    assert [key.id for key in listed] == [unused.id, revoked.id, old.id]
    assert [key.last_used for key in listed] == [None, None, datetime.now(UTC).date()]
    assert [key.revoked_at is not None for key in listed] == [False, True, False]
    assert [key.name for key in await stored.all("alice")] == ["unused", "old"]


async def test_a_key_that_is_used_often_is_written_to_once_a_day(
    stored: StoredKeys, postgres_url: str
) -> None:
    key, _ = await create(stored, "alice", "bot", READ)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        version = "SELECT xmin::text FROM api_keys"
        await stored.holder(hash_of(key))
        first = connection.execute(version).fetchone()
        await stored.holder(hash_of(key))
        assert connection.execute(version).fetchone() == first
        connection.execute("UPDATE api_keys SET last_used = current_date - 1")
        await stored.holder(hash_of(key))
        (last_used,) = connection.execute("SELECT last_used FROM api_keys").fetchone() or (None,)
    assert last_used == datetime.now(UTC).date()


async def test_no_key_is_in_the_database(stored: StoredKeys, postgres_url: str) -> None:
    key, _ = await create(stored, "alice", "bot", READ)

    with psycopg.connect(postgres_url) as connection:
        (row,) = connection.execute("SELECT api_keys::text FROM api_keys").fetchall()

    assert key not in row[0]
    assert hash_of(key).hex() in row[0]


@pytest.mark.parametrize(
    ("account", "name", "scopes"),
    [
        ("", "bot", READ),
        ("a b", "bot", READ),
        ("x" * 129, "bot", READ),
        ("alice", "", READ),
        ("alice", "x" * 101, READ),
        ("alice", "bot", []),
    ],
)
async def test_postgres_refuses_a_key_that_could_not_be_used(
    stored: StoredKeys, account: str, name: str, scopes: list[Scope]
) -> None:
    with pytest.raises(StoreRefused):
        await create(stored, account, name, scopes)


async def test_postgres_knows_the_scopes_that_we_know(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute("SELECT unnest(enum_range(NULL::scope))::text").fetchall()

    assert [name for (name,) in rows] == list(Scope)
