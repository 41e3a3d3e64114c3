"""From commit to receipt, on a local stack of its own: what its clients feel."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from statistics import median, quantiles
from typing import Any, Final
from uuid import uuid4

import aiohttp
import psycopg
from rich.console import Console
from websockets.asyncio.client import connect

from local.chaos.faults import stop_postgres
from local.chaos.scene import Scene, scene
from local.http import bearer, listening
from local.issuer import key as issuer_key
from local.issuer import part as issuer
from local.progress import Progress

from . import compare
from .compare import Row

CLIENTS: Final = 100
MANY: Final = 20
ROUNDS: Final = 3
ORDERS, ORDERS_PER_SECOND = 24, 2
EVENTS: Final = 4
"""Of each order that is confirmed: PENDING, ROUTING, SUBMITTED, CONFIRMED."""
AT_THE_DOOR: Final = 4
PATIENCE_SECONDS: Final = 60
GOAL_MS: Final = 60
TOKEN_SECONDS: Final = 3600
ORDER: Final = {"type": "MARKET", "side": "BUY", "tokenIn": "USDC", "tokenOut": "SOL", "amount": 1}

COMMITTED: Final = """
SELECT o.id::text, e.seq, extract(epoch FROM pg_xact_commit_timestamp(e.xid::xid))::float8
FROM orders o JOIN order_events e ON e.order_id = o.id WHERE o.account = ANY(%s)
"""

NOTE: Final = f"""\
{CLIENTS} WebSockets, {ORDERS_PER_SECOND} orders a second, four events each; the clients, the \
emulated AWS, all functions and Postgres share this machine. Medians of {ROUNDS} rounds of \
{ORDERS} orders each. commit: by Postgres' own timestamp of the transaction \
(track_commit_timestamp). receipt: the client has the frame, by the clock of the same machine."""

Key = tuple[str, int]
Lag = tuple[float, float]
"""The median and the 99th percentile, in milliseconds."""


def run(console: Console) -> dict[str, Any]:
    """Prints the table, and returns the same."""
    with console.status("listening"), scene(Progress.silent()) as stack:
        many, one = asyncio.run(_measure(stack))
    rows = [
        Row(f"p50 ms to {CLIENTS} clients of {MANY} accounts", many[0], None, limit=GOAL_MS),
        Row(f"p99 ms to {CLIENTS} clients of {MANY} accounts", many[1], None),
        Row(f"p50 ms to {CLIENTS} clients of one account", one[0], None),
        Row(f"p99 ms to {CLIENTS} clients of one account", one[1], None),
    ]
    return compare.show(console, "from commit to receipt, deployed locally", rows, (NOTE,))


async def _measure(stack: Scene) -> tuple[Lag, Lag]:
    async with await psycopg.AsyncConnection.connect(
        stack.stack.database, autocommit=True
    ) as database:
        await database.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    await stop_postgres(0)(stack)
    # All processes are there by then, and have found Postgres again.
    await _round(stack, MANY)
    rounds = [(await _round(stack, MANY), await _round(stack, 1)) for _ in range(ROUNDS)]
    many, one = zip(*rounds, strict=True)
    return _middle(many), _middle(one)


def _middle(lags: tuple[Lag, ...]) -> Lag:
    halves, tails = zip(*lags, strict=True)
    return median(halves), median(tails)


async def _round(stack: Scene, accounts: int) -> Lag:
    tokens = _tokens(stack, accounts)
    received: asyncio.Queue[tuple[Key, float]] = asyncio.Queue()
    async with _listeners(stack, list(tokens.values()), received):
        await _place(stack, list(tokens.values()))
        async with asyncio.timeout(PATIENCE_SECONDS):
            got = [await received.get() for _ in range(ORDERS * EVENTS * CLIENTS // accounts)]
    committed = await _committed(stack, list(tokens))
    lags = [(at - committed[key]) * 1000 for key, at in got]
    return median(lags), quantiles(lags, n=100)[-1]


def _tokens(stack: Scene, accounts: int) -> Mapping[str, str]:
    url = issuer.url(stack.settings.ports.issuer)
    key = issuer_key.read(issuer_key.path(stack.home))
    names = [f"lag-{uuid4()}" for _ in range(accounts)]
    return {name: key.token(url, name, issuer_key.SCOPES, TOKEN_SECONDS) for name in names}


@asynccontextmanager
async def _listeners(
    stack: Scene, tokens: list[str], received: asyncio.Queue[tuple[Key, float]]
) -> AsyncIterator[None]:
    """All of them listen when this is entered: each was told that it is subscribed."""
    door = asyncio.Semaphore(AT_THE_DOOR)
    ready = [asyncio.Event() for _ in range(CLIENTS)]

    async def listen(number: int) -> None:
        url = listening(stack.stack.websocket, tokens[number % len(tokens)])
        async with door:
            socket = await connect(url, compression=None, open_timeout=PATIENCE_SECONDS)
        async with socket:
            await socket.send('{"action":"subscribe"}')
            async for frame in socket:
                at, content = time.time(), json.loads(frame)
                if content["type"] == "order":
                    received.put_nowait(((content["orderId"], content["seq"]), at))
                else:
                    ready[number].set()

    tasks = [asyncio.create_task(listen(number)) for number in range(CLIENTS)]
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*(each.wait() for each in ready))
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _place(stack: Scene, tokens: list[str]) -> None:
    url = f"{stack.stack.http}/api/orders/execute"
    async with aiohttp.ClientSession() as http:

        async def one(number: int) -> None:
            await asyncio.sleep(number / ORDERS_PER_SECOND)
            headers = bearer(tokens[number % len(tokens)])
            async with http.post(url, json=ORDER, headers=headers) as response:
                response.raise_for_status()

        await asyncio.gather(*map(one, range(ORDERS)))


async def _committed(stack: Scene, accounts: list[str]) -> Mapping[Key, float]:
    """When each event was, in Unix time."""
    async with await psycopg.AsyncConnection.connect(stack.stack.database) as database:
        rows = await (await database.execute(COMMITTED, [accounts])).fetchall()
    return {(id_, seq): at for id_, seq, at in rows}
