"""The event source mapping: takes messages from the queue, hands them to workers, sees to the dead.

What Lambda does between SQS and a function is played here, so that it can be played badly: too
early, twice, to two workers at once.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluice.orders.received import MAX_RECEIVES

from .worker_process import Environment
from .workers import NOTHING_HAPPENS, Nursery, Plan, Worker

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        MessageTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

BATCH = 10
VISIBILITY_SECONDS = 120
"""As in the template: longer than anything here takes. What comes again sooner is made to."""

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages are in a queue: visible or in somebody's hands, and sent for later."""

    there: int
    later: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of the dead-letter queue; `error` is what the worker noted, if it did."""

    body: str
    error: str | None


class Queue:
    """An orders queue with its dead-letter queue, as the template makes them."""

    def __init__(self, sqs: "SQSClient", name: str) -> None:
        self._sqs = sqs
        self.dead_letters = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self.dead_letters, AttributeNames=["QueueArn"])
        redrive = {
            "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
            "maxReceiveCount": MAX_RECEIVES,
        }
        self.url = sqs.create_queue(
            QueueName=name,
            Attributes={
                "VisibilityTimeout": str(VISIBILITY_SECONDS),
                "RedrivePolicy": json.dumps(redrive),
            },
        )["QueueUrl"]

    def send(self, bodies: Iterable[str]) -> None:
        """Sends each as a message."""
        waiting = list(bodies)
        for start in range(0, len(waiting), BATCH):
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(n), "MessageBody": body, "MessageGroupId": "account"}
                for n, body in enumerate(waiting[start : start + BATCH])
            ]
            self._sqs.send_message_batch(QueueUrl=self.url, Entries=entries)

    def receive(self, wait_seconds: int = 0) -> list[Record]:
        """What is there, as the records of Lambda's event; waits that long for a first one."""
        answer = self._sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["All"],
        )
        return [_record(message) for message in answer.get("Messages", ())]

    def come_back(self, records: Sequence[Record], seconds: int = 0) -> None:
        """Has them handed out again in so many seconds. Those that are gone stay gone."""
        for start in range(0, len(records), BATCH):
            entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
                {
                    "Id": str(n),
                    "ReceiptHandle": record["receiptHandle"],
                    "VisibilityTimeout": seconds,
                }
                for n, record in enumerate(records[start : start + BATCH])
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)

    def depth(self) -> Depth:
        attributes = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])
        counts = attributes["Attributes"]
        there = int(counts["ApproximateNumberOfMessages"])
        there += int(counts["ApproximateNumberOfMessagesNotVisible"])
        return Depth(there, int(counts["ApproximateNumberOfMessagesDelayed"]))

    def dead(self) -> list[DeadLetter]:
        """All dead letters; they are taken out."""
        found = []
        while messages := self._sqs.receive_message(
            QueueUrl=self.dead_letters, MaxNumberOfMessages=BATCH, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                error = message.get("MessageAttributes", {}).get("error")
                found.append(DeadLetter(message["Body"], error and error.get("StringValue")))
                self._sqs.delete_message(
                    QueueUrl=self.dead_letters, ReceiptHandle=message["ReceiptHandle"]
                )
        return found


def _record(message: "MessageTypeDef") -> Record:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message["Attributes"]),
        "eventSource": "aws:sqs",
    }


def last_receive(record: Record) -> bool:
    """Whether SQS will not hand it out again."""
    return int(record["attributes"]["ApproximateReceiveCount"]) >= MAX_RECEIVES


@dataclass(frozen=True, slots=True)
class Hand:
    """A batch for a worker, and what happens to it over that."""

    records: Sequence[Record]
    plan: Plan = NOTHING_HAPPENS


class EventSourceMapping:
    """Workers that are fed from a queue; one that died is replaced."""

    def __init__(self, queue: Queue, nursery: Nursery, environment: Environment) -> None:
        self._queue = queue
        self._nursery = nursery
        self._environment = environment
        self._workers: dict[int, Worker] = {}
        self.deaths = 0
        self.claims = Counter[tuple[str, int]]()
        """How many workers were given a claim of that number on that order: one each."""

    def run(self, *hands: Hand, back_after: int = 0) -> None:
        """Gives each batch to a worker of its own, all at once, and waits until all are done.

        What a dead worker had comes back after `back_after` seconds.
        """
        for place, hand in enumerate(hands):
            if place not in self._workers:
                self._workers[place] = self._nursery.worker(self._environment)
            self._workers[place].hand(hand.records, hand.plan)
        for place, hand in enumerate(hands):
            done = self._workers[place].done()
            self.claims.update(done.claims)
            if done.died:
                self._workers.pop(place).close()
                self.deaths += 1
                self._queue.come_back(hand.records, back_after)

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()
