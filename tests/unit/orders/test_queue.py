"""Telling a queue that took nothing from one that may have."""

import asyncio
import threading
from collections.abc import Mapping

import pytest

from sluice.errors import QueueUnavailable
from sluice.orders.message import decode
from sluice.orders.queue import SqsOrderQueue
from sluice.orders.sqs import NotTaken, Unanswered
from tests.builders import buy

URL = "http://127.0.0.1:1/000000000000/orders"


class FakeSqs:
    """Notes what it is asked for; fails as it is told, one time after the other."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked: list[tuple[str, Mapping[str, object]]] = []
        self.closed = False

    def call(self, action: str, arguments: Mapping[str, object]) -> None:
        self.asked.append((action, arguments))
        if self.errors:
            raise self.errors.pop(0)

    def close(self) -> None:
        self.closed = True


def test_an_order_is_sent_whole_and_in_the_group_of_its_account() -> None:
    sqs, order = FakeSqs(), buy()

    SqsOrderQueue(URL, lambda _: sqs).send(order)

    ((action, message),) = sqs.asked
    assert action == "SendMessage"
    assert decode(str(message["MessageBody"])) == order
    assert (message["QueueUrl"], message["MessageGroupId"]) == (URL, order.account)


@pytest.mark.parametrize("trace", ["Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", None])
def test_a_trace_goes_with_the_message_if_there_is_one(trace: str | None) -> None:
    sqs = FakeSqs()

    SqsOrderQueue(URL, lambda _: sqs, lambda: trace).send(buy())

    ((_, message),) = sqs.asked
    header = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
    assert message.get("MessageSystemAttributes") == (header if trace else None)


@pytest.mark.parametrize(
    ("errors", "said", "not_taken"),
    [
        ([NotTaken("HTTP 400")], "was not accepted", True),
        ([Unanswered("late"), Unanswered("HTTP 503")], "did not say whether", False),
        # It was refused the second time, but what became of the first nobody knows.
        ([Unanswered("late"), NotTaken("HTTP 400")], "did not say whether", False),
    ],
)
def test_a_client_is_told_whether_trying_again_is_safe(
    errors: list[Exception], said: str, not_taken: bool
) -> None:
    queue = SqsOrderQueue(URL, lambda _: FakeSqs(*errors))

    with pytest.raises(QueueUnavailable, match=said) as raised:
        queue.send(buy())

    assert raised.value.not_taken is not_taken


def test_an_order_that_had_no_answer_is_sent_once_more_and_is_the_same() -> None:
    sqs = FakeSqs(Unanswered("reset"))

    SqsOrderQueue(URL, lambda _: sqs).send(buy())

    first, second = sqs.asked
    assert first == second


async def test_a_queue_that_cannot_be_asked_is_not_ready() -> None:
    sqs = FakeSqs()
    await SqsOrderQueue(URL, lambda _: sqs).ping()
    assert [action for action, _ in sqs.asked] == ["GetQueueAttributes"]
    assert sqs.closed

    with pytest.raises(QueueUnavailable):
        await SqsOrderQueue(URL, lambda _: FakeSqs(Unanswered("late"))).ping()


async def test_the_late_answer_to_a_ping_is_never_taken_for_one_to_an_order() -> None:
    """Whoever gives up a ping leaves a thread that still reads."""
    answered = threading.Event()

    class Late(FakeSqs):
        def call(self, action: str, arguments: Mapping[str, object]) -> None:
            super().call(action, arguments)
            if action == "GetQueueAttributes":
                answered.wait(5)

    def connect(_: str) -> Late:
        made.append(Late())
        return made[-1]

    made: list[Late] = []
    queue = SqsOrderQueue(URL, connect)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await queue.ping()

    queue.send(buy())

    answered.set()
    assert [[action for action, _ in sqs.asked] for sqs in made] == [
        ["GetQueueAttributes"],
        ["SendMessage"],
    ]
