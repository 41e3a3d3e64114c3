"""Each event in `events/` gets from its deployed function the answer it should."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from mypy_boto3_lambda import LambdaClient

from local.stack import Stack

pytestmark = pytest.mark.e2e

EVENTS = Path(__file__).parents[2] / "events"
FUNCTIONS = {
    "api": "ApiFunction",
    "authorizer": "AuthorizerFunction",
    "worker": "WorkerFunction",
    "connections": "ConnectionsFunction",
    "relay": "RelayFunction",
    "sweeper": "SweeperFunction",
    "migrations": "MigrationsFunction",
}
ANSWERS: dict[str, dict[str, Any]] = {
    "api_execute": {"statusCode": 201},
    "api_health": {"statusCode": 200},
    "authorizer_http": {"isAuthorized": False},
    "authorizer_connect": {"principalId": "nobody", "context": {}},
    "worker_sqs": {"batchItemFailures": []},
    "connections_connect": {"statusCode": 200},
    "connections_default": {"statusCode": 200},
    "connections_disconnect": {"statusCode": 200},
    "relay_schedule": {"left": "another relay serves"},
    "sweeper_schedule": {"stuck": 0, "unclaimed": 0, "expired": 0},
    "migrations_create": {"Status": "SUCCESS", "Data": {"Applied": ""}},
}


@pytest.fixture
def lambda_client(stack: Stack) -> LambdaClient:
    gateway = urlsplit(stack.http)
    return boto3.client(
        "lambda",
        endpoint_url=f"{gateway.scheme}://{gateway.netloc}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def test_every_event_has_an_expected_answer() -> None:
    assert {file.stem for file in EVENTS.glob("*.json")} - {"env"} == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_event_is_answered_by_its_function(
    stack: Stack, lambda_client: LambdaClient, name: str
) -> None:
    payload = (EVENTS / f"{name}.json").read_text().replace("127.0.0.1:4566", _gateway(stack))
    function = _deployed(lambda_client, FUNCTIONS[name.split("_")[0]])

    response = lambda_client.invoke(FunctionName=function, Payload=payload)

    # A function that raised answers with its error instead, which has none of these keys.
    answer = json.loads(response["Payload"].read())
    assert answer | ANSWERS[name] == answer


def _gateway(stack: Stack) -> str:
    return urlsplit(stack.http).netloc


def _deployed(client: LambdaClient, logical_id: str) -> str:
    names = [function["FunctionName"] for function in client.list_functions()["Functions"]]
    (name,) = [name for name in names if logical_id in name]
    return name
