"""Who comes, or comes again, while the relay looks elsewhere: nobody misses an event."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest

from sluice.orders.port import Page, Place
from sluice.streaming import relay as relays
from sluice.streaming.names import CONNECTIONS, RELAY_MAIL
from sluice.streaming.valkey import Valkey
from tests.fakes import FakeHistory, FakePoster

from .counting_proxy import CountingProxy
from .relaying import (
    Arriving,
    connection,
    events,
    happen,
    keys,
    leased,
    received,
    running,
    told,
    until,
)

pytestmark = pytest.mark.integration

AGE = timedelta(minutes=1)


@pytest.fixture
def poster() -> FakePoster:
    return FakePoster()


@pytest.fixture
def history() -> FakeHistory:
    return FakeHistory()


async def test_whoever_registered_before_an_event_is_told_it_though_nobody_heard_of_either(
    client: Valkey,
    valkey_server: str,
    history: FakeHistory,
    poster: FakePoster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Read from Postgres before its letter is opened, the event would pass the newcomer by."""
    monkeypatch.setattr(relays, "TICK_SECONDS", 3)
    monkeypatch.setattr(relays, "REREAD_SECONDS", 0.1)
    registry = Arriving(client)
    await registry.opened(connection("a1"))
    async with (
        CountingProxy(valkey_server) as proxy,
        running(valkey_server, history, poster, listening=proxy.url),
    ):
        await leased(client)
        proxy.stall()
        assert await registry.opened(connection("a2"))
        await happen(client, history, events())
        await until(received(poster, "a1", 4))
        await until(received(poster, "a2", 4))
        proxy.flow()

    assert told(poster, "a2") == [1, 2, 3, 4]


async def test_the_mail_is_looked_at_though_nothing_is_heard_any_more(
    client: Valkey,
    valkey_server: str,
    history: FakeHistory,
    poster: FakePoster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relays, "REREAD_SECONDS", 600)
    registry = Arriving(client)
    await registry.opened(connection("a1"))
    async with (
        CountingProxy(valkey_server) as proxy,
        running(valkey_server, history, poster, listening=proxy.url),
    ):
        await happen(client, history, events())
        await until(received(poster, "a1", 4))
        proxy.stall()
        assert await registry.seen(connection("a1"), '{"action": "subscribe"}')
        await until(received(poster, "a1", 5))

        async def all_opened() -> bool:
            return not await client.exists(RELAY_MAIL.format(shard=0))

        await until(all_opened)


async def test_a_subscription_that_brings_nothing_any_more_is_made_anew(
    client: Valkey,
    valkey_server: str,
    history: FakeHistory,
    poster: FakePoster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The host at its other end vanished: nothing ever says that the connection is over."""
    monkeypatch.setattr(relays, "SILENT_SECONDS", 2)
    monkeypatch.setattr(relays, "REREAD_SECONDS", 600)
    await Arriving(client).opened(connection("a1"))
    async with (
        CountingProxy(valkey_server) as proxy,
        running(valkey_server, history, poster, listening=proxy.url),
    ):
        await happen(client, history, events())
        await until(received(poster, "a1", 4))
        proxy.lose()
        await happen(client, history, events())
        await until(lambda: len(set(keys(poster, "a1"))) == 8)
        await happen(client, history, events())
        await until(lambda: len(set(keys(poster, "a1"))) == 12)


async def test_one_that_was_forgotten_misses_nothing_though_postgres_is_away_when_it_speaks(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    registry = Arriving(client)
    await registry.opened(connection("a0", age=AGE))
    async with running(valkey_server, history, poster):
        await leased(client)
        missed, later = events(), events()
        await happen(client, history, missed)
        await until(received(poster, "a0", 4))
        history.gone = True
        await registry.seen(connection("a1", age=AGE))
        await happen(client, history, later)
        await until(received(poster, "a0", 8))
        # It waits for what came before.
        assert poster.sent["a1"] == []
        history.gone = False
        await until(lambda: len(set(keys(poster, "a1"))) == 8)

    assert list(dict.fromkeys(keys(poster, "a1"))) == keys(poster, "a0")


async def test_one_that_was_forgotten_and_speaks_between_two_relays_misses_nothing(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    registry = Arriving(client)
    await registry.opened(connection("a0", age=AGE))
    async with running(valkey_server, history, poster, seconds=2) as first:
        history.write(events(), datetime.now(UTC) - timedelta(seconds=30))
        await until(received(poster, "a0", 4))
        await first
    assert not await registry.seen(connection("a1", age=AGE))
    async with running(valkey_server, history, poster):
        await until(received(poster, "a1", 4))

        async def caught_up() -> bool:
            return '"again"' not in str(await client.hget(CONNECTIONS, "a1"))

        await until(caught_up)


async def test_a_client_that_left_is_not_kept_registered_by_what_was_written_meanwhile(
    client: Valkey, valkey_server: str, history: FakeHistory, poster: FakePoster
) -> None:
    registry = Arriving(client)
    await registry.opened(connection("a0"))
    async with running(valkey_server, history, poster):
        await leased(client)
        record = str(await client.hget(CONNECTIONS, "a0"))
        async with client.pipeline() as together:
            # As by a relay that keeps what it wishes, just when its client unregisters it.
            together.hset(CONNECTIONS, "a1", record)
            together.rpush(RELAY_MAIL.format(shard=0), '{"id": "a1"}')
            await together.execute()

        async def one_left() -> bool:
            return list(await client.hkeys(CONNECTIONS)) == ["a0"]

        await until(one_left)


class Watched(FakeHistory):
    """Knows how many pages were read at once."""

    reading: int = 0
    most: int = 0

    async def followed(
        self,
        since: str,
        until: str,
        accounts: Collection[str],
        behind: Place | None,
        limit: int,
    ) -> Page:
        self.reading += 1
        self.most = max(self.most, self.reading)
        await asyncio.sleep(0.001)
        self.reading -= 1
        return await super().followed(since, until, accounts, behind, limit)


async def test_however_many_resume_one_page_of_what_they_missed_is_read_at_a_time(
    client: Valkey, valkey_server: str, poster: FakePoster
) -> None:
    """So that what is live, and commands, wait for one such page and no more."""
    history = Watched()
    ids = [f"a{number}" for number in range(20)]
    registry = Arriving(client)
    for id_ in ids:
        await registry.opened(connection(id_))
    for _ in range(5):
        history.write(events(), datetime.now(UTC) - AGE)
    async with running(valkey_server, history, poster, queue_limit=10):
        await leased(client)
        for id_ in ids:
            await registry.seen(connection(id_), '{"action": "subscribe", "after": "0"}')
        for id_ in ids:
            await until(received(poster, id_, 21))

    # The relay itself may be reading what came last.
    assert history.most <= 2
