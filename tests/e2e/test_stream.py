"""Many clients at the deployed stream while everything it needs fails: all get everything.

`SLUICE_STREAM_SEED=4711` has the clients come and go as in an earlier run, and
`SLUICE_STREAM_ORDERS=300` makes it a shorter one.
"""

import asyncio
import os
import random
import sys
from contextlib import AsyncExitStack
from time import monotonic
from typing import Final

import pytest
from websockets.asyncio.client import connect

from local.chaos.faults import kill_function, kill_valkey
from local.chaos.scene import Scene
from local.http import listening as address
from local.stack import Stack

from .listening import AT_THE_DOOR, Client, in_order, listening
from .placing import eventually, place_all, tokens_of, written

# Two hundred clients in one process are in each other's way enough.
pytestmark = [pytest.mark.e2e, pytest.mark.no_cover]

ACCOUNTS: Final = 20
CLIENTS_EACH: Final = 10
ORDERS: Final = int(os.environ.get("SLUICE_STREAM_ORDERS") or 3000)
ORDERS_PER_SECOND: Final = 50
STAYS_SECONDS: Final = (15.0, 90.0)
RELAY_KILLED_AT: Final = 0.3
VALKEY_KILLED_AT: Final = 0.6
"""Of all orders, the part that was accepted by then."""
SEED: Final = int(os.environ.get("SLUICE_STREAM_SEED") or random.randrange(10_000))


def clients_of(stack: Stack, tokens: dict[str, str]) -> dict[str, list[Client]]:
    door = asyncio.Semaphore(AT_THE_DOOR)
    return {
        account: [
            Client(
                address(stack.websocket, token),
                door,
                random.Random(f"{SEED}.{number}.{each}"),
                STAYS_SECONDS,
            )
            for each in range(CLIENTS_EACH)
        ]
        for number, (account, token) in enumerate(tokens.items())
    }


async def test_each_client_gets_every_event_of_its_account_in_order_whatever_fails(
    stack: Stack,
    scene: Scene,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tokens = tokens_of(scene, ACCOUNTS)
    accepted: list[str] = []
    killed = 0
    clients = clients_of(stack, tokens)
    everyone = [client for group in clients.values() for client in group]

    async def so_many_accepted(part: float) -> None:
        async def there() -> bool:
            return len(accepted) >= part * ORDERS

        assert await eventually(there)

    async def fail() -> None:
        nonlocal killed
        await so_many_accepted(RELAY_KILLED_AT)
        killed = await kill_function("RelayFunction", 1)(scene)
        await so_many_accepted(VALKEY_KILLED_AT)
        await kill_valkey(0.5)(scene)

    async with AsyncExitStack() as until_the_end:
        # One that never reads stands in nobody's way.
        deaf = address(stack.websocket, next(iter(tokens.values())))
        await until_the_end.enter_async_context(connect(deaf, max_queue=1))
        await until_the_end.enter_async_context(listening(everyone))
        await asyncio.gather(*(client.listens.wait() for client in everyone))
        began = monotonic()
        await asyncio.gather(place_all(stack, tokens, ORDERS, ORDERS_PER_SECOND, accepted), fail())
        placed = monotonic() - began
        for client in everyone:
            client.stays = None
        expected = await written(stack, tokens, ORDERS)

        async def all_there() -> bool:
            return all(
                len(client.seen) >= len(expected[account])
                for account, group in clients.items()
                for client in group
            )

        # If not, what is missing and whose is told below.
        await eventually(all_there)
        frames, visits = (sum(getattr(c, of) for c in everyone) for of in ("frames", "visits"))
        with capsys.disabled():
            sys.stdout.write(
                f"\nseed {SEED}: {ORDERS} orders accepted in {placed:.0f} s, told in "
                f"{monotonic() - began:.0f} s: {frames} frames, {visits} visits "
            )

    assert killed == 1
    missing, others = {}, {}
    for account, group in clients.items():
        for number, client in enumerate(group):
            seen = set(client.seen)
            if seen != expected[account]:
                missing[account, number] = sorted(expected[account] - seen)
                others[account, number] = sorted(seen - expected[account])
            assert in_order(client.seen)
    assert (missing, others) == ({}, {})
    assert visits > len(everyone)
