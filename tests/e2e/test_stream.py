"""Many clients at the deployed stream while everything it needs fails: all get everything."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import aiohttp
import psycopg
import pytest
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from local.chaos.faults import kill_function, kill_valkey
from local.chaos.scene import Scene
from local.home import Home
from local.http import bearer, listening
from local.issuer import key as issuer_key
from local.issuer import part as issuer
from local.settings import Settings
from local.stack import Stack

pytestmark = pytest.mark.e2e

ORDER: Final = {"type": "MARKET", "side": "BUY", "tokenIn": "USDC", "tokenOut": "SOL", "amount": 1}
ACCOUNTS: Final = 10
CLIENTS_EACH: Final = 4
ORDERS: Final = 300
AT_ONCE: Final = 8
ORDERS_PER_SECOND: Final = 30
STAYS_SECONDS: Final = (3.0, 12.0)
AWAY_SECONDS: Final = (0.2, 1.5)
SILENCE_SECONDS: Final = 2.0
"""After which a client asks for a sign of life, and once more for an answer it still waits for."""
SETTLE_SECONDS: Final = 40
LOOK_SECONDS: Final = 0.2
BEGINNING: Final = "0"

Key = tuple[str, int]


@dataclass
class Client:
    """Comes and goes, resumes by its cursor, and drops what it has seen."""

    url: str
    chance: random.Random
    cursor: str = BEGINNING
    seen: dict[Key, None] = field(default_factory=dict)
    frames: int = 0
    visits: int = 0
    staying: bool = False
    resumed: bool = False

    async def live(self) -> None:
        while True:
            seconds = None if self.staying else self.chance.uniform(*STAYS_SECONDS)
            try:
                async with asyncio.timeout(seconds), connect(self.url) as socket:
                    await self._visit(socket)
            except TimeoutError:
                await asyncio.sleep(self.chance.uniform(*AWAY_SECONDS))
            except (OSError, WebSocketException):
                # Refused as long as Valkey is away.
                await asyncio.sleep(AWAY_SECONDS[0])

    async def _visit(self, socket: ClientConnection) -> None:
        self.visits += 1
        await self._resume(socket)
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    frame = json.loads(await socket.recv())
            except TimeoutError:
                await (socket.send('{"action":"ping"}') if self.resumed else self._resume(socket))
            else:
                await self._read(socket, frame)

    async def _resume(self, socket: ClientConnection) -> None:
        self.resumed = False
        await socket.send(json.dumps({"action": "subscribe", "after": self.cursor}))

    async def _read(self, socket: ClientConnection, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "subscribed":
                self.resumed = True
            case "resync":
                self.cursor = frame["cursor"]
                await self._resume(socket)
            case "order" if self.resumed:
                self.frames += 1
                self.cursor = frame["cursor"]
                self.seen.setdefault((frame["orderId"], frame["seq"]))


@pytest.fixture
def scene(stack: Stack, stack_home: Home) -> Scene:
    settings = Settings.read(stack_home)
    assert settings is not None
    return Scene(stack_home, settings, stack)


@pytest.fixture
def tokens(scene: Scene) -> dict[str, str]:
    """Accounts of this test's own, with their tokens."""
    url = issuer.url(scene.settings.ports.issuer)
    key = issuer_key.read(issuer_key.path(scene.home))
    accounts = [f"stream-{uuid4()}" for _ in range(ACCOUNTS)]
    return {account: key.token(url, account, issuer_key.SCOPES, 600) for account in accounts}


@asynccontextmanager
async def listeners(stack: Stack, tokens: dict[str, str]) -> AsyncIterator[dict[str, list[Client]]]:
    """Clients of each account, all of which have begun to listen."""
    clients = {
        account: [
            Client(listening(stack.websocket, token), random.Random(f"{number}.{each}"))
            for each in range(CLIENTS_EACH)
        ]
        for number, (account, token) in enumerate(tokens.items())
    }
    everyone = [client for group in clients.values() for client in group]
    tasks = [asyncio.create_task(client.live()) for client in everyone]
    try:
        yield clients
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def place(http: aiohttp.ClientSession, stack: Stack, token: str) -> None:
    """Asks until it is told, as a client with a key may."""
    headers = {**bearer(token), "Idempotency-Key": str(uuid4())}
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(AssertionError), stop=stop_after_attempt(5), reraise=True
    ):
        with attempt:
            async with http.post(
                f"{stack.http}/api/orders/execute", json=ORDER, headers=headers
            ) as response:
                assert response.status == HTTPStatus.CREATED, await response.text()


async def place_all(stack: Stack, tokens: dict[str, str]) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, token: str) -> None:
        await asyncio.sleep(number / ORDERS_PER_SECOND)
        async with turns:
            await place(http, stack, token)

    given = list(tokens.values())
    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(one(n, given[n % len(given)]) for n in range(ORDERS)))


async def eventually(true: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
    """Whether it becomes so in `SETTLE_SECONDS`."""
    for _ in range(round(SETTLE_SECONDS / LOOK_SECONDS)):
        if await true():
            return True
        await asyncio.sleep(LOOK_SECONDS)
    return False


async def written(stack: Stack, accounts: list[str]) -> dict[str, set[Key]]:
    """The events of each account, once every order of theirs is final."""
    query = """SELECT o.account, o.id::text, e.seq FROM orders o
               JOIN order_events e ON e.order_id = o.id WHERE o.account = ANY(%s)"""
    count = """SELECT count(*) FROM orders WHERE account = ANY(%s)
               AND status IN ('CONFIRMED', 'FAILED', 'EXPIRED', 'CANCELLED')"""
    events: dict[str, set[Key]] = defaultdict(set)
    async with await psycopg.AsyncConnection.connect(stack.database, autocommit=True) as database:

        async def final() -> bool:
            return await (await database.execute(count, [accounts])).fetchone() == (ORDERS,)

        assert await eventually(final)
        for account, id_, seq in await (await database.execute(query, [accounts])).fetchall():
            events[account].add((id_, seq))
    return events


def in_order(seen: dict[Key, None]) -> bool:
    last: dict[str, int] = defaultdict(int)
    for order_id, seq in seen:
        if seq != last[order_id] + 1:
            return False
        last[order_id] = seq
    return True


async def test_each_client_gets_every_event_of_its_account_in_order_whatever_fails(
    stack: Stack, scene: Scene, tokens: dict[str, str]
) -> None:
    killed = 0

    async def fail() -> None:
        nonlocal killed
        await asyncio.sleep(3)
        killed = await kill_function("RelayFunction", 1)(scene)
        await asyncio.sleep(4)
        await kill_valkey(0.5)(scene)

    async with AsyncExitStack() as until_the_end:
        # One that never reads stands in nobody's way.
        deaf = listening(stack.websocket, next(iter(tokens.values())))
        await until_the_end.enter_async_context(connect(deaf, max_queue=1))
        clients = await until_the_end.enter_async_context(listeners(stack, tokens))
        await asyncio.gather(place_all(stack, tokens), fail())
        everyone = [client for group in clients.values() for client in group]
        for client in everyone:
            client.staying = True
        expected = await written(stack, list(tokens))

        async def all_there() -> bool:
            return all(
                len(client.seen) >= len(expected[account])
                for account, group in clients.items()
                for client in group
            )

        # If not, what is missing and whose is told below.
        await eventually(all_there)

    assert killed == 1
    for account, group in clients.items():
        for client in group:
            assert set(client.seen) == expected[account]
            assert in_order(client.seen)
    assert sum(client.visits for client in everyone) > len(everyone)
