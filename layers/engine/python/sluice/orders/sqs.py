"""Amazon SQS over one kept-alive connection.

A call of boto3's client costs more CPU than all the rest of accepting an order, and http.client
reads an answer as it would an e-mail. Where boto3 asks again and again, this asks once: who calls
knows what a second time would do.
"""

import json
import select
import socket
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

import httptools
from pydantic_core import to_json

from sluice.config import SqsConfig, load
from sluice.credentials import CredentialsMissing, Identity

from .signing import moment, signed_headers

CONNECT_SECONDS: Final = 1
ANSWER_SECONDS: Final = 3
IDLE_SECONDS: Final = 20.0
"""A connection that idled longer may be gone without a word: NATs forget them."""
RECEIVED_BYTES: Final = 64 * 1024
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
        region: str,
        identity: Identity,
        now: Callable[[], float] = time.monotonic,
        patience: float = ANSWER_SECONDS,
    ) -> None:
        """`patience` is how long an answer is waited for, in seconds."""
        parts = urlsplit(endpoint)
        self._open = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host = parts.netloc
        self._region = region
        self._identity = identity
        self._now = now
        self._patience = patience
        self._kept: tuple[HTTPConnection, _Answers] | None = None
        self._used_at = 0.0

    def call(self, action: str, arguments: Mapping[str, object]) -> None:
        """Does `action` with `arguments`; one round trip. Raises `NotTaken` or `Unanswered`."""
        body = to_json(arguments)
        try:
            headers = self._signed(action, body)
            connection, answer = self._ready()
        except (CredentialsMissing, OSError) as error:
            raise NotTaken(str(error)) from error
        try:
            connection.sock.sendall(_request(headers, body))
            answer.read()
        except (OSError, httptools.HttpParserError) as error:
            self.close()
            raise Unanswered(repr(error)) from error
        self._used_at = self._now()
        if answer.last:
            self.close()
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unanswered(f"HTTP {answer.status} {_code(answer.body)}")
        if answer.status != HTTPStatus.OK:
            raise NotTaken(f"HTTP {answer.status} {_code(answer.body)}")

    def close(self) -> None:
        """Connects anew at the next call."""
        if self._kept is not None:
            self._kept[0].close()
            self._kept = None

    def _signed(self, action: str, body: bytes) -> dict[str, str]:
        return signed_headers(
            self._host,
            self._region,
            f"AmazonSQS.{action}",
            body,
            self._identity.credentials(),
            moment(),
        )

    def _ready(self) -> "tuple[HTTPConnection, _Answers]":
        """A connection that SQS has not closed, and what comes by it."""
        idled = self._now() - self._used_at
        if self._kept is not None and idled < IDLE_SECONDS and _silent(self._kept[0]):
            return self._kept
        self.close()
        connection = self._open(self._host, timeout=CONNECT_SECONDS)
        connection.connect()
        connection.sock.settimeout(self._patience)
        self._kept = connection, _Answers(connection.sock)
        return self._kept


class _Answers:
    """What comes by one connection; httptools calls what is named `on_`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._parser = httptools.HttpResponseParser(self)
        self._whole = False
        self.status = 0
        self.body = b""
        self.last = False
        """Whether no other answer comes after this one."""

    def read(self) -> None:
        """Waits for the next answer, all of it. Raises `OSError` or `HttpParserError`."""
        self._whole = False
        while not self._whole:
            part = self._sock.recv(RECEIVED_BYTES)
            if not part:
                raise ConnectionError("closed before the answer was whole")
            self._parser.feed_data(part)

    def on_message_begin(self) -> None:
        self.body = b""

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.last = not self._parser.should_keep_alive()
        # Before 200 it is not the answer yet.
        self._whole = self.status >= HTTPStatus.OK


def _request(headers: Mapping[str, str], body: bytes) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST / HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


def _code(said: bytes) -> str:
    """What SQS calls the error, if it does."""
    try:
        return str(json.loads(said)["__type"])[:CODE_LENGTH]
    except (ValueError, KeyError, TypeError):
        return "without a code"


def _silent(connection: HTTPConnection) -> bool:
    """Whether there is nothing to read: nothing was asked, so it could only be the end."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return not poll.poll(0)


def sqs_of(queue_url: str) -> Sqs:
    """The SQS that has the queue: where the environment says that it is, or at the queue's URL."""
    config = load(SqsConfig)
    told = config.AWS_ENDPOINT_URL_SQS or config.AWS_ENDPOINT_URL
    return Sqs(told or queue_url, config.AWS_DEFAULT_REGION, Identity())
