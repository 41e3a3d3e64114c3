"""Telling a queue that took nothing from one that may have."""

from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from sluice.errors import QueueUnavailable
from sluice.orders.queue import SqsOrderQueue
from tests.builders import buy

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

URL = "https://queue.amazonaws.com/000000000000/orders"


class Failing:
    """An SQS client whose every call ends in `error`."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def send_message(self, **_: object) -> None:
        raise self._error


def client_error(status: int) -> ClientError:
    answer: Any = {"Error": {}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "SendMessage")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (EndpointConnectionError(endpoint_url=URL), "was not accepted"),
        (client_error(400), "was not accepted"),
        (client_error(503), "did not say whether"),
        (ReadTimeoutError(endpoint_url=URL), "did not say whether"),
    ],
)
def test_a_client_is_told_whether_trying_again_is_safe(error: Exception, said: str) -> None:
    queue = SqsOrderQueue(URL, lambda: cast("SQSClient", Failing(error)))

    with pytest.raises(QueueUnavailable, match=said):
        queue.send(buy())
