"""`sluice dlq` over a stack in moto."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from cli.app import main
from cli.aws import Queues
from sluice.orders.message import encode
from tests.builders import buy


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of the dead-letter queue of every stack."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("sqs")
        orders, dead = (client.create_queue(QueueName=name)["QueueUrl"] for name in ("o", "dead"))
        monkeypatch.setattr("cli.dlq.queues", lambda stack: Queues(client, orders, dead))
        yield dead


def bury(dead: str, body: str, error: str) -> str:
    """Puts a message in the dead-letter queue; its id."""
    return boto3.client("sqs").send_message(
        QueueUrl=dead,
        MessageBody=body,
        MessageAttributes={"error": {"DataType": "String", "StringValue": error}},
    )["MessageId"]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["dlq", *arguments])
    return int(ended.value.code or 0)


def test_what_was_given_up_is_shown_with_its_order_and_error(
    dead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    order = buy()
    ids = [bury(dead, encode(order), "RuntimeError: boom"), bury(dead, "junk", "not an order")]

    assert run("list") == 0
    shown = capsys.readouterr().out
    for part in (*ids, str(order.id), "alice", "RuntimeError: boom", "no order", "not an order"):
        assert part in shown

    assert run("list", "--json") == 0
    told = {letter["id"]: letter for letter in json.loads(capsys.readouterr().out)}
    assert told[ids[0]]["orderId"] == str(order.id)
    assert told[ids[1]]["orderId"] is None


def test_an_empty_queue_is_said_to_be_empty(dead: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    assert "empty" in capsys.readouterr().err


def test_messages_are_put_back_by_id_or_all(dead: str, capsys: pytest.CaptureFixture[str]) -> None:
    first = bury(dead, encode(buy()), "boom")
    second = bury(dead, encode(buy()), "boom")

    assert run("redrive", first) == 0
    assert "1 put back" in capsys.readouterr().err
    assert run("redrive", "--all", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"redriven": [second], "missing": []}
    assert run("redrive", first) == 1
    assert first in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("redrive",), "say which messages"),
        (("redrive", "some-id", "--all"), "say which messages"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    dead: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    assert run(*arguments) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("description", "complaint"), [(None, "make up"), ("junk", "does not describe a stack")]
)
def test_without_a_stack_the_way_to_one_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    description: str | None,
    complaint: str,
) -> None:
    stack = tmp_path / "stack.json"
    if description is not None:
        stack.write_text(description)
    monkeypatch.setattr("cli.aws.STACK", stack)

    assert run("list") == 2
    assert complaint in capsys.readouterr().err
