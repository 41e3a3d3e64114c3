"""Amazon SQS over one kept-alive connection.

A call of boto3's client costs three times the CPU of all the rest of accepting an order. Where it
asks again and again, this asks once: who calls knows what a second time would do.
"""

import json
import select
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

import botocore.session
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.exceptions import BotoCoreError, NoCredentialsError

from .signing import signed_headers

CONNECT_SECONDS: Final = 1
ANSWER_SECONDS: Final = 3
IDLE_SECONDS: Final = 20.0
"""A connection that idled longer may be gone without a word: NATs forget them."""
CODE_LENGTH: Final = 100
"""Of an error's code, so much is kept; the rest of an answer may repeat what was signed."""


class NotTaken(Exception):
    """SQS surely did nothing: it was not reached, or said that the fault is ours."""


class Unanswered(Exception):
    """SQS may have done what it was asked for, or not."""


class Sqs:
    """The SQS of a process; not for use from two threads at once."""

    def __init__(
        self,
        endpoint: str,
        session: botocore.session.Session,
        now: Callable[[], float] = time.monotonic,
        patience: float = ANSWER_SECONDS,
    ) -> None:
        """`patience` is how long an answer is waited for, in seconds."""
        parts = urlsplit(endpoint)
        self._open = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host = parts.netloc
        self._session = session
        self._now = now
        self._patience = patience
        self._connection: HTTPConnection | None = None
        self._used_at = 0.0

    def call(self, action: str, arguments: Mapping[str, object]) -> None:
        """Does `action` with `arguments`; one round trip. Raises `NotTaken` or `Unanswered`."""
        body = json.dumps(arguments).encode()
        try:
            headers = self._signed(action, body)
            connection = self._ready()
        except (BotoCoreError, OSError) as error:
            raise NotTaken(str(error)) from error
        try:
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, HTTPException) as error:
            self._close()
            raise Unanswered(repr(error)) from error
        self._used_at = self._now()
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unanswered(f"HTTP {answer.status} {_code(said)}")
        if answer.status != HTTPStatus.OK:
            raise NotTaken(f"HTTP {answer.status} {_code(said)}")

    def _signed(self, action: str, body: bytes) -> dict[str, str]:
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        return signed_headers(
            self._host,
            self._session.get_config_variable("region"),
            f"AmazonSQS.{action}",
            body,
            credentials.get_frozen_credentials(),
            datetime.now(UTC),
        )

    def _ready(self) -> HTTPConnection:
        """A connection that SQS has not closed."""
        idled = self._now() - self._used_at
        if self._connection is not None and idled < IDLE_SECONDS and _silent(self._connection):
            return self._connection
        self._close()
        connection = self._open(self._host, timeout=CONNECT_SECONDS)
        connection.connect()
        connection.sock.settimeout(self._patience)
        self._connection = connection
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _code(said: bytes) -> str:
    """What SQS calls the error, if it does."""
    try:
        return str(json.loads(said)["__type"])[:CODE_LENGTH]
    except (ValueError, KeyError, TypeError):
        return "without a code"


def _silent(connection: HTTPConnection) -> bool:
    """Whether there is nothing to read: nothing was asked, so it could only be the end."""
    # None: the last answer was to be the last.
    if connection.sock is None:
        return False
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return not poll.poll(0)


def sqs_of(queue_url: str) -> Sqs:
    """The SQS that has the queue: where botocore is told that it is, or at the queue's own URL."""
    session = botocore.session.get_session()
    told = ConfiguredEndpointProvider(
        session.full_config, session.get_scoped_config(), "sqs"
    ).provide()
    return Sqs(told or queue_url, session)
