"""A WebSocket connection, and what its relay is written of it, as Valkey has both."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zlib import crc32

LONGEST: Final = timedelta(hours=2, minutes=10)
"""API Gateway ends every connection after two hours."""
LONGEST_MS: Final = LONGEST // timedelta(milliseconds=1)
MAIL_SECONDS: Final = 120
"""A relay comes within a minute; then clients have long asked again."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a connection wants: its account's feed but for `muted` orders, and `orders` anyway."""

    feed: bool = True
    orders: frozenset[str] = frozenset()
    muted: frozenset[str] = frozenset()

    def want(self, order_id: str) -> bool:
        return order_id in self.orders or (self.feed and order_id not in self.muted)


@dataclass(frozen=True, slots=True)
class Connection:
    """An open WebSocket of an account."""

    id: str
    account: str
    opened_at: datetime
    wishes: Wishes = field(default=Wishes())
    again: bool = False
    """It was forgotten: what it was told before nobody knows, so all since it was opened comes."""

    @property
    def opened_ms(self) -> int:
        """Unix time."""
        return int(self.opened_at.timestamp() * 1000)

    def shard(self, shards: int) -> int:
        return crc32(self.id.encode()) % shards


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection that the relay should serve."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Closed:
    id: str


@dataclass(frozen=True, slots=True)
class Said:
    """A command of a connection, for the relay to do and to answer."""

    connection: Connection
    message: str


Letter = Opened | Closed | Said


def record_of(connection: Connection) -> str:
    """The connection, without its id, as the hash has it."""
    return json.dumps(_record(connection))


def connection_of(id_: str, record: str) -> Connection:
    """The connection in a field of the hash."""
    return _connection(id_, json.loads(record))


def _record(connection: Connection) -> dict[str, object]:
    wishes = connection.wishes
    return {
        "account": connection.account,
        "openedMs": connection.opened_ms,
        **({} if wishes.feed else {"feed": False}),
        **({"orders": sorted(wishes.orders)} if wishes.orders else {}),
        **({"muted": sorted(wishes.muted)} if wishes.muted else {}),
        **({"again": True} if connection.again else {}),
    }


def _connection(id_: str, content: Mapping[str, Any]) -> Connection:
    return Connection(
        id_,
        content["account"],
        datetime.fromtimestamp(content["openedMs"] / 1000, UTC),
        Wishes(
            content.get("feed", True),
            frozenset(content.get("orders", ())),
            frozenset(content.get("muted", ())),
        ),
        content.get("again", False),
    )


def sealed(letter: Letter) -> str:
    """The letter as it is in the mail."""
    content: dict[str, object]
    match letter:
        case Opened(connection):
            # As a relay of the release before reads it: `again` beside the record.
            again = connection.again
            content = {"id": connection.id, "opened": _record(connection), "again": again}
        case Closed(id_):
            content = {"id": id_}
        case Said(connection, message):
            content = {"id": connection.id, "of": _record(connection), "said": message}
    return json.dumps(content)


def opened(letter: str) -> Letter:
    """The letter that was sealed."""
    content = json.loads(letter)
    if "opened" in content:
        connection = _connection(content["id"], content["opened"])
        return Opened(replace(connection, again=content["again"]))
    if "said" in content:
        return Said(_connection(content["id"], content["of"]), content["said"])
    return Closed(content["id"])
