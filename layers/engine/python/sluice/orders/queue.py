"""The orders queue: where an accepted order waits for a worker."""

import asyncio
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
)

from sluice.errors import QueueUnavailable

from .message import encode
from .model import OrderTerms

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# A client waits at the door: better a quick 503, to be tried again, than a slow one.
_CONFIG = Config(
    connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"}
)


class SqsOrderQueue:
    """The queue at `url`; connects at the first message."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._made: SQSClient | None = None

    def send(self, terms: OrderTerms) -> None:
        """Queues an order. Its account is the message group: a busy account delays no other's.

        Blocks for the one round trip. Raises `QueueUnavailable`, which tells a queue that took
        nothing from one that may have.
        """
        try:
            self._client().send_message(
                QueueUrl=self._url, MessageBody=encode(terms), MessageGroupId=terms.account
            )
        except (ReadTimeoutError, ConnectionClosedError) as error:
            raise QueueUnavailable(
                f"The queue did not say whether it took order {terms.id}. Look for the order by "
                "its id before you place another."
            ) from error
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailable(
                "The order was not accepted: the queue does not answer. Try again."
            ) from error

    async def ping(self) -> None:
        """Raises `QueueUnavailable` unless the queue is there."""
        try:
            await asyncio.to_thread(
                self._client().get_queue_attributes,
                QueueUrl=self._url,
                AttributeNames=["QueueArn"],
            )
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailable(str(error)) from error

    def _client(self) -> "SQSClient":
        if self._made is None:
            self._made = boto3.client("sqs", config=_CONFIG)
        return self._made
