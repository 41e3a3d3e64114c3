"""The orders queue: where an accepted order waits for a worker."""

import asyncio
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)

from sluice.errors import QueueUnavailable

from .message import encode
from .model import OrderTerms

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient

# One try: a second one that fails cleanly would hide that the first may have been taken.
_CONFIG = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 1})
_NEVER_SENT = (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError)


def _connect() -> "SQSClient":
    return boto3.client("sqs", config=_CONFIG)


class SqsOrderQueue:
    """The queue at `url`; connects at the first message."""

    def __init__(self, url: str, connect: "Callable[[], SQSClient]" = _connect) -> None:
        self._url = url
        self._client = cache(connect)

    def send(self, terms: OrderTerms) -> None:
        """Queues an order. Its account is the message group: a busy account delays no other's.

        Blocks for the one round trip. Raises `QueueUnavailable`, which tells a queue that took
        nothing from one that may have.
        """
        try:
            self._client().send_message(
                QueueUrl=self._url, MessageBody=encode(terms), MessageGroupId=terms.account
            )
        except (BotoCoreError, ClientError) as error:
            if _not_taken(error):
                raise QueueUnavailable(
                    "The order was not accepted: the queue does not answer. Try again.",
                    not_taken=True,
                ) from error
            raise QueueUnavailable(
                f"The queue did not say whether it took order {terms.id}. Look for the order by "
                "its id before you place another."
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


def _not_taken(error: BotoCoreError | ClientError) -> bool:
    """Whether SQS surely has no message: it was not reached, or said that the fault is ours."""
    if isinstance(error, ClientError):
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status < HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, _NEVER_SENT)
