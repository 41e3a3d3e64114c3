"""What is asked about API keys, and answered: JSON, so that it can be asked from afar.

A key is made where it will be used, and its hash alone is sent: no event, answer or log has it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sluice.errors import WishInvalid
from sluice.orders.database import Database, Where

from .caller import ACCOUNT, Scope
from .stored_keys import StoredKey, StoredKeys

MOST_CHARACTERS: Final = 100
HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Create:
    """A key with this hash, of this account."""

    account: str
    name: str
    scopes: Iterable[Scope]
    key_hash: bytes


@dataclass(frozen=True, slots=True)
class List:
    """Those of an account, or of all."""

    account: str | None


@dataclass(frozen=True, slots=True)
class Revoke:
    """The end of a key."""

    id: UUID


Wish = Create | List | Revoke
FIELDS: Final[Mapping[object, frozenset[str]]] = {
    "create": frozenset({"do", "account", "name", "scopes", "hash"}),
    "list": frozenset({"do", "account"}),
    "revoke": frozenset({"do", "id"}),
}


def read(event: object) -> Wish:
    """What is asked; raises `WishInvalid`."""
    if not isinstance(event, dict):
        raise WishInvalid("event: is no object")
    do = event.get("do")
    if not isinstance(do, str) or do not in FIELDS:
        raise WishInvalid(f"do: is none of {', '.join(map(str, FIELDS))}")
    if unknown := event.keys() - FIELDS[do]:
        raise WishInvalid(f"{min(unknown)}: is no field of {do}")
    account = event.get("account")
    match do:
        case "create":
            return Create(
                _account(account),
                _name(event.get("name")),
                _scopes(event.get("scopes")),
                _hash(event.get("hash")),
            )
        case "list":
            return List(None if account is None else _account(account))
        case _:
            return Revoke(_id(event.get("id")))


def _account(given: object) -> str:
    if not isinstance(given, str) or not ACCOUNT.fullmatch(given):
        raise WishInvalid("account: has 1 to 128 printable ASCII characters, and no spaces")
    return given


def _name(given: object) -> str:
    # Printable, since it is shown in terminals.
    if not isinstance(given, str) or not (
        1 <= len(given) <= MOST_CHARACTERS and given.isprintable()
    ):
        raise WishInvalid(f"name: has 1 to {MOST_CHARACTERS} printable characters")
    return given


def _scopes(given: object) -> Iterable[Scope]:
    if given is None:
        return frozenset(Scope)
    if not isinstance(given, list) or not given or not all(one in list(Scope) for one in given):
        raise WishInvalid(f"scopes: is a list of one or more of {', '.join(Scope)}")
    return frozenset(map(Scope, given))


def _hash(given: object) -> bytes:
    if not isinstance(given, str) or not HASH.fullmatch(given):
        raise WishInvalid("hash: is the SHA-256 of a key, by 64 hexadecimal digits in lower case")
    return bytes.fromhex(given)


def _id(given: object) -> UUID:
    try:
        return UUID(str(given))
    except ValueError:
        raise WishInvalid("id: is none of a key, as the list has it") from None


async def done(wish: Wish, where: str | Where) -> list[StoredKey]:
    """The keys that it is about, as they are after it; none where there is none to revoke.

    By a connection for this alone: who asks is a person, now and then. Raises `WishInvalid`, and
    what `Database.work` does.
    """
    database = Database(where)
    stored = StoredKeys(database)
    try:
        match wish:
            case Create(account, name, scopes, key_hash):
                key = await stored.create(account, name, scopes, key_hash)
                if key is None:
                    raise WishInvalid("hash: is that of another key")
            case List(account):
                return await stored.all(account)
            case Revoke(key_id):
                key = await stored.revoke(key_id)
    finally:
        await database.close()
    return [] if key is None else [key]


def told(key: StoredKey) -> dict[str, Any]:
    """A key in JSON."""
    return {
        "id": str(key.id),
        "account": key.account,
        "name": key.name,
        "scopes": key.scopes,
        "createdAt": key.created_at.isoformat(),
        "revokedAt": None if key.revoked_at is None else key.revoked_at.isoformat(),
        "lastUsed": None if key.last_used is None else key.last_used.isoformat(),
    }


def heard(key: Mapping[str, Any]) -> StoredKey:
    """The key of which was told."""
    revoked, used = key["revokedAt"], key["lastUsed"]
    return StoredKey(
        UUID(key["id"]),
        key["account"],
        key["name"],
        key["scopes"],
        datetime.fromisoformat(key["createdAt"]),
        None if revoked is None else datetime.fromisoformat(revoked),
        None if used is None else date.fromisoformat(used),
    )
