"""The deployed stack behind a command: one on AWS by its name, or the one `make up` started."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError

from .markets import STACK
from .output import MISUSED, fail

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

LAPTOP_STACK = "sluice"
LAPTOP_REGION = "us-east-1"
ANYTHING = "test"
"""What an emulated AWS takes for credentials."""

StackName = Annotated[
    str | None,
    typer.Option(
        "--stack",
        envvar="SLUICE_STACK",
        help="A CloudFormation stack of your AWS account; without one, that of `make up`.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Queues:
    """The queues of a stack, by their URLs, and the client that reaches them."""

    client: "SQSClient"
    orders: str
    dead_letters: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a stack, and the client that calls it."""

    client: "LambdaClient"
    name: str


@contextmanager
def answering() -> Iterator[None]:
    """Ends the command by what botocore raises: no rights, no such stack, no answer."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        fail(str(error), MISUSED)


def queues(stack: str | None) -> Queues:
    """The queues of the named stack, or of the laptop's; ends the command where there is none.

    Raises botocore's errors.
    """
    found = _found(stack)
    return Queues(
        found.session.client("sqs", endpoint_url=found.endpoint),
        found.output("OrdersQueueUrl"),
        found.output("OrdersDeadLetterQueueUrl"),
    )


def keys_function(stack: str) -> Function:
    """What sees to the API keys of the named stack; ends the command where there is none.

    Raises botocore's errors.
    """
    found = _found(stack)
    return Function(
        found.session.client("lambda", endpoint_url=found.endpoint),
        found.output("KeysFunctionName"),
    )


@dataclass(frozen=True, slots=True)
class _Stack:
    name: str
    session: boto3.Session
    endpoint: str | None
    outputs: Mapping[str, str]

    def output(self, name: str) -> str:
        if name not in self.outputs:
            fail(f"{self.name}: has no output {name}, so it is no stack of this Sluice", MISUSED)
        return self.outputs[name]


def _found(stack: str | None) -> _Stack:
    session, endpoint = (boto3.Session(), None) if stack else _laptop()
    name = stack or LAPTOP_STACK
    found = session.client("cloudformation", endpoint_url=endpoint).describe_stacks(StackName=name)
    outputs = found["Stacks"][0].get("Outputs", ())
    told = {output["OutputKey"]: output["OutputValue"] for output in outputs}
    return _Stack(name, session, endpoint, told)


def _laptop() -> tuple[boto3.Session, str]:
    try:
        http = urlsplit(str(json.loads(STACK.read_text())["http"]))
    except FileNotFoundError:
        fail("no stack: name one with --stack, or start one with `make up`", MISUSED)
    except (OSError, ValueError, KeyError, TypeError) as error:
        fail(f"{STACK}: does not describe a stack ({error!r})", MISUSED)
    session = boto3.Session(
        aws_access_key_id=ANYTHING, aws_secret_access_key=ANYTHING, region_name=LAPTOP_REGION
    )
    return session, f"{http.scheme}://{http.netloc}"
