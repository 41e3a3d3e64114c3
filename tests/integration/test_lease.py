"""The lease of a shard, over a real Valkey: what a relay may do once it is not sure of it."""

import asyncio
from datetime import UTC, datetime

import pytest
from redis.exceptions import RedisError

from sluice.streaming.arrivals import TooManyConnections
from sluice.streaming.clients import Clients
from sluice.streaming.lease import Lease
from sluice.streaming.letters import Connection
from sluice.streaming.mailbox import Mailbox
from sluice.streaming.names import CONNECTIONS, CONNECTIONS_OF
from sluice.streaming.obey import Commands
from sluice.streaming.renewal import LEASE_SECONDS
from sluice.streaming.replay import Replays
from sluice.streaming.sender import Sender, unnoted
from sluice.streaming.valkey import Valkey
from tests.fakes import FakeHistory, FakePoster

from .relaying import LEASE, Arriving, connection

pytestmark = pytest.mark.integration

FAR = 4_000_000_000.0


async def test_a_lease_is_sure_from_when_it_was_asked_for_not_from_when_it_was_answered(
    client: Valkey,
) -> None:
    moments = [0.0]
    lease = Lease(client, 0, lambda: moments.pop(0) if len(moments) > 1 else moments[0])
    # The answer took so long that by Valkey's clock it may be over.
    moments[:] = [0.0, LEASE_SECONDS + 1]
    assert await lease.take(FAR)

    certain = asyncio.create_task(lease.certain())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not certain.done()
    certain.cancel()


async def test_whom_a_relay_registers_anew_its_account_has_and_no_more(client: Valkey) -> None:
    lease = Lease(client, 0)
    assert await lease.take(FAR)
    clients = Clients(FakePoster(), lease, 10, unnoted)
    for id_, account in (("a1", "alice"), ("a2", "alice"), ("b1", "bob")):
        clients.open(connection(id_, account), 1)
    # As after Valkey has forgotten everything.
    await clients.register()

    arriving = Arriving(client, most=2)
    with pytest.raises(TooManyConnections):
        await arriving.opened(connection("a3"))
    assert await arriving.opened(connection("b2", "bob"))
    with pytest.raises(TooManyConnections):
        await arriving.opened(connection("b3", "bob"))
    await clients.unregister(["a1"])
    assert await arriving.opened(connection("a3"))
    await clients.forget_all()


async def test_who_lost_the_lease_counts_nobody(client: Valkey) -> None:
    lease = Lease(client, 0)
    assert await lease.take(FAR)
    await client.set(LEASE, "of another", px=60_000)

    assert not await lease.count_in([connection("a1")])
    assert not await client.exists(CONNECTIONS_OF.format(account="alice"))


async def test_who_lost_the_lease_registers_nobody_and_is_told(client: Valkey) -> None:
    lease = Lease(client, 0)
    assert await lease.take(FAR)
    clients = Clients(FakePoster(), lease, 10, unnoted)
    clients.open(Connection("a1", "alice", datetime.now(UTC)), 1)
    await client.set(LEASE, "of another", px=60_000)

    with pytest.raises(RedisError):
        await clients.register()
    assert not await client.exists(CONNECTIONS)
    await clients.forget_all()


async def test_who_lost_the_lease_leaves_the_mail_to_whoever_has_it(client: Valkey) -> None:
    lease, history = Lease(client, 0), FakeHistory()
    clients = Clients(FakePoster(), lease, 10, unnoted)
    registry = Arriving(client)
    await registry.opened(connection("a1"))
    await client.set(LEASE, "of another", px=60_000)

    async def survives(sender: Sender) -> None:
        raise AssertionError("nothing was said")

    async def noted() -> None:
        raise AssertionError("nobody was forgotten")

    replays = Replays(history, noted)
    commands = Commands(client, history, survives, replays.begin)
    with pytest.raises(RedisError):
        await Mailbox(registry, lease, 0, clients, commands, replays).take(1)
    assert len(await registry.mail(0, 10)) == 1
    await clients.forget_all()
