"""Whatever the OpenAPI document allows, or does not, is answered as the document says."""

import asyncio
import base64
import time
from collections import defaultdict
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import mangum.types
import pytest
import schemathesis
from aiohttp import web
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from mangum import Mangum
from mypy_boto3_sqs import SQSClient
from requests import Request
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    positive_data_acceptance,
    unsupported_method,
)

from api.app import create_app
from api.services import Services
from local.market.rpc import application
from local.market.state import Market
from sluice.config import ApiConfig
from sluice.orders.database import Database
from sluice.orders.store import PostgresStore
from tests.builders import NOON, buy, confirmed
from tests.http import Context, http_event

# Alone: all of these have one id, by which pytest-xdist would tell them apart.
pytestmark = [pytest.mark.integration, pytest.mark.alone]

# Which amounts a token has, or which cursor was given out, is more than a document can say.
PROMISED_BY_NOBODY = [positive_data_acceptance]
BASE = "http://localhost"
ACCOUNT = "local"
EXECUTED, WAITING = (buy(uuid4(), ACCOUNT) for _ in range(2))
CURSOR = base64.urlsafe_b64encode(f"{NOON.isoformat()} {uuid4()}".encode()).decode()
TOKENS = {"enum": ["SOL", "USDC", "JUP"]}
NUMBERS = {"enum": [1, 0.5, "2.25", 100]}


def document() -> dict[str, Any]:
    """Ours, with ids, cursors, tokens and amounts that are good: at random, few would be."""

    def no_services() -> Services:
        raise AssertionError("the document needs none")

    ids = {"enum": [str(EXECUTED.id), str(WAITING.id)]}
    ours = create_app(no_services).openapi()
    for operation in [each for path in ours["paths"].values() for each in path.values()]:
        for parameter in operation.get("parameters", ()):
            if known := {"id": ids, "cursor": {"enum": [CURSOR]}}.get(parameter["name"]):
                parameter["schema"] = {"anyOf": [known, parameter["schema"]]}
        for body in operation.get("requestBody", {}).get("content", {}).values():
            fields = body["schema"]["properties"]
            for name in fields.keys() & {"tokenIn", "tokenOut"}:
                fields[name] = TOKENS
            for name in fields.keys() & {"amount", "limitPrice", "minAmountOut"}:
                fields[name] = {"anyOf": [NUMBERS, fields[name]]}
    return ours


schema = schemathesis.openapi.from_dict(document())


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The current loop, as the function's module makes it: connections live on it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(scope="module")
def rpc(loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """A market that stands still."""
    market = application(Market(seed=1, slot=1, unix_time=int(time.time())), trading=False)
    runner = web.AppRunner(market)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    loop.run_until_complete(runner.cleanup())


@pytest.fixture(scope="module")
def app(
    migrated: str,
    valkey_server: str,
    sqs: SQSClient,
    rpc: str,
    loop: asyncio.AbstractEventLoop,
) -> FastAPI:
    """The application; `EXECUTED` was executed, `WAITING` waits for a worker."""
    services = Services(
        ApiConfig(
            ORDERS_QUEUE_URL=sqs.create_queue(QueueName="documented")["QueueUrl"],
            DATABASE_URL=migrated,
            VALKEY_URL=valkey_server,
            SOLANA_RPC_URL=rpc,
            MARKETS="simulated",
            RATE_LIMIT_PER_SECOND=0,
        )
    )
    loop.run_until_complete(execute(migrated))
    services.accepted.remember(WAITING)
    return create_app(lambda: services)


async def execute(postgres_url: str) -> None:
    """Stores `EXECUTED` with its fills."""
    database = Database(postgres_url)
    store = PostgresStore(database)
    (order,) = (await store.claim([EXECUTED], NOON, 60)).orders
    assert await store.record([confirmed(order)])
    await database.close()


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, set[int]]]:
    """The statuses that each operation answered with: one that is always refused proves little."""
    answers: dict[str, set[int]] = defaultdict(set)
    yield answers
    assert [name for name, seen in answers.items() if min(seen) >= HTTPStatus.BAD_REQUEST] == []


def answer(app: FastAPI, case: schemathesis.Case[Any]) -> schemathesis.Response:
    """The answer to `case`, sent the way API Gateway sends it."""
    request = Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
    url = urlsplit(cast("str", request.url))
    body = cast("bytes | str", request.body or b"")
    octets = body.encode() if isinstance(body, str) else body
    path = f"{unquote(url.path)}?{url.query}"
    account = ACCOUNT if "Authorization" in request.headers else None
    event = http_event(str(request.method), path, base64.b64encode(octets), account)
    event["isBase64Encoded"] = True
    event["headers"] = {name.lower(): str(value) for name, value in request.headers.items()}
    got = Mangum(app, lifespan="off")(event, cast("mangum.types.LambdaContext", Context()))
    return schemathesis.Response(
        status_code=got["statusCode"],
        headers={name: [value] for name, value in got["headers"].items()},
        content=got["body"].encode(),
        request=request,
        elapsed=0.0,
        verify=False,
    )


@schema.parametrize()
@settings(
    max_examples=120,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
def test_every_operation_answers_as_the_document_says(
    app: FastAPI, answers: dict[str, set[int]], case: schemathesis.Case[Any]
) -> None:
    got = answer(app, case)

    answers[case.operation.label].add(got.status_code)
    case.validate_response(got, excluded_checks=[*PROMISED_BY_NOBODY, *shadowed(case)])


def shadowed(case: schemathesis.Case[Any]) -> list[Any]:
    """Other methods of a path that also reads as one with an id are answered as that."""
    if case.operation.path == "/api/orders/execute":
        return [unsupported_method, allow_header_conformance]
    return []
