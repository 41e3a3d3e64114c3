"""boto3's SQS, for whoever has several things to ask of it and time for a second try."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH = 10
"""What SQS takes in one call."""

Item = TypeVar("Item")


def connect() -> "SQSClient":
    """A client whose call takes 6 seconds at the longest."""
    config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
    return boto3.client("sqs", config=config)


def batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """`items`, as many at a time as SQS takes."""
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
