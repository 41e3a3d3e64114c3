"""Whom a process signs for, wherever it is told."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from sluice.credentials import Credentials, CredentialsMissing, Identity


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_lambda_tells_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")

    assert Identity().credentials() == Credentials("key", "secret", "token")


def test_there_may_be_no_session_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "")

    assert Identity().credentials() == Credentials("key", "secret", None)


def test_a_developer_has_a_profile(tmp_path: Path) -> None:
    keys = "aws_access_key_id = mine\naws_secret_access_key = hidden\n"
    (tmp_path / "credentials").write_text(f"[default]\n{keys}")

    assert Identity().credentials() == Credentials("mine", "hidden", None)


def test_without_any_nothing_can_be_signed() -> None:
    with pytest.raises(CredentialsMissing):
        Identity().credentials()


class _Endpoint(BaseHTTPRequestHandler):
    """Lambda's own, in a function that was restored: each answer's key is another."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers["Authorization"])
        # botocore renews what ends within minutes.
        ends = datetime.now(UTC) + timedelta(seconds=30)
        answer = {
            "AccessKeyId": f"key-{len(self.asked)}",
            "SecretAccessKey": "secret",
            "Token": "token",
            "Expiration": ends.isoformat(),
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    _Endpoint.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/credentials"
        server.shutdown()
        thread.join()


def test_a_restored_function_asks_its_endpoint_and_asks_again_in_time(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let me in")
    identity = Identity()

    first, second = identity.credentials(), identity.credentials()

    assert first.access_key != second.access_key
    assert set(_Endpoint.asked) == {"let me in"}
