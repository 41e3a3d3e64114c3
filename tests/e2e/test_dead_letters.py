"""Bringing back what was given up, on a deployed stack."""

import json
from urllib.parse import urlsplit

import psycopg
import pytest
from uuid_utils.compat import uuid7

from cli.app import main
from cli.aws import queues
from local.home import Home
from local.stack import Stack
from local.waiting import until
from sluice.orders.message import encode
from tests.builders import buy

pytestmark = pytest.mark.e2e

CONFIRMED_SECONDS = 20


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["dlq", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def described(stack: Stack, stack_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands find the tests' stack, not a developer's."""
    monkeypatch.setattr("cli.aws.STACK", stack_home.description)


def test_an_order_that_was_given_up_is_brought_back_and_executed(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    order = buy(order_id=uuid7(), account="local")
    found = queues(None)
    found.client.send_message(QueueUrl=found.dead_letters, MessageBody=encode(order))

    assert run("list", "--json") == 0
    (letter,) = json.loads(capsys.readouterr().out)
    assert letter["orderId"] == str(order.id)
    assert run("redrive", letter["id"]) == 0

    with psycopg.connect(stack.database, autocommit=True) as connection:
        status = connection.execute
        assert until(
            lambda: (
                status("SELECT status FROM orders WHERE id = %s", (order.id,)).fetchone()
                == ("CONFIRMED",)
            ),
            CONFIRMED_SECONDS,
        )
    assert run("list") == 0
    assert "empty" in capsys.readouterr().err


def test_a_stack_that_is_not_there_is_said_in_one_line(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = urlsplit(stack.http)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"{gateway.scheme}://{gateway.netloc}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    assert run("list", "--stack", "nowhere") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
