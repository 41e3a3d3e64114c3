"""The dead-letter queue, for people: what is in it and why, and its way back."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .message import MessageInvalid, decode
from .model import OrderTerms
from .sqs_client import BATCH, batches

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef, SendMessageRequestTypeDef

LOOK_SECONDS = 120
"""For so long what is looked at is hidden from other readers, so that none is seen twice: some
thousands can be looked at meanwhile. Whoever is done, or breaks off, shows them again at once."""
NOT_TOLD = "moved here by SQS: the worker died with it, or could not say why"
"""What is known of a message that came without an error."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up, and the order in it, if it is one."""

    id: str
    receipt: str
    body: str
    group: str | None
    error: str
    sent_at: datetime
    order: OrderTerms | None


class DeadLetters:
    """The dead-letter queue `dead` of the queue `orders`.

    Every method raises botocore's errors.
    """

    def __init__(self, client: "SQSClient", dead: str, orders: str) -> None:
        self._client = client
        self._dead = dead
        self._orders = orders

    def look(self, limit: int) -> list[DeadLetter]:
        """At most `limit` of the messages, oldest first; they stay where they are."""
        letters: list[DeadLetter] = []
        try:
            for some in self._received():
                letters += some
                if len(letters) >= limit:
                    break
        finally:
            self._show_again(letters)
        return sorted(letters, key=lambda letter: letter.sent_at)[:limit]

    def redrive(
        self, wanted: Collection[str] | None, moved: Callable[[DeadLetter], None]
    ) -> set[str]:
        """Returns messages to the orders queue: those of the ids `wanted`, or all.

        Each is sent before it is deleted: if this dies between, it is there twice, which does an
        order no harm. `moved` is told of each. Returns the ids that were returned.
        """
        done: set[str] = set()
        kept: dict[str, DeadLetter] = {}
        try:
            for some in self._received():
                kept |= {letter.id: letter for letter in some}
                for letter in some:
                    if wanted is None or letter.id in wanted:
                        self._send_back(letter)
                        del kept[letter.id]
                        done.add(letter.id)
                        moved(letter)
                if wanted is not None and done.issuperset(wanted):
                    break
        finally:
            self._show_again(list(kept.values()))
        return done

    def _send_back(self, letter: DeadLetter) -> None:
        message: SendMessageRequestTypeDef = {"QueueUrl": self._orders, "MessageBody": letter.body}
        if letter.group is not None:
            message["MessageGroupId"] = letter.group
        self._client.send_message(**message)
        self._client.delete_message(QueueUrl=self._dead, ReceiptHandle=letter.receipt)

    def _show_again(self, letters: Sequence[DeadLetter]) -> None:
        for some in batches(letters):
            # What another reader took meanwhile fails, and is shown again by that one.
            self._client.change_message_visibility_batch(
                QueueUrl=self._dead,
                Entries=[
                    {"Id": str(place), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                    for place, letter in enumerate(some)
                ],
            )

    def _received(self) -> Iterator[list[DeadLetter]]:
        """Each message once, some at a time, until there are no more or all were seen."""
        seen: set[str] = set()
        while True:
            found = self._client.receive_message(
                QueueUrl=self._dead,
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=LOOK_SECONDS,
                # SQS answers an empty short poll though there are messages, now and then.
                WaitTimeSeconds=1,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            ).get("Messages", [])
            fresh = [letter for message in found if (letter := _letter(message)).id not in seen]
            if not fresh:
                return
            seen |= {letter.id for letter in fresh}
            yield fresh


def _letter(message: "MessageTypeDef") -> DeadLetter:
    body = message["Body"]
    attributes = message.get("Attributes", {})
    told = message.get("MessageAttributes", {}).get("error")
    try:
        order = decode(body)
    except MessageInvalid:
        order = None
    return DeadLetter(
        message["MessageId"],
        message["ReceiptHandle"],
        body,
        attributes.get("MessageGroupId"),
        NOT_TOLD if told is None else told["StringValue"],
        datetime.fromtimestamp(int(attributes.get("SentTimestamp", "0")) / 1000, UTC),
        order,
    )
