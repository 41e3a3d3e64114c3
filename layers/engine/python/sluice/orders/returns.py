"""Putting orders back in the queue, many at once."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sluice.errors import QueueUnavailable

from .message import encode
from .model import OrderTerms

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH = 10
"""What SQS takes in one call."""

_CONFIG = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 2})


def _connect() -> "SQSClient":
    return boto3.client("sqs", config=_CONFIG)


class SqsReturns:
    """The orders queue at `url`, for whoever finds orders that are not in it any more."""

    def __init__(self, url: str, connect: Callable[[], "SQSClient"] = _connect) -> None:
        self._url = url
        self._client = cache(connect)

    def send_all(self, terms: Sequence[OrderTerms]) -> None:
        """Queues the orders anew; a second message of an order does no harm.

        Raises `QueueUnavailable` unless SQS took them all: those that it took are worked on.
        """
        refused = []
        for start in range(0, len(terms), BATCH):
            try:
                answer = self._client().send_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {
                            "Id": str(place),
                            "MessageBody": encode(one),
                            "MessageGroupId": one.account,
                        }
                        for place, one in enumerate(terms[start : start + BATCH])
                    ],
                )
            except (BotoCoreError, ClientError) as error:
                raise QueueUnavailable(f"orders were not put back: {error}") from error
            refused += answer.get("Failed", [])
        if refused:
            raise QueueUnavailable(f"{len(refused)} orders were not put back: {refused[0]}")
