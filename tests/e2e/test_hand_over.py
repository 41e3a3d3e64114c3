"""Relays of a short life, deployed: each hands over to the next, and nobody notices."""

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import pytest
import redis

from local import deploy
from local.chaos.scene import Scene
from local.http import listening as address
from local.stack import Stack
from local.waiting import until
from sluice.streaming.names import ORDER_EVENTS, RELAY_CALL, RELAY_LEASE
from sluice.streaming.tasks import ended
from sluice.streaming.valkey import connect

from .listening import AT_THE_DOOR, Client, Key, in_order, listening
from .placing import eventually, place_all, tokens_of, written

pytestmark = pytest.mark.e2e

LIFE: Final = "RelayLifeSeconds"
SHORT, LONG = "20", "890"
CLIENTS: Final = 10
HAND_OVERS: Final = 2
ORDERS_AT_ONCE, ORDERS_PER_SECOND = 20, 4
PATIENCE_SECONDS: Final = 180
PAUSE_SECONDS: Final = 10
"""A second is the promise, and printed; a busy machine alone may take several. Where nobody is
called in time the next relay comes with the next ping at the earliest, or the schedule's minute."""
NEAR_SECONDS: Final = 2
LOOK_SECONDS: Final = 0.05
LEASE, CALL = (name.format(shard=0) for name in (RELAY_LEASE, RELAY_CALL))


@dataclass
class Watch:
    """Who has led, how many listened meanwhile, and when each event was published."""

    leaders: dict[str, float] = field(default_factory=dict)
    listeners: dict[str, int] = field(default_factory=dict)
    published: dict[Key, float] = field(default_factory=dict)

    async def look(self, url: str) -> None:
        """Until it is cancelled."""
        valkey = connect(url)
        while True:
            leader = str(await valkey.get(LEASE) or "")
            ((_, listeners),) = await valkey.pubsub_numsub(CALL)
            if leader:
                self.leaders.setdefault(leader, monotonic())
                self.listeners[leader] = max(self.listeners.get(leader, 0), int(listeners))
            await asyncio.sleep(LOOK_SECONDS)

    async def hear(self, url: str, account: str) -> None:
        """Until it is cancelled."""
        async with connect(url).pubsub() as pubsub:
            await pubsub.subscribe(ORDER_EVENTS.format(account=account))
            async for message in pubsub.listen():
                if message["type"] == "message":
                    event = json.loads(message["data"])
                    self.published[event["orderId"], event["seq"]] = monotonic()


@asynccontextmanager
async def watching(stack: Stack, account: str) -> AsyncIterator[Watch]:
    watch = Watch()
    tasks = [
        asyncio.create_task(watch.look(stack.redis)),
        asyncio.create_task(watch.hear(stack.redis, account)),
    ]
    yield watch
    await ended(tasks)


@pytest.fixture
def short_lives(stack: Stack, scene: Scene) -> Iterator[None]:
    gateway = scene.settings.ports.gateway
    deploy.deploy(scene.home, gateway, {LIFE: SHORT})
    # One that was promised a long life leaves when nobody listens; killed, it would be retried.
    with redis.Redis.from_url(stack.redis) as valkey:
        assert until(lambda: not valkey.exists(LEASE), PATIENCE_SECONDS)
    yield
    deploy.deploy(scene.home, gateway, {LIFE: LONG})


@pytest.mark.no_cover
@pytest.mark.usefixtures("short_lives")
def test_relays_hand_over_without_a_pause_and_nothing_is_missed(
    stack: Stack, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    at_hand_over, else_ = asyncio.run(hand_over(stack, scene))

    with capsys.disabled():
        sys.stdout.write(
            f"\n{HAND_OVERS} hand-overs, longest way of an event {at_hand_over * 1000:.0f} ms, "
            f"between them {else_ * 1000:.0f} ms "
        )
    assert at_hand_over < PAUSE_SECONDS


async def hand_over(stack: Stack, scene: Scene) -> tuple[float, float]:
    """For how many seconds at most an event was on its way from its publishing to a client.

    Of those that were published around the moment when a relay took over, and of all others.
    """
    tokens = tokens_of(scene, 1)
    ((account, token),) = tokens.items()
    door = asyncio.Semaphore(AT_THE_DOOR)
    clients = [
        Client(address(stack.websocket, token), door, random.Random(number))
        for number in range(CLIENTS)
    ]
    accepted: list[str] = []
    async with listening(clients), AsyncExitStack() as until_heard:
        await asyncio.gather(*(client.listens.wait() for client in clients))
        watch = await until_heard.enter_async_context(watching(stack, account))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(watch.leaders) <= HAND_OVERS:
                await place_all(stack, tokens, ORDERS_AT_ONCE, ORDERS_PER_SECOND, accepted)
        expected = await written(stack, tokens, len(accepted))

        async def all_there() -> bool:
            return all(len(client.seen) >= len(expected[account]) for client in clients)

        await eventually(all_there)

    for client in clients:
        assert set(client.seen) == expected[account]
        assert in_order(client.seen)
    # Whoever was followed by another did not leave before that one listened, or more: the schedule
    # may send one, too.
    led = list(watch.leaders)[: HAND_OVERS + 1]
    assert min(watch.listeners[leader] for leader in led[:-1]) > 1
    ways: dict[bool, list[float]] = {True: [], False: []}
    for key, at in watch.published.items():
        meets = any(abs(at - watch.leaders[leader]) < NEAR_SECONDS for leader in led[1:])
        ways[meets].append(max(client.seen[key] for client in clients) - at)
    return max(ways[True]), max(ways[False])
