"""A message of the orders queue, as a worker gets it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_RECEIVES = 5
"""The queue's maxReceiveCount: what is received for the last time is not returned to it."""
FAULT_SECONDS = (2, 8, 30, 120)
"""How long a message is left alone after its first, second... receive went wrong."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message as a worker got it, for the `receives`-th time."""

    id: str
    receipt: str
    body: str
    group: str | None
    receives: int

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Received":
        """From a record of Lambda's SQS event."""
        attributes = record.get("attributes", {})
        return cls(
            record["messageId"],
            record.get("receiptHandle", ""),
            record["body"],
            attributes.get("MessageGroupId"),
            int(attributes.get("ApproximateReceiveCount", 1)),
        )

    @property
    def last(self) -> bool:
        """Whether SQS will not hand it out again."""
        return self.receives >= MAX_RECEIVES


def patience(receives: int, jitter: Callable[[int], int]) -> int:
    """For how many seconds a message that went wrong is left alone."""
    least = FAULT_SECONDS[min(receives, len(FAULT_SECONDS)) - 1]
    return least + jitter(least // 2 + 1)
