"""Failures that nobody thought of end the one connection that they befell: it comes back."""

import json
from collections.abc import Collection
from uuid import UUID

import pytest

from sluice.errors import StoreRefused
from sluice.orders.port import Page, Past, Place
from sluice.streaming.frames import Frame
from sluice.streaming.poster import Posted
from sluice.streaming.valkey import Valkey
from tests.fakes import FakeHistory, FakePoster

from .relaying import Arriving, connection, events, happen, leased, received, running, until

pytestmark = pytest.mark.integration


class Broken(FakePoster):
    """Knows no reason why it does not post to one connection."""

    async def post(self, connection_id: str, frame: Frame) -> Posted:
        if connection_id == "a1":
            raise RuntimeError("Session is closed")
        return await super().post(connection_id, frame)

    async def disconnect(self, connection_id: str) -> None:
        await super().disconnect(connection_id)
        raise RuntimeError("Session is closed")


class Refusing(FakeHistory):
    """Has no history of one connection's account."""

    async def followed(
        self,
        since: str,
        until: str,
        accounts: Collection[str],
        behind: Place | None,
        limit: int,
    ) -> Page:
        if list(accounts) == ["alice"]:
            raise StoreRefused("no such column")
        return await super().followed(since, until, accounts, behind, limit)

    async def events_of(self, account: str, order_id: UUID, after_seq: int) -> Past | None:
        raise StoreRefused("no such column")


ORDER = "01961f2e-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("history", "poster", "command"),
    [
        (FakeHistory(), Broken(), {}),
        (Refusing(), FakePoster(), {"after": "1"}),
        (Refusing(), FakePoster(), {"orderId": ORDER}),
    ],
    ids=["posting", "replaying", "obeying"],
)
async def test_a_connection_that_cannot_be_served_is_ended_not_left_mute(
    client: Valkey,
    valkey_server: str,
    history: FakeHistory,
    poster: FakePoster,
    command: dict[str, str],
) -> None:
    registry, one = Arriving(client), connection("a1")
    await registry.opened(one)
    await registry.opened(connection("b1", "bob"))
    async with running(valkey_server, history, poster):
        await leased(client)
        assert await registry.seen(one, json.dumps({"action": "subscribe", **command}))

        async def forgotten() -> bool:
            return [c.id for c in await registry.of_shard(0)] == ["b1"]

        await until(forgotten)
        await happen(client, history, events(4, "bob"))
        await until(received(poster, "b1", 4))
    assert poster.disconnected == ["a1"]
