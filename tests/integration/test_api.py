"""The HTTP API over a real Postgres, a real Valkey and an emulated SQS."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import boto3
import pytest
from aiohttp import web
from fastapi import FastAPI
from mypy_boto3_sqs import SQSClient
from mypy_boto3_sqs.type_defs import MessageTypeDef
from redis.asyncio.client import PubSub

from api.app import create_app
from api.services import Services
from local.market.rpc import application
from local.market.state import Market
from sluice.config import ApiConfig, load
from sluice.markets.catalog import catalog
from sluice.orders.database import Database
from sluice.orders.message import decode
from sluice.orders.model import U64_MAX, OrderTerms, Side, SwapMode
from sluice.orders.port import Claim, Postponed
from sluice.orders.store import PostgresStore
from sluice.streaming.names import ORDER_EVENTS
from sluice.streaming.valkey import connect
from tests.builders import NOON, SOL, USDC, buy, changed, confirmed
from tests.http import call

pytestmark = pytest.mark.integration

BODY = {"type": "MARKET", "side": "BUY", "tokenIn": "USDC", "tokenOut": "SOL", "amount": 100}
NOWHERE = "127.0.0.1:1"
MINUTE = timedelta(minutes=1)
JUP = "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN"


@pytest.fixture(autouse=True)
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The current loop, as the function's module makes it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def queue(sqs: SQSClient) -> str:
    return sqs.create_queue(QueueName=f"orders-{uuid4()}")["QueueUrl"]


@pytest.fixture
def config(queue: str, postgres_url: str, valkey_server: str) -> ApiConfig:
    return ApiConfig(
        ORDERS_QUEUE_URL=queue,
        DATABASE_URL=postgres_url,
        VALKEY_URL=valkey_server,
        SOLANA_RPC_URL=f"http://{NOWHERE}",
        MARKETS="simulated",
    )


def app_of(config: ApiConfig) -> FastAPI:
    services = Services(config)
    return create_app(lambda: services)


@pytest.fixture
def app(config: ApiConfig) -> FastAPI:
    return app_of(config)


def queued(queue: str) -> list[MessageTypeDef]:
    return (
        boto3.client("sqs")
        .receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        )
        .get("Messages", [])
    )


def test_an_order_is_accepted_queued_and_readable_at_once(app: FastAPI, queue: str) -> None:
    answer = call(app, "POST", "/api/orders/execute", BODY)

    assert answer.status == 201
    assert answer.body["status"] == "success"
    assert answer.body["message"]
    data = answer.body["data"]
    assert data["status"] == "PENDING"
    assert UUID(data["orderId"]).version == 7
    assert answer.headers["location"] == f"/api/orders/{data['orderId']}"
    (message,) = queued(queue)
    assert message["Attributes"]["MessageGroupId"] == "local"
    terms = decode(message["Body"])
    assert (str(terms.id), terms.side, terms.token_in, terms.token_out, terms.amount) == (
        data["orderId"],
        Side.BUY,
        USDC,
        SOL,
        100_000_000,
    )
    order = call(app, "GET", f"/api/orders/{terms.id}").body["data"]
    assert (order["status"], order["amount"], order["tokenIn"], order["fills"]) == (
        "PENDING",
        "100",
        "USDC",
        [],
    )
    timeline = call(app, "GET", f"/api/orders/{terms.id}/events").body["data"]
    assert [event["status"] for event in timeline["events"]] == ["PENDING"]


@pytest.mark.parametrize(
    ("change", "units"),
    [
        ('{"amount": 0.1}', 100_000_000),
        ('{"amount": "0.1"}', 100_000_000),
        ('{"amount": 123456789.123456789}', 123_456_789_123_456_789),
        ('{"amount": "123456789.123456789"}', 123_456_789_123_456_789),
        ('{"amount": 1e-9}', 1),
        ('{"amount": 18446744073.709551615}', U64_MAX),
    ],
)
def test_amounts_are_exact_as_numbers_and_as_strings(
    app: FastAPI, queue: str, change: str, units: int
) -> None:
    # Spelled by hand: Python's own JSON would round the numbers before they are sent.
    rest = json.dumps({**BODY, "side": "SELL", "tokenIn": "SOL", "tokenOut": USDC} | {"amount": 0})
    raw = rest.replace('"amount": 0', change.strip("{}"))

    assert call(app, "POST", "/api/orders/execute", raw=raw).status == 201
    (message,) = queued(queue)
    assert decode(message["Body"]).amount == units


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"amount": 0}, ["amount"]),
        ({"amount": -5}, ["amount"]),
        ({"amount": "-5"}, ["amount"]),
        ({"amount": float("nan")}, ["amount"]),
        ({"amount": float("inf")}, ["amount"]),
        ({"amount": "NaN"}, ["amount"]),
        ({"amount": "1e3"}, ["amount"]),
        ({"amount": " 1"}, ["amount"]),
        ({"amount": "٣"}, ["amount"]),
        ({"amount": ""}, ["amount"]),
        ({"amount": "9" * 5000}, ["amount"]),
        ({"amount": 10**4000}, ["amount"]),
        ({"amount": True}, ["amount"]),
        ({"amount": None}, ["amount"]),
        ({"amount": [1]}, ["amount"]),
        ({"amount": "0.0000001"}, ["amount"]),
        ({"amount": "18446744073709.551616"}, ["amount"]),
        ({"tokenIn": "DOGE"}, ["tokenIn"]),
        ({"tokenIn": "usdc"}, ["tokenIn"]),
        ({"tokenIn": 7}, ["tokenIn"]),
        ({"tokenOut": "'; DROP TABLE orders; --"}, ["tokenOut"]),
        ({"tokenOut": "USDC"}, ["tokenOut"]),
        ({"tokenOut": USDC}, ["tokenOut"]),
        ({"type": "LIMIT"}, ["type"]),
        ({"side": "buy"}, ["side"]),
        ({"surprise": 1}, ["surprise"]),
        ({"token_in": "USDC"}, ["token_in"]),
        (
            {"type": 1, "side": 2, "tokenIn": 3, "tokenOut": 4, "amount": "x"},
            ["side", "tokenIn", "tokenOut", "amount", "type"],
        ),
        ({"swapMode": "BOTH"}, ["swapMode"]),
        ({"swapMode": "EXACT_OUT", "amount": "0.0000000001"}, ["amount"]),
        ({"slippageBps": -1}, ["slippageBps"]),
        ({"slippageBps": 10_001}, ["slippageBps"]),
        ({"slippageBps": "50"}, ["slippageBps"]),
        ({"slippageBps": True}, ["slippageBps"]),
        ({"maxSplits": 0}, ["maxSplits"]),
        ({"maxSplits": 6}, ["maxSplits"]),
        ({"limitPrice": 0}, ["limitPrice"]),
        ({"limitPrice": "1e5"}, ["limitPrice"]),
        ({"limitPrice": 1e300}, ["limitPrice"]),
        ({"limitPrice": "0." + "0" * 60 + "1"}, ["limitPrice"]),
        ({"query": 1, "path": 2}, ["query", "path"]),
        ({"minAmountOut": "0.0000000001"}, ["minAmountOut"]),
        ({"minAmountOut": 1, "swapMode": "EXACT_OUT"}, ["minAmountOut"]),
    ],
)
def test_every_faulty_field_is_named_and_nothing_is_queued(
    app: FastAPI, queue: str, change: dict[str, object], fields: list[str]
) -> None:
    answer = call(app, "POST", "/api/orders/execute", {**BODY, **change})

    assert answer.status == 400
    assert answer.body["status"] == "error"
    assert answer.body["code"] == "VALIDATION_FAILED"
    assert answer.body["requestId"] == "request-1"
    assert [fault["field"] for fault in answer.body["details"]] == fields
    assert all(fault["message"] for fault in answer.body["details"])
    assert queued(queue) == []


@pytest.mark.parametrize("missing", list(BODY))
def test_a_missing_field_is_named(app: FastAPI, missing: str) -> None:
    body = {name: value for name, value in BODY.items() if name != missing}

    answer = call(app, "POST", "/api/orders/execute", body)

    assert (answer.status, [f["field"] for f in answer.body["details"]]) == (400, [missing])


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '"text"',
        "[" * 60_000,
        '{"amount": 1, "amount": 2}',
        '{"a": 1e99999999999}',
        "\x00",
        "{'type': 'MARKET'}",
    ],
    ids=range(11),
)
def test_a_body_that_is_no_json_object_is_told_so(app: FastAPI, raw: str) -> None:
    answer = call(app, "POST", "/api/orders/execute", raw=raw)

    assert (answer.status, answer.body["code"]) == (400, "VALIDATION_FAILED")
    assert answer.body["details"]


def test_every_condition_of_an_order_travels_with_it(app: FastAPI, queue: str) -> None:
    conditions = {
        "swapMode": "EXACT_OUT",
        "amount": "0.000000001",
        "slippageBps": 7,
        "maxSplits": 2,
        "limitPrice": "142.123456789",
    }

    answer = call(app, "POST", "/api/orders/execute", BODY | conditions)

    assert answer.status == 201
    (message,) = queued(queue)
    terms = decode(message["Body"])
    assert (terms.swap_mode, terms.amount, terms.slippage_bps, terms.max_splits) == (
        SwapMode.EXACT_OUT,
        1,
        7,
        2,
    )
    assert terms.limit_price == Decimal("142.123456789")
    shown = call(app, "GET", f"/api/orders/{terms.id}").body["data"]
    assert shown.items() >= conditions.items()


def test_quotes_tell_every_pool_and_the_route_and_store_nothing(
    config: ApiConfig, queue: str, postgres_url: str, loop: asyncio.AbstractEventLoop
) -> None:
    market = application(Market(seed=1, slot=1, unix_time=int(time.time())), trading=False)
    runner = web.AppRunner(market)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    app = app_of(changed(config, SOLANA_RPC_URL=f"http://127.0.0.1:{runner.addresses[0][1]}"))
    asked = {"side": "BUY", "tokenIn": "USDC", "tokenOut": "SOL", "amount": 500_000}

    answer = call(app, "POST", "/api/quotes", asked)
    jupiter = call(app, "POST", "/api/quotes", asked | {"tokenIn": "JUP", "amount": 1000})
    loop.run_until_complete(runner.cleanup())

    assert answer.status == 200
    data = answer.body["data"]
    (hop,) = data["hops"]
    pools = [pool for pool in catalog("simulated").pools if pool.name == "SOL/USDC"]
    assert {quote["pool"] for quote in data["quotes"]} == {pool.address for pool in pools}
    assert 1 < len(hop["legs"]) <= 3
    assert sum(Decimal(leg["amountIn"]) for leg in hop["legs"]) == 500_000
    assert sum(Decimal(leg["amountOut"]) for leg in hop["legs"]) == Decimal(data["amountOut"])
    assert Decimal(data["amountOut"]) > max(
        Decimal(quote["amountOut"] or 0) for quote in data["quotes"]
    )
    assert all(Decimal(leg["impactBps"]) >= 0 and leg["fees"] for leg in hop["legs"])
    assert [hop["tokenOut"] for hop in jupiter.body["data"]["hops"]] == ["USDC", "SOL"]
    assert queued(queue) == []
    assert call(app, "GET", "/api/orders").body["data"]["orders"] == []


def test_quotes_without_an_rpc_say_why_there_is_no_route(app: FastAPI) -> None:
    asked = {"side": "SELL", "tokenIn": "SOL", "tokenOut": "USDC", "amount": 1}

    data = call(app, "POST", "/api/quotes", asked).body["data"]

    assert (data["reason"], data["hops"]) == ("VENUES_UNAVAILABLE", [])
    assert {quote["error"] for quote in data["quotes"]} == {"ClientConnectorError"}


def test_a_faulty_quote_request_is_named_and_unknown_fields_are_refused(app: FastAPI) -> None:
    answer = call(app, "POST", "/api/quotes", BODY)

    assert (answer.status, [f["field"] for f in answer.body["details"]]) == (400, ["type"])


def test_markets_list_tokens_pairs_and_pools(app: FastAPI) -> None:
    data = call(app, "GET", "/api/markets").body["data"]

    assert {"symbol": "SOL", "mint": SOL, "decimals": 9} in data["tokens"]
    assert [market["pair"] for market in data["markets"]] == ["SOL/USDC", "JUP/USDC"]
    assert all(market["pools"] for market in data["markets"])


@pytest.mark.parametrize("field", ["amount", "limitPrice", "minAmountOut"])
@pytest.mark.parametrize("number", ["1e99999999999999999999", "1e-99999999999999999999", "1e400"])
def test_a_number_beyond_all_bounds_is_the_fault_of_its_field(
    app: FastAPI, field: str, number: str
) -> None:
    raw = json.dumps(BODY | {field: 0}).replace(f'"{field}": 0', f'"{field}": {number}')

    answer = call(app, "POST", "/api/orders/execute", raw=raw)

    assert (answer.status, [f["field"] for f in answer.body["details"]]) == (400, [field])


def test_a_price_with_digits_without_end_is_refused(app: FastAPI) -> None:
    raw = json.dumps(BODY | {"limitPrice": 0}).replace(": 0", ": 150." + "0" * 30_000 + "1")

    answer = call(app, "POST", "/api/orders/execute", raw=raw)

    assert (answer.status, [f["field"] for f in answer.body["details"]]) == (400, ["limitPrice"])


def test_a_fault_of_ours_is_not_told_as_the_clients() -> None:
    broken = create_app(lambda: Services(load(ApiConfig, {})))

    answer = call(broken, "POST", "/api/orders/execute", BODY)

    assert (answer.status, answer.body["code"], answer.body["details"]) == (500, "INTERNAL", [])


def test_a_body_over_64_kib_is_too_large(app: FastAPI) -> None:
    answer = call(app, "POST", "/api/orders/execute", raw=json.dumps(BODY) + " " * 65_536)

    assert (answer.status, answer.body["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_accepting_never_touches_postgres_and_reading_says_that_it_is_gone(
    config: ApiConfig, queue: str
) -> None:
    app = app_of(changed(config, DATABASE_URL=f"postgresql://{NOWHERE}/x"))

    accepted = call(app, "POST", "/api/orders/execute", BODY)
    assert accepted.status == 201
    assert len(queued(queue)) == 1

    answer = call(app, "GET", f"/api/orders/{accepted.body['data']['orderId']}")
    assert (answer.status, answer.body["code"]) == (503, "DATABASE_UNAVAILABLE")
    assert answer.headers["retry-after"]


def test_without_valkey_orders_are_accepted_all_the_same(config: ApiConfig, queue: str) -> None:
    app = app_of(changed(config, VALKEY_URL=f"redis://{NOWHERE}"))

    accepted = call(app, "POST", "/api/orders/execute", BODY)

    assert accepted.status == 201
    assert len(queued(queue)) == 1
    for path in ("", "/events"):
        answer = call(app, "GET", f"/api/orders/{accepted.body['data']['orderId']}{path}")
        assert (answer.status, answer.body["code"]) == (503, "VALKEY_UNAVAILABLE")
        assert answer.headers["retry-after"]


def test_without_a_queue_an_order_is_refused(config: ApiConfig) -> None:
    app = app_of(changed(config, ORDERS_QUEUE_URL=f"{config.ORDERS_QUEUE_URL}-none"))

    answer = call(app, "POST", "/api/orders/execute", BODY)

    assert (answer.status, answer.body["code"]) == (503, "QUEUE_UNAVAILABLE")
    assert answer.headers["retry-after"]


def test_a_confirmed_order_is_shown_with_its_fill_and_every_quote(
    app: FastAPI, postgres_url: str, loop: asyncio.AbstractEventLoop
) -> None:
    order = loop.run_until_complete(executed(postgres_url))

    shown = call(app, "GET", f"/api/orders/{order}", account="alice").body["data"]
    assert (shown["status"], shown["amount"], shown["amountOut"], shown["executionPrice"]) == (
        "CONFIRMED",
        "100",
        "0.702",
        "142.45",
    )
    (fill,) = shown["fills"]
    assert (fill["amountIn"], fill["amountOut"], fill["reference"]) == (
        "100",
        "0.702",
        shown["txHash"],
    )
    assert fill["fees"] == [{"kind": "trade", "token": "USDC", "amount": "0.25"}]
    timeline = call(app, "GET", f"/api/orders/{order}/events", account="alice").body["data"]
    assert [event["seq"] for event in timeline["events"]] == [1, 2, 3, 4]
    assert timeline["events"][-1]["detail"]["amountOut"] == "0.702"
    assert [(q["venue"], q["amountOut"], q["error"]) for q in timeline["quotes"]] == [
        ("RAYDIUM_CPMM", "0.702", None),
        ("METEORA_DLMM", None, "no answer within 1.5 s"),
    ]
    (listed,) = call(app, "GET", "/api/orders", account="alice").body["data"]["orders"]
    assert listed["orderId"] == order


def test_another_accounts_order_is_not_found(
    app: FastAPI, postgres_url: str, loop: asyncio.AbstractEventLoop
) -> None:
    stored = loop.run_until_complete(executed(postgres_url))
    waiting = call(app, "POST", "/api/orders/execute", BODY, account="alice").body["data"]

    for order in (stored, waiting["orderId"]):
        for path in (f"/api/orders/{order}", f"/api/orders/{order}/events"):
            answer = call(app, "GET", path, account="mallory")
            assert (answer.status, answer.body["code"]) == (404, "NOT_FOUND")
    assert call(app, "GET", "/api/orders", account="mallory").body["data"]["orders"] == []


def test_orders_are_listed_page_by_page(
    app: FastAPI, postgres_url: str, loop: asyncio.AbstractEventLoop
) -> None:
    orders = [loop.run_until_complete(executed(postgres_url)) for _ in range(3)]

    first = call(app, "GET", "/api/orders?limit=2", account="alice").body["data"]
    rest = call(app, "GET", f"/api/orders?limit=2&cursor={first['cursor']}", account="alice")

    shown = [order["orderId"] for order in first["orders"] + rest.body["data"]["orders"]]
    assert sorted(shown) == sorted(orders)
    assert rest.body["data"]["cursor"] is None


@pytest.fixture
def various(postgres_url: str, loop: asyncio.AbstractEventLoop) -> dict[str, str]:
    """Orders of alice's by name, a minute apart: filled, sold, other, and one of bob's."""
    filled = buy(accepted_at=NOON)
    sold = replace(
        buy(accepted_at=NOON + MINUTE), side=Side.SELL, token_in=SOL, token_out=USDC, amount=10**9
    )
    other = replace(buy(accepted_at=NOON + 2 * MINUTE), token_out=JUP)
    loop.run_until_complete(executed(postgres_url, filled))
    loop.run_until_complete(claimed(postgres_url, sold, other, buy(account="bob")))
    return {"filled": str(filled.id), "sold": str(sold.id), "other": str(other.id)}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["other", "sold", "filled"]),
        ("status=CONFIRMED", ["filled"]),
        ("status=ROUTING", ["other", "sold"]),
        ("status=CONFIRMED,ROUTING", ["other", "sold", "filled"]),
        ("status=CONFIRMED&status=ROUTING", ["other", "sold", "filled"]),
        ("status=FAILED", []),
        ("side=SELL", ["sold"]),
        ("side=BUY", ["other", "filled"]),
        ("tokenIn=SOL", ["sold"]),
        (f"tokenIn={USDC}", ["other", "filled"]),
        ("tokenOut=JUP", ["other"]),
        ("tokenIn=USDC&tokenOut=SOL", ["filled"]),
        ("from=2026-11-23T12:01:00Z", ["other", "sold"]),
        ("to=2026-11-23T12:01:00Z", ["filled"]),
        ("from=2026-11-23T13:01:00%2B01:00&to=2026-11-23T12:01:00.001Z", ["sold"]),
        ("from=2026-11-23T12:01:00Z&side=BUY&status=ROUTING,PENDING", ["other"]),
    ],
)
def test_orders_are_filtered_and_counted(
    app: FastAPI, various: dict[str, str], query: str, names: list[str]
) -> None:
    data = call(app, "GET", f"/api/orders?{query}", account="alice").body["data"]

    assert [order["orderId"] for order in data["orders"]] == [various[name] for name in names]
    assert data["total"] == len(names)


def test_the_total_is_that_of_all_pages(app: FastAPI, various: dict[str, str]) -> None:
    path = "/api/orders?limit=1&status=ROUTING"
    first = call(app, "GET", path, account="alice").body["data"]
    rest = call(app, "GET", f"{path}&cursor={first['cursor']}", account="alice").body["data"]

    assert [first["total"], rest["total"]] == [2, 2]
    assert [page["orders"][0]["orderId"] for page in (first, rest)] == [
        various["other"],
        various["sold"],
    ]


def test_an_order_that_still_waits_is_cancelled_and_told_so(
    app: FastAPI,
    queue: str,
    valkey_server: str,
    postgres_url: str,
    loop: asyncio.AbstractEventLoop,
) -> None:
    placed = call(app, "POST", "/api/orders/execute", BODY, account="alice").body["data"]["orderId"]
    listener = loop.run_until_complete(listening(valkey_server))

    answers = [call(app, "DELETE", f"/api/orders/{placed}", account="alice") for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    shown = answers[0].body["data"]
    assert (shown["status"], shown["seq"], shown["amount"]) == ("CANCELLED", 2, "100")
    assert call(app, "GET", f"/api/orders/{placed}", account="alice").body["data"] == shown
    told = [loop.run_until_complete(heard(listener)) for _ in range(2)]
    loop.run_until_complete(listener.connection_pool.disconnect())
    assert [(frame["orderId"], frame["seq"], frame["status"]) for frame in told] == [
        (placed, 1, "PENDING"),
        (placed, 2, "CANCELLED"),
    ]
    # The worker that its message reaches finds it cancelled.
    (message,) = queued(queue)
    found = loop.run_until_complete(claimed(postgres_url, decode(message["Body"])))
    assert found.finished == {UUID(placed)}


def test_an_order_that_a_worker_has_is_not_cancellable_and_its_status_told(
    app: FastAPI, postgres_url: str, loop: asyncio.AbstractEventLoop
) -> None:
    routing = buy()
    loop.run_until_complete(claimed(postgres_url, routing))
    done = loop.run_until_complete(executed(postgres_url))

    for order, status in ((routing.id, "ROUTING"), (done, "CONFIRMED")):
        answer = call(app, "DELETE", f"/api/orders/{order}", account="alice")
        assert (answer.status, answer.body["code"]) == (409, "ORDER_NOT_CANCELLABLE")
        assert answer.body["details"] == [{"field": "status", "message": status}]


def test_an_order_that_is_unknown_or_anothers_is_not_cancelled(app: FastAPI) -> None:
    placed = call(app, "POST", "/api/orders/execute", BODY, account="alice").body["data"]["orderId"]

    for order, account in ((uuid4(), "alice"), (placed, "mallory")):
        answer = call(app, "DELETE", f"/api/orders/{order}", account=account)
        assert (answer.status, answer.body["code"]) == (404, "NOT_FOUND")
    assert call(app, "GET", f"/api/orders/{placed}", account="alice").body["data"]["seq"] == 1


def test_without_postgres_nothing_is_cancelled_and_without_valkey_what_postgres_knows(
    config: ApiConfig, app: FastAPI, postgres_url: str, loop: asyncio.AbstractEventLoop
) -> None:
    placed = call(app, "POST", "/api/orders/execute", BODY, account="alice").body["data"]["orderId"]
    no_postgres = app_of(changed(config, DATABASE_URL=f"postgresql://{NOWHERE}/x"))
    no_valkey = app_of(changed(config, VALKEY_URL=f"redis://{NOWHERE}"))

    for broken, code in ((no_postgres, "DATABASE_UNAVAILABLE"), (no_valkey, "VALKEY_UNAVAILABLE")):
        answer = call(broken, "DELETE", f"/api/orders/{placed}", account="alice")
        assert (answer.status, answer.body["code"]) == (503, code)
        assert answer.headers["retry-after"]
    assert call(app, "DELETE", f"/api/orders/{placed}", account="alice").status == 200
    assert call(no_valkey, "DELETE", f"/api/orders/{placed}", account="alice").status == 200
    assert call(no_valkey, "GET", f"/api/orders/{placed}", account="alice").status == 200


def test_quotes_tell_which_routing_they_are_of(
    app: FastAPI, postgres_url: str, loop: asyncio.AbstractEventLoop
) -> None:
    order = buy()
    loop.run_until_complete(routed_in_vain(postgres_url, order))

    timeline = call(app, "GET", f"/api/orders/{order.id}/events", account="alice").body["data"]
    assert [(quote["attempt"], quote["venue"]) for quote in timeline["quotes"]] == [
        (1, "RAYDIUM_CPMM"),
        (1, "METEORA_DLMM"),
        (2, "RAYDIUM_CPMM"),
        (2, "METEORA_DLMM"),
    ]
    assert timeline["conflicts"] == []
    shown = call(app, "GET", f"/api/orders/{order.id}", account="alice").body["data"]
    assert (shown["attempts"], shown["expiresAt"]) == (1, None)


def test_what_else_was_asked_for_under_the_key_of_an_order_is_shown(
    app: FastAPI, postgres_url: str, loop: asyncio.AbstractEventLoop
) -> None:
    expires_at = NOON + 5 * MINUTE
    order = replace(buy(amount=U64_MAX), expires_at=expires_at)
    refused = replace(
        order,
        amount=U64_MAX - 1,
        limit_price=Decimal("142.123456789123456789"),
        min_amount_out=1,
        accepted_at=NOON + MINUTE,
    )
    loop.run_until_complete(claimed(postgres_url, order))
    loop.run_until_complete(claimed(postgres_url, refused))

    timeline = call(app, "GET", f"/api/orders/{order.id}/events", account="alice").body["data"]
    (conflict,) = timeline["conflicts"]
    expected = {
        "orderId": str(order.id),
        "side": "BUY",
        "tokenIn": "USDC",
        "tokenOut": "SOL",
        "amount": "18446744073709.551614",
        "limitPrice": "142.123456789123456789",
        "minAmountOut": "0.000000001",
        "expiresAt": "2026-11-23T12:05:00Z",
        "at": "2026-11-23T12:01:00Z",
    }
    assert conflict.items() >= expected.items()
    shown = call(app, "GET", f"/api/orders/{order.id}", account="alice").body["data"]
    assert shown["expiresAt"] == "2026-11-23T12:05:00Z"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/orders?status=DONE", "status"),
        ("/api/orders?status=CONFIRMED,", "status"),
        ("/api/orders?status=", "status"),
        ("/api/orders?side=buy", "side"),
        ("/api/orders?tokenIn=DOGE", "tokenIn"),
        ("/api/orders?tokenOut=", "tokenOut"),
        ("/api/orders?from=2026-11-23", "from"),
        ("/api/orders?from=2026-11-23T12:00:00", "from"),
        ("/api/orders?to=yesterday", "to"),
        ("/api/orders?to=0001-01-01T00:00:00%2B14:00", "to"),
        ("/api/orders?since=2026-11-23T12:00:00Z", "since"),
        ("/api/orders?token_in=SOL", "token_in"),
        ("/api/orders?limit=0", "limit"),
        ("/api/orders?limit=101", "limit"),
        ("/api/orders?limit=x", "limit"),
        ("/api/orders?limit=1&limit=2", "limit"),
        ("/api/orders?cursor=nonsense", "cursor"),
        ("/api/orders?colour=red", "colour"),
        ("/api/orders/no-uuid", "id"),
        ("/api/orders/no-uuid/events", "id"),
    ],
)
def test_a_faulty_parameter_is_named(app: FastAPI, path: str, field: str) -> None:
    answer = call(app, "GET", path)

    assert (answer.status, [f["field"] for f in answer.body["details"]]) == (400, [field])


def test_what_is_wrong_with_a_repeated_parameter_is_that_it_is_repeated(app: FastAPI) -> None:
    answer = call(
        app, "GET", "/api/orders?limit=1&limit=2&colour=red&colour=blue&status=X&status=Y"
    )

    assert [
        (f["field"], f["message"]) for f in answer.body["details"] if f["field"] != "status"
    ] == [
        ("limit", "must be given once"),
        ("colour", "Extra inputs are not permitted"),
    ]


def test_unknown_paths_and_methods_are_answered_in_the_envelope(app: FastAPI) -> None:
    assert (call(app, "GET", "/nowhere").body["code"]) == "NOT_FOUND"
    answer = call(app, "DELETE", "/api/orders")
    assert (answer.status, answer.body["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET"
    assert call(app, "POST", f"/api/orders/{uuid4()}").headers["allow"] == "DELETE, GET"


def test_health_names_what_is_missing_and_how_fast_the_rest_is(app: FastAPI) -> None:
    answer = call(app, "GET", "/health")

    assert answer.status == 503
    checks = answer.body["data"]["checks"]
    assert {name: check["ok"] for name, check in checks.items()} == {
        "queue": True,
        "postgres": True,
        "valkey": True,
        "rpc": False,
    }
    assert all(check["millis"] > 0 for check in checks.values())


def test_the_documentation_runs_nothing_but_one_release_of_its_viewer_and_our_own(
    app: FastAPI,
) -> None:
    answer = call(app, "GET", "/docs")

    foreign = re.findall(r"<(?:script|link)[^>]*https:[^>]*>", answer.body)
    assert len(foreign) == 2
    assert all(re.search(r"@\d+\.\d+\.\d+/[^>]*integrity=\"sha384-.{64}\"", one) for one in foreign)
    assert not re.search(r"<script(?![^>]*src=)", answer.body)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self' https://cdn.jsdelivr.net/npm/swagger" in policy
    ours = re.search(r'src="(console/assets/[0-9a-f]+/docs.js)"', answer.body)
    assert ours
    assert "openapi.json" in call(app, "GET", f"/{ours[1]}").body


def test_the_service_is_alive_and_documented(app: FastAPI) -> None:
    assert call(app, "GET", "/").body == {"status": "success", "data": {"service": "sluice"}}
    document = call(app, "GET", "/openapi.json").body
    assert {"/api/orders/execute", "/api/orders", "/api/orders/{id}", "/api/orders/{id}/events"} < (
        document["paths"].keys()
    )
    body = document["paths"]["/api/orders/execute"]["post"]["requestBody"]
    assert set(body["content"]["application/json"]["schema"]["required"]) == BODY.keys()


def test_every_answer_and_header_of_placing_is_documented(app: FastAPI) -> None:
    document = call(app, "GET", "/openapi.json").body
    placing = document["paths"]["/api/orders/execute"]["post"]
    answers = placing["responses"]

    assert answers.keys() == {"201", "400", "401", "403", "409", "413", "429", "503"}
    limit = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}
    assert answers["201"]["headers"].keys() == limit | {"Location", "Idempotent-Replayed"}
    assert answers["429"]["headers"].keys() == limit | {"Retry-After"}
    (key,) = placing["parameters"]
    assert (key["name"], key["in"], key["required"]) == ("Idempotency-Key", "header", False)
    cancelling = document["paths"]["/api/orders/{id}"]["delete"]
    assert cancelling["responses"].keys() == {"200", "400", "401", "403", "404", "409", "503"}


async def executed(postgres_url: str, terms: OrderTerms | None = None) -> str:
    """The id of an order of alice's that was executed."""
    database = Database(postgres_url)
    store = PostgresStore(database)
    (order,) = (await store.claim([terms or buy()], NOON, 60)).orders
    await store.record([confirmed(order)])
    await database.close()
    return str(order.terms.id)


