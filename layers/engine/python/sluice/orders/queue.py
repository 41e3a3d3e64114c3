"""The orders queue: where an accepted order waits for a worker."""

import asyncio
from collections.abc import Callable, Mapping
from functools import cache
from typing import Protocol

from sluice.errors import QueueUnavailable

from .message import encode
from .model import OrderTerms
from .sqs import NotTaken, Unanswered, sqs_of


class Caller(Protocol):
    """What calls SQS; see `Sqs`."""

    def call(self, action: str, arguments: Mapping[str, object]) -> None: ...

    def close(self) -> None: ...


def untraced() -> None:
    """No trace leads to a message."""


class SqsOrderQueue:
    """The queue at `url`; connects at the first message."""

    def __init__(
        self,
        url: str,
        connect: Callable[[str], Caller] = sqs_of,
        trace: Callable[[], str | None] = untraced,
    ) -> None:
        """`trace` tells the X-Ray trace that a message belongs to, if any."""
        self._url = url
        self._connect = connect
        self._trace = trace
        self._sqs = cache(lambda: connect(url))

    def send(self, terms: OrderTerms) -> None:
        """Queues an order. Its account is the message group: a busy account delays no other's.

        Blocks for the round trip, and for a second one if the first had no answer: a second message
        of an order does no harm. Raises `QueueUnavailable`, which tells a queue that took nothing
        from one that may have.
        """
        message: dict[str, object] = {
            "QueueUrl": self._url,
            "MessageBody": encode(terms),
            "MessageGroupId": terms.account,
        }
        if trace := self._trace():
            header = {"DataType": "String", "StringValue": trace}
            message["MessageSystemAttributes"] = {"AWSTraceHeader": header}
        try:
            self._sqs().call("SendMessage", message)
        except NotTaken as error:
            raise QueueUnavailable(
                "The order was not accepted: the queue does not answer. Try again.",
                not_taken=True,
            ) from error
        except Unanswered:
            self._ask_again(message, terms)

    def _ask_again(self, message: Mapping[str, object], terms: OrderTerms) -> None:
        try:
            self._sqs().call("SendMessage", message)
        except (NotTaken, Unanswered) as error:
            raise QueueUnavailable(
                f"The queue did not say whether it took order {terms.id}: it may be executed yet, "
                "even if it cannot be found so far. Under an Idempotency-Key you could just send "
                "it again."
            ) from error

    async def ping(self) -> None:
        """Raises `QueueUnavailable` unless the queue is there."""
        await asyncio.to_thread(self._ask_whether_it_is_there)

    def _ask_whether_it_is_there(self) -> None:
        # By a connection of its own: whoever is not waited for any more goes on to read, and what
        # it was told must not be taken for the answer to an order, nor the other way round.
        sqs = self._connect(self._url)
        try:
            sqs.call("GetQueueAttributes", {"QueueUrl": self._url, "AttributeNames": ["QueueArn"]})
        except (NotTaken, Unanswered) as error:
            raise QueueUnavailable(str(error)) from error
        finally:
            sqs.close()
