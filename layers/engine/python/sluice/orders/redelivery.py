"""What becomes of a message that is not done with: when it comes again, and when no more.

SQS itself would hand it out after the visibility timeout, which is made for workers that died, and
bury it after `MAX_RECEIVES` without a word. Both is done here first, and better.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sluice.observability import logger

from .received import Received
from .sqs_client import batches, connect

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        MessageAttributeValueTypeDef,
        SendMessageRequestTypeDef,
    )

MAX_DELAY_SECONDS = 900
"""What SQS allows."""
ERROR_LENGTH = 1000
"""Of an error, so much is kept: a message and its attributes share 1 MiB."""


class Redelivery:
    """The orders queue and its dead-letter queue, as the worker needs them.

    Nothing here raises: what fails is logged, and the message comes again as SQS would have it.
    """

    def __init__(
        self, queue: str, dead_letters: str, connect: Callable[[], "SQSClient"] = connect
    ) -> None:
        self._queue = queue
        self._dead_letters = dead_letters
        self._client = cache(connect)

    def come_again(self, messages: Sequence[tuple[Received, float]]) -> None:
        """Has each message handed out again after so many seconds."""
        for part in batches(messages):
            entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
                {
                    "Id": str(place),
                    "ReceiptHandle": message.receipt,
                    "VisibilityTimeout": math.ceil(seconds),
                }
                for place, (message, seconds) in enumerate(part)
            ]
            try:
                answer = self._client().change_message_visibility_batch(
                    QueueUrl=self._queue, Entries=entries
                )
                for failed in answer.get("Failed", ()):
                    logger.warning("visibility not changed", extra={"why": failed})
            except (BotoCoreError, ClientError) as error:
                logger.warning("visibility not changed", exc_info=error)

    def renew(self, message: Received, seconds: float) -> bool:
        """Sends the message anew: it waits for its time, not for want of trying.

        Whether SQS took it; if not, this one must not be deleted.
        """
        delay = min(math.ceil(seconds), MAX_DELAY_SECONDS)
        return self._sent(self._queue, message, {}, delay)

    def bury(self, message: Received, error: str) -> bool:
        """Sends the message to the dead-letter queue with what was wrong; whether it is there."""
        note: dict[str, MessageAttributeValueTypeDef] = {
            "error": {"DataType": "String", "StringValue": _storable(error)},
            "receives": {"DataType": "Number", "StringValue": str(message.receives)},
        }
        return self._sent(self._dead_letters, message, note, 0)

    def _sent(
        self,
        queue: str,
        message: Received,
        attributes: "dict[str, MessageAttributeValueTypeDef]",
        delay: int,
    ) -> bool:
        request: SendMessageRequestTypeDef = {
            "QueueUrl": queue,
            "MessageBody": message.body,
            "MessageAttributes": attributes,
            "DelaySeconds": delay,
        }
        if message.group is not None:
            request["MessageGroupId"] = message.group
        try:
            self._client().send_message(**request)
        except (BotoCoreError, ClientError) as error:
            logger.error("message not moved", extra={"message_id": message.id}, exc_info=error)
            return False
        return True


def _storable(text: str) -> str:
    """What SQS takes for a message attribute: not empty, printable, not too long."""
    printable = "".join(c if c.isprintable() else " " for c in text[:ERROR_LENGTH])
    return printable.encode("utf-8", "replace").decode().strip() or "no error was told"