async def claimed(postgres_url: str, *terms: OrderTerms) -> Claim:
    """What a worker finds that claims orders, perhaps with other terms than they have."""
    database = Database(postgres_url)
    claim = await PostgresStore(database).claim(terms, NOON, 60)
    await database.close()
    return claim


async def listening(url: str) -> PubSub:
    """A subscription to what is told to alice."""
    subscription = connect(url).pubsub()
    await subscription.subscribe(ORDER_EVENTS.format(account="alice"))
    await subscription.get_message(timeout=5)
    return subscription


async def heard(subscription: PubSub) -> dict[str, object]:
    """The next message; raises when none comes."""
    message = await subscription.get_message(ignore_subscribe_messages=True, timeout=5)
    assert message is not None
    frame: dict[str, object] = json.loads(message["data"])
    return frame


async def routed_in_vain(postgres_url: str, terms: OrderTerms) -> None:
    """Has an order claimed, given back with its quotes, and filled at the next routing."""
    database = Database(postgres_url)
    store = PostgresStore(database)
    (order,) = (await store.claim([terms], NOON, 60)).orders
    quotes = confirmed(order).quotes
    await store.record([], [Postponed(order, -1, 1, "the price moved", quotes)])
    (order,) = (await store.claim([terms], NOON, 60)).orders
    await store.record([confirmed(order)])
    await database.close()
