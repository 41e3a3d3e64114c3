"""Whom a relay serves, and of what it tells them."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

import pytest

from sluice.streaming.clients import Clients
from sluice.streaming.feed import Told
from sluice.streaming.lease import Lease
from sluice.streaming.letters import Connection
from sluice.streaming.sender import unnoted
from sluice.streaming.valkey import connect
from tests.fakes import FakePoster

NOWHERE = "redis://127.0.0.1:1"


@pytest.fixture
def clients() -> Clients:
    """Of a relay that always is sure of its lease, and asks nobody."""
    return Clients(FakePoster(), Lease(connect(NOWHERE), 0, lambda: -1.0), 10, unnoted)


def told(at: datetime) -> Told:
    return Told("alice", "an order", 1, "PENDING", '{"seq":1}', at)


async def test_what_was_written_just_before_a_connection_opened_is_told_to_it_and_no_more(
    clients: Clients,
) -> None:
    opened_at = datetime.now(UTC)
    sender = clients.open(Connection("a1", "alice", opened_at), 1)

    idle = []
    for seconds in (6, 4):
        clients.tell(told(opened_at - timedelta(seconds=seconds)), 1)
        idle.append(sender.idle)
    assert idle == [True, False]
    await clients.forget_all()


async def test_of_an_account_whose_last_client_has_left_nothing_is_wanted_any_more(
    clients: Clients,
) -> None:
    for id_ in ("a1", "a2"):
        clients.open(Connection(id_, "alice", datetime.now(UTC)), 1)

    clients.close("a1")
    assert list(clients.accounts) == ["alice"]
    clients.close("a2")
    assert list(clients.accounts) == []


class Interrupted(Lease):
    """Somebody leaves while connections are being written; keeps what was asked of Valkey."""

    def __init__(self, leave: Callable[[], None]) -> None:
        super().__init__(connect(NOWHERE), 0)
        self.asked: list[tuple[str, ...]] = []
        self._leave = leave

    async def guarded(self, command: str, key: str, *arguments: str) -> bool:
        self.asked.append((command, *(one for one in arguments if not one.startswith("{"))))
        if command == "HSET":
            self._leave()
        return True

    async def count_in(self, connections: Collection[Connection]) -> bool:
        return True


async def test_who_leaves_while_it_is_registered_is_not_left_to_the_next_relay() -> None:
    lease = Interrupted(lambda: served.close("a1"))
    served = Clients(FakePoster(), lease, 10, unnoted)
    for id_ in ("a1", "a2"):
        served.open(Connection(id_, "alice", datetime.now(UTC)), 1)

    await served.register()

    assert lease.asked == [("HSET", "a1", "a2"), ("HDEL", "a1")]
    await served.forget_all()
