"""The line of log that each request leaves."""

import asyncio
import json
from collections.abc import Iterator
from io import StringIO
from typing import cast

import mangum.types
import pytest

from api.app import handler
from sluice.observability import logger
from tests.http import REQUEST_ID, Context, http_event


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """What is logged; and a current loop, as the function's module makes it."""
    written = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield written
    asyncio.set_event_loop(None)
    loop.close()


def request(path: str) -> None:
    handler(http_event("GET", path), cast("mangum.types.LambdaContext", Context()))


def test_a_request_is_one_line_under_its_id(lines: StringIO) -> None:
    request("/nowhere")

    (line,) = map(json.loads, lines.getvalue().splitlines())
    assert line["correlation_id"] == REQUEST_ID
    told = {name: line[name] for name in ("level", "message", "route", "http_status")}
    assert told == {
        "level": "INFO",
        "message": "request",
        "route": "GET /nowhere",
        "http_status": 404,
    }
    assert line["millis"] >= 0
    assert line["function_name"] == "function"


def test_nothing_of_one_request_is_told_of_the_next(lines: StringIO) -> None:
    logger.append_keys(order_id="of the one before")

    request("/nowhere")

    assert "order_id" not in json.loads(lines.getvalue())
