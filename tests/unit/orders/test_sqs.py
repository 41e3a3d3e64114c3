"""Calling SQS: what is sent, and what is known when it goes wrong; over loopback."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import cast

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from sluice.credentials import Identity
from sluice.orders.sqs import IDLE_SECONDS, NotTaken, Sqs, Unanswered, _Answers, sqs_of

ARGUMENTS = {"QueueUrl": "http://queue/orders", "MessageBody": "{}"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
END = b""


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


class Pieces(list[bytes]):
    """A socket by which these come, one at a time."""

    def recv(self, _: int) -> bytes:
        return self.pop(0)


@contextmanager
def scripted(*answers: list[bytes]) -> Iterator[tuple[str, list[object]]]:
    """A server with an answer to each call, sent piece by piece; after `END` it hangs up.

    Gives its URL and the connections that it got.
    """
    connections: list[object] = []

    def serve() -> None:
        script = list(answers)
        while script:
            connection, peer = server.accept()
            connections.append(peer)
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while script and asked(connection):
                    pieces = script.pop(0)
                    for piece in pieces:
                        connection.sendall(piece)
                    if pieces[-1] == END:
                        break

    def asked(connection: socket.socket) -> bool:
        heard = b""
        while not heard.endswith(b"}"):
            part = connection.recv(1000)
            if not part:
                return False
            heard += part
        return True

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", connections
        thread.join(10)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


def caller(url: str) -> Sqs:
    return Sqs(url, "eu-west-1", Identity())


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
        if len(emulated.seen) % 2 == 0 and calling._kept is not None:
            # Until the end of the connection has arrived.
            with suppress(OSError):
                calling._kept[0].sock.recv(1, socket.MSG_PEEK)

    assert (len(emulated.seen), len(emulated.connections)) == (6, 3)


def test_a_connection_that_idled_for_long_is_not_trusted(emulated: Emulated) -> None:
    clock = [0.0]
    calling = Sqs(emulated.url, "eu-west-1", Identity(), lambda: clock[0])

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
            "eu-west-1",
            Identity(),
            patience=0.05,
        ).call("SendMessage", ARGUMENTS)


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([OK], id="of known length"),
        pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n", OK], id="announced"),
        pytest.param([CHUNKED], id="chunked"),
        pytest.param([OK[at : at + 1] for at in range(len(OK))], id="byte by byte"),
        pytest.param([CHUNKED[:50], CHUNKED[50:]], id="in halves"),
    ],
)
def test_an_answer_is_read_however_it_comes(answers: list[bytes]) -> None:
    read = _Answers(cast("socket.socket", Pieces([*answers, *answers])))

    for _ in range(2):
        read.read()

        assert (read.status, read.body, read.last) == (200, b"{}", False)


def test_a_connection_that_is_to_be_closed_is_not_used_again() -> None:
    last = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with scripted([last], [last]) as (url, connections):
        calling = caller(url)
        for _ in range(2):
            calling.call("SendMessage", ARGUMENTS)

        assert len(connections) == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK[:-1], id="broken off in the body"),
        pytest.param(OK[:20], id="broken off in the head"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="no HTTP"),
    ],
)
def test_an_answer_that_is_none_leaves_it_open_and_the_next_call_is_another(answer: bytes) -> None:
    with scripted([answer, END], [OK]) as (url, connections):
        calling = caller(url)
        with pytest.raises(Unanswered):
            calling.call("SendMessage", ARGUMENTS)
        calling.call("SendMessage", ARGUMENTS)

        assert len(connections) == 2


def test_the_error_of_a_refusal_is_named() -> None:
    body = b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"secret"}'
    head = b"HTTP/1.1 400 Bad Request\r\ncontent-length: %d\r\n\r\n" % len(body)
    told = r"HTTP 400 com\.amazonaws\.sqs#QueueDoesNotExist$"
    with scripted([head + body]) as (url, _), pytest.raises(NotTaken, match=told):
        caller(url).call("SendMessage", ARGUMENTS)


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
def test_sqs_is_where_the_environment_says_or_at_the_queues_url(
    emulated: Emulated, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    queue = "http://127.0.0.1:1/000000000000/orders"
    if name is None:
        queue = f"{emulated.url}000000000000/orders"
    else:
        monkeypatch.setenv(name, emulated.url)

    sqs_of(queue).call("SendMessage", ARGUMENTS)

    assert len(emulated.seen) == 1
