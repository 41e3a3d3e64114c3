"""Each event in `events/` gets from its function the answer it should, deployed and as invoked."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from mypy_boto3_lambda import LambdaClient

from local import ministack
from local.examples import (
    ANSWERS,
    ENVIRONMENT,
    EVENTS,
    environment,
    fault,
    function_of,
    payload,
    relay_serves,
)
from local.home import PROJECT, Home
from local.ports import Ports
from local.settings import Settings
from local.stack import Stack

pytestmark = pytest.mark.e2e

SECONDS = 60


@pytest.fixture(scope="module")
def ports(stack: Stack, stack_home: Home) -> Iterator[Ports]:
    """Those of the stack, while its relay serves."""
    settings = Settings.read(stack_home)
    assert settings is not None
    with relay_serves(stack):
        yield settings.ports


@pytest.fixture
def lambda_client(stack: Stack) -> LambdaClient:
    gateway = urlsplit(stack.http)
    return boto3.client(
        "lambda",
        endpoint_url=f"{gateway.scheme}://{gateway.netloc}",
        region_name=ministack.REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def test_every_event_has_an_expected_answer() -> None:
    assert set(EVENTS.glob("*.json")) - {ENVIRONMENT} == {
        EVENTS / f"{name}.json" for name in ANSWERS
    }


@pytest.mark.parametrize("name", ANSWERS)
def test_an_event_is_answered_by_its_function(
    ports: Ports, lambda_client: LambdaClient, name: str
) -> None:
    function = _deployed(lambda_client, function_of(name))

    response = lambda_client.invoke(FunctionName=function, Payload=payload(name, ports))

    assert fault(name, json.loads(response["Payload"].read())) is None


@pytest.mark.parametrize("name", ANSWERS)
def test_an_event_is_answered_in_the_environment_of_sam_local(ports: Ports, name: str) -> None:
    variables = {
        **environment(ports)[function_of(name)],
        **ministack.CREDENTIALS,
        "AWS_REGION": ministack.REGION,
        "PYTHONPATH": f"functions{os.pathsep}layers/engine/python",
    }
    done = subprocess.run(
        (sys.executable, "-m", "tests.e2e.invoked", function_of(name)),
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **variables},
        input=payload(name, ports),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    answer: Any = json.loads(done.stdout.splitlines()[-1])
    assert fault(name, answer) is None


def _deployed(client: LambdaClient, logical_id: str) -> str:
    names = [function["FunctionName"] for function in client.list_functions()["Functions"]]
    (name,) = [name for name in names if logical_id in name]
    return name
