"""Putting orders back in the queue, many at once."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sluice.errors import QueueUnavailable

from .message import encode
from .model import OrderTerms
from .sqs_client import batches, connect

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsReturns:
    """The orders queue at `url`, for whoever finds orders that are not in it any more."""

    def __init__(self, url: str, connect: Callable[[], "SQSClient"] = connect) -> None:
        self._url = url
        self._client = cache(connect)

    def send_all(self, terms: Sequence[OrderTerms]) -> None:
        """Queues the orders anew; a second message of an order does no harm.

        Raises `QueueUnavailable` unless SQS took them all: those that it took are worked on.
        """
        refused = []
        for some in batches(terms):
            try:
                answer = self._client().send_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {
                            "Id": str(place),
                            "MessageBody": encode(one),
                            "MessageGroupId": one.account,
                        }
                        for place, one in enumerate(some)
                    ],
                )
            except (BotoCoreError, ClientError) as error:
                raise QueueUnavailable(f"orders were not put back: {error}") from error
            refused += answer.get("Failed", [])
        if refused:
            raise QueueUnavailable(f"{len(refused)} orders were not put back: {refused[0]}")
