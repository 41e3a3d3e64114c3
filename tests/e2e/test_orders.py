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
    """The next `count` events of `orders`."""
    async with asyncio.timeout(seconds):
        while count:
            event = json.loads(await socket.recv())
            if event["type"] == "order" and event["orderId"] in orders:
                count -= 1
                yield event


@pytest.mark.parametrize("order", [BUY, SELL], ids=["BUY", "SELL"])
async def test_an_order_is_confirmed_before_the_clients_eyes_within_two_seconds(
    stack: Stack, http: aiohttp.ClientSession, order: dict[str, Any]
) -> None:
    async with connect(stack.websocket) as socket:
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


async def test_the_order_went_to_the_pool_that_quoted_most(
    stack: Stack, http: aiohttp.ClientSession
) -> None:
    async with connect(stack.websocket) as socket:
        order_ids = {await post(http, stack, order) for order in (BUY, SELL) * 5}
        async for _ in told(socket, order_ids, 4 * len(order_ids), 10):
            pass

    for order_id in order_ids:
        timeline = await get(http, stack, f"/api/orders/{order_id}/events")
        (fill,) = (await get(http, stack, f"/api/orders/{order_id}"))["fills"]
        best = max(timeline["quotes"], key=lambda quote: Decimal(quote["amountOut"] or 0))
        assert best["pool"] == fill["pool"]
        assert {quote["venue"] for quote in timeline["quotes"]} == {"RAYDIUM_CPMM", "METEORA_DLMM"}
        assert len(timeline["quotes"]) == 4


async def test_500_orders_posted_8_at_a_time_are_each_confirmed_and_told_once(
    stack: Stack, http: aiohttp.ClientSession
) -> None:
    eight = asyncio.Semaphore(8)

    async def place() -> str:
        async with eight:
            return await post(http, stack, BUY)

    async with connect(stack.websocket, max_queue=None) as socket:
        orders = set(await asyncio.gather(*(place() for _ in range(500))))
        assert len(orders) == 500
        seen: defaultdict[str, list[int]] = defaultdict(list)
        async for event in told(socket, orders, 2000, 60):
            seen[event["orderId"]].append(event["seq"])
        # Nothing is told twice: what comes next is the answer to a question of ours.
        await socket.send(json.dumps({"action": "ping"}))
        assert json.loads(await socket.recv()) == {"type": "pong"}

    assert seen == {order_id: [1, 2, 3, 4] for order_id in orders}
    async with await psycopg.AsyncConnection.connect(stack.database) as connection:
        rows = await connection.execute(
            """SELECT o.status, count(*), sum((SELECT count(*) FROM order_events e
                                               WHERE e.order_id = o.id)),
                      sum((SELECT count(*) FROM fills f WHERE f.order_id = o.id))
               FROM orders o WHERE o.id = ANY(%s::uuid[]) GROUP BY o.status""",
            (list(orders),),
        )
        assert await rows.fetchall() == [("CONFIRMED", 500, 2000, 500)]


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
