"""API keys in Postgres: made, listed, revoked, and looked up by their hashes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from sluice.orders.database import Database

from .caller import Caller, Scope

# One round trip; a key that is in use all day is written to once.
_HOLDER: Final = """
    WITH used AS (
        UPDATE api_keys SET last_used = current_date
        WHERE hash = %(hash)s AND revoked_at IS NULL AND last_used IS DISTINCT FROM current_date
    )
    SELECT account, scopes::text[] FROM api_keys WHERE hash = %(hash)s AND revoked_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An API key, but for what would let anyone use it."""

    id: UUID
    account: str
    name: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None
    last_used: date | None


class StoredKeys:
    """Every method raises what `Database.work` does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def holder(self, key_hash: bytes) -> Caller | None:
        """Who holds the key with that hash, unless it was revoked; notes the day."""
        async with self._database.work() as connection:
            row = await (await connection.execute(_HOLDER, {"hash": key_hash})).fetchone()
        if row is None:
            return None
        return Caller(row["account"], frozenset(map(Scope, row["scopes"])))

    async def create(
        self, account: str, name: str, scopes: Iterable[Scope], key_hash: bytes
    ) -> StoredKey | None:
        """Keeps a key by its hash, once, however often it is asked; None if that is another's."""
        values = (uuid7(), account, name, sorted(scopes), key_hash)
        async with self._database.work() as connection:
            rows = await connection.execute(
                # What it sets changes nothing: without, a row that was there is not told.
                """INSERT INTO api_keys (id, account, name, scopes, hash)
                   VALUES (%s, %s, %s, %s::text[]::scope[], %s)
                   ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash
                   WHERE (api_keys.account, api_keys.name, api_keys.scopes)
                       = (excluded.account, excluded.name, excluded.scopes)
                   RETURNING id, account, name, scopes::text[], created_at, revoked_at,
                             last_used""",
                values,
            )
            row = await rows.fetchone()
        return None if row is None else StoredKey(**row)

    async def all(self, account: str | None) -> list[StoredKey]:
        """The keys of `account`, or of everyone, newest first; the revoked ones, too."""
        async with self._database.work() as connection:
            rows = await connection.execute(
                """SELECT id, account, name, scopes::text[], created_at, revoked_at, last_used
                   FROM api_keys WHERE %(account)s::text IS NULL OR account = %(account)s
                   ORDER BY created_at DESC, id DESC""",
                {"account": account},
            )
            return [StoredKey(**row) async for row in rows]

    async def revoke(self, key_id: UUID) -> StoredKey | None:
        """Ends a key for good, once and for all; None where there is no such key."""
        async with self._database.work() as connection:
            rows = await connection.execute(
                """UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = %s
                   RETURNING id, account, name, scopes::text[], created_at, revoked_at,
                             last_used""",
                (key_id,),
            )
            row = await rows.fetchone()
        return None if row is None else StoredKey(**row)
