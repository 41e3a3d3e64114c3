"""Orders through the public HTTP and WebSocket doors of a deployed stack."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import psycopg
import pytest
from websockets.asyncio.client import ClientConnection, connect

from local.stack import Stack
from sluice.markets.catalog import catalog

pytestmark = pytest.mark.e2e

BUY: dict[str, Any] = {
    "type": "MARKET",
    "side": "BUY",
    "tokenIn": "USDC",
    "tokenOut": "SOL",
    "amount": 100,
}
SELL: dict[str, Any] = {
    "type": "MARKET",
    "side": "SELL",
    "tokenIn": "SOL",
    "tokenOut": "USDC",
    "amount": "0.7",
}
WAY = ["PENDING", "ROUTING", "SUBMITTED", "CONFIRMED"]


async def post(http: aiohttp.ClientSession, stack: Stack, order: dict[str, Any]) -> str:
    """Places an order; its id."""
    async with http.post(f"{stack.http}/api/orders/execute", json=order) as response:
        answer = await response.json()
        assert response.status == 201, answer
    order_id: str = answer["data"]["orderId"]
    return order_id


async def get(http: aiohttp.ClientSession, stack: Stack, path: str) -> dict[str, Any]:
    async with http.get(f"{stack.http}{path}") as response:
        answer = await response.json()
        assert response.status == 200, answer
    data: dict[str, Any] = answer["data"]
    return data


async def told(
    socket: ClientConnection, orders: set[str], count: int, seconds: float
) -> AsyncIterator[dict[str, Any]]:
    """The next `count` events of `orders`, each once, as a client hears them that resumes."""
    seen: set[tuple[str, int]] = set()
    async with asyncio.timeout(seconds):
        while len(seen) < count:
            event = json.loads(await socket.recv())
            if event["type"] == "resync":
                # Slower than the news: what was dropped is asked for.
                await socket.send(json.dumps({"action": "subscribe", "after": event["cursor"]}))
            elif (
                event["type"] == "order"
                and event["orderId"] in orders
                and (event["orderId"], event["seq"]) not in seen
            ):
                seen.add((event["orderId"], event["seq"]))
                yield event


@pytest.mark.parametrize("order", [BUY, SELL], ids=["BUY", "SELL"])
async def test_an_order_is_confirmed_before_the_clients_eyes_within_two_seconds(
    stack: Stack, http: aiohttp.ClientSession, live: str, order: dict[str, Any]
) -> None:
    async with connect(live) as socket:
        posted = time.monotonic()
        order_id = await post(http, stack, order)
        at_once = await get(http, stack, f"/api/orders/{order_id}")
        events = [event async for event in told(socket, {order_id}, 4, 2)]
        assert time.monotonic() - posted < 2

    assert at_once["status"] in WAY
    assert [event["status"] for event in events] == WAY
    assert [event["seq"] for event in events] == [1, 2, 3, 4]
    last = events[-1]
    shown = await get(http, stack, f"/api/orders/{order_id}")
    assert shown["status"] == "CONFIRMED"
    assert (shown["txHash"], shown["executionPrice"]) == (last["txHash"], last["executionPrice"])
    assert last["txHash"].startswith("paper-")
    amount, out = Decimal(shown["amount"]), Decimal(shown["amountOut"])
    quote, base = (amount, out) if order is BUY else (out, amount)
    assert abs(Decimal(last["executionPrice"]) - quote / base) < Decimal("1e-9")


@pytest.mark.no_cover
async def test_1000_orders_posted_8_at_a_time_are_each_confirmed_and_told_at_the_best_price(
    stack: Stack, http: aiohttp.ClientSession, live: str
) -> None:
    eight = asyncio.Semaphore(8)

    async def place(order: dict[str, Any]) -> str:
        async with eight:
            return await post(http, stack, order)

    async with connect(live, max_queue=None) as socket:
        orders = set(await asyncio.gather(*(place(order) for order in (BUY, SELL) * 500)))
        assert len(orders) == 1000
        seen: defaultdict[str, list[int]] = defaultdict(list)
        async for event in told(socket, orders, 4000, 120):
            seen[event["orderId"]].append(event["seq"])
    # Behind a resync the news goes on while what was dropped is read.
    assert {order_id: sorted(seqs) for order_id, seqs in seen.items()} == {
        order_id: [1, 2, 3, 4] for order_id in orders
    }
    async with await psycopg.AsyncConnection.connect(stack.database) as connection:
        counts = await connection.execute(
            """SELECT o.status, o.side, count(*),
                      sum((SELECT count(*) FROM order_events e WHERE e.order_id = o.id))
               FROM orders o WHERE o.id = ANY(%s::uuid[]) GROUP BY 1, 2 ORDER BY 2""",
            (list(orders),),
        )
        assert await counts.fetchall() == [
            ("CONFIRMED", "BUY", 500, 2000),
            ("CONFIRMED", "SELL", 500, 2000),
        ]
        routed = await connection.execute(
            """SELECT order_id, sum(leg_out), max(amount_out), count(*), count(DISTINCT venue)
               FROM quotes WHERE order_id = ANY(%s::uuid[]) GROUP BY 1""",
            (list(orders),),
        )
        rows = await routed.fetchall()
        fills = await connection.execute(
            """SELECT o.id FROM orders o JOIN fills f ON f.order_id = o.id
               WHERE o.id = ANY(%s::uuid[])
               GROUP BY o.id HAVING sum(f.amount_out) = o.amount_out
                  AND sum(f.amount_in) = o.amount_in""",
            (list(orders),),
        )
        assert len(await fills.fetchall()) == 1000
    assert len(rows) == 1000
    pools = [pool for pool in catalog("simulated").pools if pool.name == "SOL/USDC"]
    for _, paid, best_alone, quotes, venues in rows:
        assert paid >= best_alone
        assert (quotes, venues) == (len(pools), 6)


async def test_an_order_too_large_for_one_pool_is_split_and_the_split_pays_more(
    stack: Stack, http: aiohttp.ClientSession, live: str
) -> None:
    async with connect(live) as socket:
        order_id = await post(http, stack, BUY | {"amount": 800_000, "slippageBps": 500})
        *_, last = [event async for event in told(socket, {order_id}, 4, 10)]
    assert last["status"] == "CONFIRMED"

    quotes = (await get(http, stack, f"/api/orders/{order_id}/events"))["quotes"]
    legs = [quote for quote in quotes if quote["legOut"]]
    fills = (await get(http, stack, f"/api/orders/{order_id}"))["fills"]
    assert 1 < len(legs) == len(fills) <= 3
    assert sum(Decimal(leg["legOut"]) for leg in legs) > max(
        Decimal(quote["amountOut"] or 0) for quote in quotes
    )


async def test_a_token_without_a_direct_pool_goes_through_a_hub(
    stack: Stack, http: aiohttp.ClientSession, live: str
) -> None:
    async with connect(live) as socket:
        order = BUY | {"tokenIn": "JUP", "tokenOut": "SOL", "swapMode": "EXACT_OUT", "amount": 1}
        order_id = await post(http, stack, order)
        *_, last = [event async for event in told(socket, {order_id}, 4, 10)]

    assert last["status"] == "CONFIRMED"
    shown = await get(http, stack, f"/api/orders/{order_id}")
    assert shown["amountOut"] == "1"
    assert {(fill["hop"], fill["tokenIn"], fill["tokenOut"]) for fill in shown["fills"]} == {
        (0, "JUP", "USDC"),
        (1, "USDC", "SOL"),
    }


async def test_an_order_that_cannot_be_filled_says_why(
    stack: Stack, http: aiohttp.ClientSession, live: str
) -> None:
    async with connect(live) as socket:
        order_id = await post(http, stack, BUY | {"limitPrice": "1"})
        *_, last = [event async for event in told(socket, {order_id}, 3, 10)]

    assert (last["status"], last["reason"], last["txHash"]) == ("FAILED", "PRICE_LIMIT", None)


async def test_faults_are_named_by_the_deployed_api(
    stack: Stack, http: aiohttp.ClientSession
) -> None:
    body = {**BUY, "amount": "0.0000001", "tokenOut": "DOGE"}
    async with http.post(f"{stack.http}/api/orders/execute", json=body) as response:
        answer = await response.json()

    assert response.status == 400
    assert [fault["field"] for fault in answer["details"]] == ["tokenOut", "amount"]
    assert answer["requestId"]


async def test_the_documentation_finds_its_document_below_the_gateways_path(
    stack: Stack, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{stack.http}/docs") as response:
        assert "openapi.json" in await response.text()
    async with http.get(f"{stack.http}/openapi.json") as response:
        assert (await response.json())["info"]["title"] == "Sluice"
