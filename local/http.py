"""JSON over HTTP, to the few addresses of a stack."""

import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 15


def call(method: str, url: str, body: object = None) -> tuple[int, Any]:
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
            headers={"content-type": "application/json"},
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
