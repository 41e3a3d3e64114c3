"""The rights that `infra/data.yaml` gives our user in AWS's Valkey, tried on a real one."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio.client import PubSub
from redis.exceptions import NoPermissionError

from sluice.orders.model import OrderEvent, OrderStatus
from sluice.secret import made_of
from sluice.streaming.names import ORDER_EVENTS, RELAY_CALL
from sluice.streaming.publish import ValkeyPublisher
from sluice.streaming.valkey import Valkey, connect
from tests.builders import NOON, buy
from tests.templates import template

pytestmark = pytest.mark.integration


@pytest.fixture
async def ours(client: Valkey, valkey_server: str) -> AsyncIterator[Valkey]:
    """A client with no more rights than in AWS."""
    user = template("infra/data.yaml")["Resources"]["ValkeyUser"]["Properties"]
    name, rights = user["UserName"], user["AccessString"].split()
    do: Any = client.execute_command
    await do("ACL", "SETUSER", name, "reset", ">word", *rights)
    ours = connect(f"redis://{name}:word@{urlsplit(valkey_server).netloc}/0")
    yield ours
    await ours.aclose()
    await do("ACL", "DELUSER", name)


async def test_keys_scripts_and_channels_of_ours_are_allowed(ours: Valkey) -> None:
    script = "redis.call('SET', KEYS[1], ARGV[1], 'PX', 60000) return redis.call('PTTL', KEYS[1])"
    left: Any = await ours.register_script(script)(keys=["sluice:{a}:key"], args=["1"])
    assert 0 < int(left) <= 60000
    async with ours.pipeline(transaction=True) as pipeline:
        pipeline.hset("sluice:hash", "one", "1")
        pipeline.zadd("sluice:set", {"one": 1})
        pipeline.rpush("sluice:list", "1")
        pipeline.expire("sluice:list", 60)
        pipeline.publish("sluice:x", "1")
        assert len(await pipeline.execute()) == 5
    async with ours.pubsub() as pubsub:
        await pubsub.psubscribe(ORDER_EVENTS.format(account="*"))
        await pubsub.subscribe(RELAY_CALL.format(shard=0))
        confirmed = [await pubsub.get_message(timeout=10) for _ in range(2)]
    assert [one["type"] for one in confirmed if one] == ["psubscribe", "subscribe"]


@pytest.mark.parametrize(
    "command", [("GET", "another:key"), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("KEYS", "*")]
)
async def test_what_is_not_ours_and_what_is_dangerous_is_not(
    ours: Valkey, command: tuple[str, ...]
) -> None:
    do: Any = ours.execute_command
    with pytest.raises(NoPermissionError):
        await do(*command)


async def test_a_password_that_was_changed_is_used_as_soon_as_it_is_told(
    client: Valkey, valkey_server: str
) -> None:
    do: Any = client.execute_command
    place, told = urlsplit(valkey_server).netloc, "old"
    publisher = ValkeyPublisher(made_of(lambda: f"redis://changing:{told}@{place}/0", connect))
    order = buy()

    async def heard(pubsub: PubSub) -> bool:
        await publisher.publish([OrderEvent(order.id, "alice", 1, OrderStatus.PENDING, NOON)])
        return await pubsub.get_message(timeout=1) is not None

    await do("ACL", "SETUSER", "changing", "reset", "on", ">old", "~*", "&*", "+@all")
    async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(ORDER_EVENTS.format(account="alice"))
        await pubsub.get_message(timeout=10)
        assert await heard(pubsub)

        await do("ACL", "SETUSER", "changing", "resetpass", ">new")
        await do("CLIENT", "KILL", "USER", "changing")
        assert not await heard(pubsub)

        told = "new"
        assert await heard(pubsub)
    await do("ACL", "DELUSER", "changing")
