"""The deployed stack behind a command: one on AWS by its name, or the one `make up` started."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import boto3
import typer

from .markets import STACK
from .output import MISUSED, fail

if TYPE_CHECKING:
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


def queues(stack: str | None) -> Queues:
    """The queues of the named stack, or of the laptop's; ends the command where there is none.

    Raises botocore's errors.
    """
    session, endpoint = (boto3.Session(), None) if stack else _laptop()
    found = session.client("cloudformation", endpoint_url=endpoint).describe_stacks(
        StackName=stack or LAPTOP_STACK
    )["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
    try:
        return Queues(
            session.client("sqs", endpoint_url=endpoint),
            outputs["OrdersQueueUrl"],
            outputs["OrdersDeadLetterQueueUrl"],
        )
    except KeyError as missing:
        fail(f"{stack or LAPTOP_STACK}: no stack of Sluice, it has no output {missing}", MISUSED)


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
