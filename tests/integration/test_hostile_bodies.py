"""A corpus of hostile bodies against the door: each is refused in the envelope, nothing stored."""

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import cast

import boto3
import mangum.types
import psycopg
import pytest
import redis
from fastapi import FastAPI
from mangum import Mangum
from mypy_boto3_sqs import SQSClient
from psycopg import sql

from api.app import create_app
from api.services import Services
from sluice.config import ApiConfig
from tests.data.hostile_bodies import (
    MAX_BODY,
    ORDER,
    QUOTE,
    Hostile,
    Spelled,
    corpus,
    padded,
    spelled,
)
from tests.http import REQUEST_ID, Answer, Context, http_event

pytestmark = pytest.mark.integration

EXECUTE, QUOTES = "/api/orders/execute", "/api/quotes"
ORDERS = corpus(ORDER)
CASES = [(EXECUTE, case) for case in ORDERS] + [(QUOTES, case) for case in corpus(QUOTE)]
CODES = {400: "VALIDATION_FAILED", 413: "PAYLOAD_TOO_LARGE"}
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The current loop, as the function's module makes it: connections live on it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(scope="module")
def config(migrated: str, valkey_server: str, sqs: SQSClient) -> ApiConfig:
    return ApiConfig(
        ORDERS_QUEUE_URL=sqs.create_queue(QueueName="hostile")["QueueUrl"],
        DATABASE_URL=migrated,
        VALKEY_URL=valkey_server,
        SOLANA_RPC_URL=NOWHERE,
        MARKETS="simulated",
        RATE_LIMIT_PER_SECOND=0,
    )


@pytest.fixture(scope="module")
def app(config: ApiConfig, loop: asyncio.AbstractEventLoop) -> FastAPI:
    services = Services(config)
    return create_app(lambda: services)


def post(app: FastAPI, path: str, case: Hostile) -> Answer:
    """The answer to a body that API Gateway took for binary, so that no byte of it is changed."""
    event = http_event("POST", path, base64.b64encode(case.body))
    event["isBase64Encoded"] = True
    event["headers"] |= case.headers
    response = Mangum(app, lifespan="off")(event, cast("mangum.types.LambdaContext", Context()))
    return Answer(response["statusCode"], response["headers"], json.loads(response["body"]))


def stored(config: ApiConfig) -> dict[str, int]:
    """How much lies in the queue, in each table of Postgres, and under each key of Valkey."""
    with psycopg.connect(config.DATABASE_URL) as connection:
        tables = connection.execute(
            """SELECT relname FROM pg_stat_user_tables
               WHERE schemaname = 'public' AND relname NOT LIKE '%yoyo%'"""
        ).fetchall()
        held = {
            f"table {name}": connection.execute(
                sql.SQL("SELECT * FROM {}").format(sql.Identifier(name))
            ).rowcount
            for (name,) in tables
        }
    with redis.Redis.from_url(config.VALKEY_URL, decode_responses=True) as valkey:
        held |= {f"key {key}": 1 for key in valkey.scan_iter()}
    waiting = boto3.client("sqs").get_queue_attributes(
        QueueUrl=config.ORDERS_QUEUE_URL, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return held | {"queue": int(waiting["Attributes"]["ApproximateNumberOfMessages"])}


def test_the_corpus_holds_hundreds_of_bodies_and_no_two_alike() -> None:
    assert len({case.name for case in ORDERS}) == len(ORDERS)
    assert len({(case.body, *case.headers.items()) for case in ORDERS}) == len(ORDERS) >= 200


@pytest.mark.parametrize(
    ("path", "case"), [pytest.param(*each, id=f"{each[0]} {each[1].name}") for each in CASES]
)
def test_a_hostile_body_is_refused_in_the_envelope(app: FastAPI, path: str, case: Hostile) -> None:
    answer = post(app, path, case)

    assert (answer.status, answer.body["code"]) == (case.status, CODES[case.status])
    assert answer.body.keys() == {"status", "code", "message", "details", "requestId"}
    assert (answer.body["status"], answer.body["requestId"]) == ("error", REQUEST_ID)
    assert answer.body["message"]
    assert [fault["field"] for fault in answer.body["details"]] == list(case.fields)
    assert all(fault["message"] for fault in answer.body["details"])


def test_nothing_of_any_hostile_body_is_stored(app: FastAPI, config: ApiConfig) -> None:
    assert culprits(app, config, CASES) == []


@pytest.mark.parametrize("good", [ORDER, ORDER | {"slippageBps": b"0", "limitPrice": b"null"}])
def test_what_the_bodies_were_made_of_is_taken_and_seen_up_to_64_kib(
    app: FastAPI, config: ApiConfig, good: Spelled
) -> None:
    before = stored(config)

    assert post(app, EXECUTE, Hostile("good", padded(spelled(good), MAX_BODY))).status == 201

    after = stored(config)
    assert after["queue"] == before["queue"] + 1
    assert after.keys() > before.keys()


def test_a_quote_is_asked_with_up_to_64_kib(app: FastAPI) -> None:
    assert post(app, QUOTES, Hostile("good", padded(spelled(QUOTE), MAX_BODY))).status == 200


def culprits(app: FastAPI, config: ApiConfig, cases: list[tuple[str, Hostile]]) -> list[str]:
    """Which of `cases` leave something behind, found by halves."""
    before = stored(config)
    for path, case in cases:
        post(app, path, case)
    if stored(config) == before:
        return []
    if len(cases) == 1:
        ((path, case),) = cases
        return [f"{path} {case.name}"]
    half = len(cases) // 2
    return culprits(app, config, cases[:half]) + culprits(app, config, cases[half:])
