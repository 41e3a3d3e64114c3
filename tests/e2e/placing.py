"""Orders of many accounts, placed at a steady pace, and what has become of them."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import uuid4

import psycopg

from local.chaos.exchange import Exchange
from local.chaos.load import EXECUTE
from local.chaos.scene import Scene
from local.issuer import key as issuer_key
from local.issuer import part as issuer
from local.stack import Stack

from .listening import Key

ORDER: Final = {"type": "MARKET", "side": "BUY", "tokenIn": "USDC", "tokenOut": "SOL", "amount": 1}
AT_ONCE: Final = 4
SETTLE_SECONDS: Final = 300
LOOK_SECONDS: Final = 0.5
TOKEN_SECONDS: Final = 1800


def tokens_of(scene: Scene, accounts: int) -> dict[str, str]:
    """So many accounts that nobody else has, with their tokens."""
    url = issuer.url(scene.settings.ports.issuer)
    key = issuer_key.read(issuer_key.path(scene.home))
    names = [f"stream-{uuid4()}" for _ in range(accounts)]
    return {name: key.token(url, name, issuer_key.SCOPES, TOKEN_SECONDS) for name in names}


async def place_all(
    stack: Stack, tokens: Mapping[str, str], orders: int, per_second: float, accepted: list[str]
) -> None:
    """The accounts in turns; each order is asked for, under its key, until it is accepted."""
    turns, tally = asyncio.Semaphore(AT_ONCE), Counter[str]()

    async def one(number: int, account: str, exchange: Exchange) -> None:
        await asyncio.sleep(number / per_second)
        async with turns:
            key = {"Idempotency-Key": str(uuid4())}
            answer = await exchange.settled("POST", EXECUTE, ORDER, key)
        assert answer.order_id is not None, str(answer)
        accepted.append(account)

    async with AsyncExitStack() as until_placed:
        exchanges = [
            (account, await until_placed.enter_async_context(Exchange(stack.http, tally, token=t)))
            for account, t in tokens.items()
        ]
        await asyncio.gather(*(one(n, *exchanges[n % len(exchanges)]) for n in range(orders)))


async def written(stack: Stack, accounts: Collection[str], orders: int) -> dict[str, set[Key]]:
    """The events of each account, once that many orders of theirs are final."""
    query = """SELECT o.account, o.id::text, e.seq FROM orders o
               JOIN order_events e ON e.order_id = o.id WHERE o.account = ANY(%s)"""
    count = """SELECT count(*) FROM orders WHERE account = ANY(%s)
               AND status IN ('CONFIRMED', 'FAILED', 'EXPIRED', 'CANCELLED')"""
    events: dict[str, set[Key]] = defaultdict(set)
    names = list(accounts)
    async with await psycopg.AsyncConnection.connect(stack.database, autocommit=True) as database:

        async def final() -> bool:
            return await (await database.execute(count, [names])).fetchone() == (orders,)

        assert await eventually(final)
        for account, id_, seq in await (await database.execute(query, [names])).fetchall():
            events[account].add((id_, seq))
    return events


async def eventually(true: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
    """Whether it becomes so in `SETTLE_SECONDS`."""
    for _ in range(round(SETTLE_SECONDS / LOOK_SECONDS)):
        if await true():
            return True
        await asyncio.sleep(LOOK_SECONDS)
    return False
