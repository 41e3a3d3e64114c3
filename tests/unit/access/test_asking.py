"""What may be asked about API keys; what is wrong is told by its field, and not repeated."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from sluice.access.asking import Create, List, Revoke, heard, read, told
from sluice.access.caller import Scope
from sluice.access.keys import hash_of, new_key
from sluice.access.stored_keys import StoredKey
from sluice.errors import WishInvalid

KEY = new_key()
CREATE = {"do": "create", "account": "alice", "name": "bot", "hash": hash_of(KEY).hex()}
ID = "01992f3a-7c00-7000-8000-00000000ffff"


def test_what_is_asked_is_understood() -> None:
    everything = frozenset(Scope)
    assert read(CREATE) == Create("alice", "bot", everything, hash_of(KEY))
    assert read({**CREATE, "scopes": None}) == read(CREATE)
    assert read({**CREATE, "scopes": ["orders:read"]}) == Create(
        "alice", "bot", frozenset({Scope.READ}), hash_of(KEY)
    )
    assert read({"do": "list"}) == read({"do": "list", "account": None}) == List(None)
    assert read({"do": "list", "account": "alice"}) == List("alice")
    assert read({"do": "revoke", "id": ID}) == Revoke(UUID(ID))


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (None, "event"),
        ([CREATE], "event"),
        ({}, "do"),
        ({"do": "drop"}, "do"),
        ({"do": ["create"]}, "do"),
        ({**CREATE, "key": KEY}, "key"),
        ({**CREATE, "id": ID}, "id"),
        ({**CREATE, "account": None}, "account"),
        ({**CREATE, "account": "a b"}, "account"),
        ({**CREATE, "account": "x" * 129}, "account"),
        ({**CREATE, "account": "alice\n"}, "account"),
        ({**CREATE, "name": ""}, "name"),
        ({**CREATE, "name": "x" * 101}, "name"),
        ({**CREATE, "name": 7}, "name"),
        ({**CREATE, "name": "\x1b[2J"}, "name"),
        ({**CREATE, "name": "\ud800"}, "name"),
        ({**CREATE, "scopes": []}, "scopes"),
        ({**CREATE, "scopes": "orders:read"}, "scopes"),
        ({**CREATE, "scopes": ["orders:all"]}, "scopes"),
        ({**CREATE, "scopes": [{}]}, "scopes"),
        ({**CREATE, "hash": KEY}, "hash"),
        ({**CREATE, "hash": None}, "hash"),
        ({**CREATE, "hash": CREATE["hash"] + "0"}, "hash"),
        ({"do": "list", "account": ""}, "account"),
        ({"do": "list", "id": ID}, "id"),
        ({"do": "revoke"}, "id"),
        ({"do": "revoke", "id": "5"}, "id"),
        ({"do": "revoke", "id": [ID]}, "id"),
    ],
)
def test_what_is_asked_wrongly_is_told_by_its_field_and_not_repeated(
    event: object, field: str
) -> None:
    with pytest.raises(WishInvalid) as refused:
        read(event)

    assert str(refused.value).startswith(f"{field}: ")
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    ("revoked_at", "last_used"),
    [(None, None), (datetime(2026, 11, 30, 1, 2, 3, 4, UTC), date(2026, 11, 29))],
)
def test_a_key_that_is_told_is_heard_as_it_is(
    revoked_at: datetime | None, last_used: date | None
) -> None:
    made = datetime(2026, 11, 28, 1, 2, 3, 4, UTC)
    key = StoredKey(uuid7(), "alice", "bot", ["orders:read"], made, revoked_at, last_used)

    assert heard(told(key)) == key
