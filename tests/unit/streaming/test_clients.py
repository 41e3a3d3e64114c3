"""Whom a relay serves, and of what it tells them."""

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
