"""Calling SQS: what is sent, and what is known when it goes wrong; over loopback."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from sluice.orders.sqs import IDLE_SECONDS, NotTaken, Sqs, Unanswered, sqs_of

ARGUMENTS = {"QueueUrl": "http://queue/orders", "MessageBody": "{}"}


@dataclass
class Emulated:
    """What an emulated SQS does, and what it saw: requests, and the connections they came by."""

    status: int = 200
    leaves_after: int = 1_000_000
    """Of one connection, so many requests are answered, and the next is not."""
    silent: bool = False
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    connections: set[object] = field(default_factory=set)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    emulated: Emulated

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.emulated.seen.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.emulated.connections.add(self.client_address)
        if self.emulated.silent:
            self.close_connection = True
            return
        self.send_response(self.emulated.status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        # Without a word: the client is told nothing of it.
        self.close_connection = len(self.emulated.seen) % self.emulated.leaves_after == 0

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def emulated() -> Iterator[Emulated]:
    emulated = Emulated()
    handler = type("Handler", (_Handler,), {"emulated": emulated})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    emulated.url = f"http://127.0.0.1:{server.server_port}/"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield emulated
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


def caller(url: str) -> Sqs:
    return Sqs(url, botocore.session.get_session())


def test_a_call_is_signed_for_the_very_bytes_that_are_sent(emulated: Emulated) -> None:
    caller(emulated.url).call("SendMessage", ARGUMENTS)

    ((headers, body),) = emulated.seen
    assert json.loads(body) == ARGUMENTS
    assert headers["x-amz-target"] == "AmazonSQS.SendMessage"
    assert headers["content-type"] == "application/x-amz-json-1.0"
    assert headers["x-amz-security-token"] == "token"
    signed = {name: headers[name] for name in ("content-type", "x-amz-target", "x-amz-date")}
    request = AWSRequest("POST", emulated.url, {**signed, "x-amz-security-token": "token"}, body)
    request.context["timestamp"] = headers["x-amz-date"]
    credentials = botocore.session.get_session().get_credentials()
    assert credentials is not None
    signer = SigV4Auth(credentials, "sqs", "eu-west-1")
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    assert headers["authorization"].endswith(f"Signature={signer.signature(to_sign, request)}")


def test_a_connection_is_kept(emulated: Emulated) -> None:
    calling = caller(emulated.url)

    for _ in range(5):
        calling.call("SendMessage", ARGUMENTS)

    assert (len(emulated.seen), len(emulated.connections)) == (5, 1)


def test_a_connection_that_sqs_has_closed_is_replaced_and_nothing_sent_twice(
    emulated: Emulated,
) -> None:
    emulated.leaves_after = 2
    calling = caller(emulated.url)

    for _ in range(6):
        calling.call("SendMessage", ARGUMENTS)
        kept = calling._connection
        if len(emulated.seen) % 2 == 0 and kept is not None and kept.sock is not None:
            # Until the end of the connection has arrived.
            with suppress(OSError):
                kept.sock.recv(1, socket.MSG_PEEK)

    assert (len(emulated.seen), len(emulated.connections)) == (6, 3)


def test_a_connection_that_idled_for_long_is_not_trusted(emulated: Emulated) -> None:
    clock = [0.0]
    calling = Sqs(emulated.url, botocore.session.get_session(), lambda: clock[0])

    for wait in (0, IDLE_SECONDS - 1, IDLE_SECONDS, 0):
        clock[0] += wait
        calling.call("SendMessage", ARGUMENTS)

    assert len(emulated.connections) == 2


@pytest.mark.parametrize(
    ("status", "error"), [(400, NotTaken), (403, NotTaken), (500, Unanswered), (503, Unanswered)]
)
def test_a_fault_of_ours_is_no_message_and_one_of_theirs_may_be(
    emulated: Emulated, status: int, error: type[Exception]
) -> None:
    emulated.status = status

    with pytest.raises(error, match=str(status)):
        caller(emulated.url).call("SendMessage", ARGUMENTS)


def test_whoever_hangs_up_without_an_answer_may_have_taken_it(emulated: Emulated) -> None:
    emulated.silent = True
    calling = caller(emulated.url)

    with pytest.raises(Unanswered):
        calling.call("SendMessage", ARGUMENTS)

    # Asked once: a second message is not for this layer to send.
    assert len(emulated.seen) == 1
    emulated.silent = False
    calling.call("SendMessage", ARGUMENTS)


def test_whoever_is_too_slow_may_have_taken_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(Unanswered):
        Sqs(
            f"http://127.0.0.1:{deaf.getsockname()[1]}",
            botocore.session.get_session(),
            patience=0.05,
        ).call("SendMessage", ARGUMENTS)


def test_whoever_is_not_there_took_nothing() -> None:
    with pytest.raises(NotTaken):
        caller("http://127.0.0.1:1").call("SendMessage", ARGUMENTS)


def test_without_credentials_nothing_is_sent(
    emulated: Emulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(NotTaken):
        caller(emulated.url).call("SendMessage", ARGUMENTS)

    assert emulated.seen == []


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", None])
def test_sqs_is_where_botocore_is_told_or_at_the_queues_url(
    emulated: Emulated, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    queue = "http://127.0.0.1:1/000000000000/orders"
    if name is None:
        queue = f"{emulated.url}000000000000/orders"
    else:
        monkeypatch.setenv(name, emulated.url)

    sqs_of(queue).call("SendMessage", ARGUMENTS)

    assert len(emulated.seen) == 1
