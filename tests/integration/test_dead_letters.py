"""Messages that are not done with, in moto's SQS: redelivered, renewed, buried, brought back."""

from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import pytest
from moto import mock_aws
from mypy_boto3_sqs import SQSClient

from sluice.errors import QueueUnavailable
from sluice.orders.deadletters import NOT_TOLD, DeadLetter, DeadLetters
from sluice.orders.message import decode, encode
from sluice.orders.received import Received
from sluice.orders.redelivery import Redelivery
from sluice.orders.returns import SqsReturns
from tests.builders import buy

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Queues:
    """A queue of orders and the one for what was given up."""

    sqs: SQSClient
    orders: str
    dead: str

    def send(self, body: str) -> Received:
        """Sends a message and receives it."""
        self.sqs.send_message(QueueUrl=self.orders, MessageBody=body)
        return self.receive()

    def receive(self) -> Received:
        """The next message, as Lambda would get it."""
        (message,) = self.sqs.receive_message(
            QueueUrl=self.orders, MessageSystemAttributeNames=["All"]
        )["Messages"]
        return Received.of(
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
            }
        )

    def visible(self, queue: str) -> int:
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
        return int(attributes["Attributes"]["ApproximateNumberOfMessages"])

    def delayed(self) -> int:
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.orders, AttributeNames=["All"])
        return int(attributes["Attributes"]["ApproximateNumberOfMessagesDelayed"])


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queues]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        sqs = boto3.client("sqs")
        orders, dead = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("o", "dead"))
        yield Queues(sqs, orders, dead)


@pytest.fixture
def redelivery(queues: Queues) -> Redelivery:
    return Redelivery(queues.orders, queues.dead)


def test_a_message_comes_again_when_it_is_told_to(queues: Queues, redelivery: Redelivery) -> None:
    message = queues.send(encode(buy()))

    redelivery.come_again([(message, 0)])

    assert queues.receive().receives == 2


def test_a_message_that_was_deleted_meanwhile_does_not_trouble_the_others(
    queues: Queues, redelivery: Redelivery
) -> None:
    gone, stays = queues.send("one"), queues.send("two")
    queues.sqs.delete_message(QueueUrl=queues.orders, ReceiptHandle=gone.receipt)

    redelivery.come_again([(gone, 0), (stays, 0)])

    assert queues.receive().body == "two"


def test_more_messages_than_sqs_takes_at_once_all_come_again(
    queues: Queues, redelivery: Redelivery
) -> None:
    messages = [queues.send(str(n)) for n in range(23)]

    redelivery.come_again([(message, 0) for message in messages])

    assert queues.visible(queues.orders) == 23


def test_a_renewed_message_counts_its_receives_from_one_after_its_delay(
    queues: Queues, redelivery: Redelivery
) -> None:
    message = queues.send(encode(buy()))

    assert redelivery.renew(message, 0)
    assert queues.receive().receives == 1
    assert redelivery.renew(message, 120.4)
    assert queues.delayed() == 1


def test_what_was_buried_is_listed_with_its_error_and_its_order(
    queues: Queues, redelivery: Redelivery
) -> None:
    order = buy()
    assert redelivery.bury(queues.send(encode(order)), "boom \x00\n" + "x" * 5000)
    assert redelivery.bury(queues.send("no order"), "")
    queues.sqs.send_message(QueueUrl=queues.dead, MessageBody="moved by SQS")
    letters = DeadLetters(queues.sqs, queues.dead, queues.orders)

    found = {letter.body: letter for letter in letters.look(10)}

    assert found[encode(order)].order == order
    assert found[encode(order)].error.startswith("boom")
    assert found["no order"].order is None
    assert found["moved by SQS"].error == NOT_TOLD
    # Looking changes nothing: whoever looks next sees the same.
    assert len(letters.look(10)) == queues.visible(queues.dead) == 3
    assert len(letters.look(2)) == 2


def test_redriven_messages_are_orders_again_and_the_others_stay(
    queues: Queues, redelivery: Redelivery
) -> None:
    first, second = buy(), buy()
    for order in (first, second):
        redelivery.bury(queues.send(encode(order)), "boom")
    letters = DeadLetters(queues.sqs, queues.dead, queues.orders)
    wanted = {letter.id for letter in letters.look(10) if letter.order == first}
    told: list[DeadLetter] = []

    assert letters.redrive({*wanted, "unknown"}, told.append) == wanted

    assert [letter.order for letter in told] == [first]
    assert decode(queues.receive().body) == first
    assert [letter.order for letter in letters.look(10)] == [second]
    assert len(letters.redrive(None, told.append)) == 1
    assert letters.look(10) == []


def test_who_breaks_off_leaves_the_others_to_be_seen_at_once(
    queues: Queues, redelivery: Redelivery
) -> None:
    for _ in range(3):
        assert redelivery.bury(queues.send(encode(buy())), "broken")
    letters = DeadLetters(queues.sqs, queues.dead, queues.orders)

    def interrupted(letter: DeadLetter) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        letters.redrive(None, interrupted)

    assert (queues.visible(queues.orders), queues.visible(queues.dead)) == (1, 2)


def test_without_sqs_nothing_is_taken_for_done(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    redelivery = Redelivery("http://127.0.0.1:1/o", "http://127.0.0.1:1/dead")
    message = Received("m", "r", "body", None, 5)

    redelivery.come_again([(message, 1)])
    assert not redelivery.renew(message, 1)
    assert not redelivery.bury(message, "boom")
    with pytest.raises(QueueUnavailable):
        SqsReturns("http://127.0.0.1:1/o").send_all([buy()])


def test_orders_are_put_back_in_as_few_calls_as_sqs_allows(queues: Queues) -> None:
    orders = [buy() for _ in range(23)]

    SqsReturns(queues.orders).send_all(orders)

    assert queues.visible(queues.orders) == 23
    assert decode(queues.receive().body) in orders
