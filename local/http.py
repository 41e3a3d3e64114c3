"""JSON over HTTP, to the few addresses of a stack."""

import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 15


def call(method: str, url: str, body: object = None, token: str | None = None) -> tuple[int, Any]:
    """The status and the decoded answer; OSError when nobody answers in HTTP."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    connection = (HTTPSConnection if secure else HTTPConnection)(
        parts.netloc.rpartition("@")[2], timeout=TIMEOUT_SECONDS
    )
    try:
        connection.request(
            method,
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            body=None if body is None else json.dumps(body),
            headers={"content-type": "application/json", **bearer(token)},
        )
        response = connection.getresponse()
        text = response.read().decode()
    except HTTPException as error:
        raise OSError(f"{url} does not speak HTTP: {error!r}") from error
    finally:
        connection.close()
    try:
        return response.status, json.loads(text)
    except ValueError:
        return response.status, text


def bearer(token: str | None) -> dict[str, str]:
    """The header that says who calls; none without a token."""
    return {} if token is None else {"authorization": f"Bearer {token}"}


def listening(websocket: str, token: str | None) -> str:
    """The URL of a WebSocket for whom `token` says; browsers can send no header with it."""
    return websocket if token is None else f"{websocket}?token={token}"
