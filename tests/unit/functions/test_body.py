"""A body as it is read, before anybody is asked whether the account may send so many."""

import time
from itertools import count, islice, product
from string import ascii_letters

import pytest
from fastapi import Request
from starlette.types import Message

from api.body import MAX_BODY_BYTES, json_object
from api.errors import ApiError


def request(body: str) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": body.encode(), "more_body": False}

    return Request({"type": "http"}, receive)


async def test_the_largest_body_with_a_key_twice_costs_no_more_than_another() -> None:
    keys = islice(map("".join, product(ascii_letters, repeat=3)), MAX_BODY_BYTES // 8 - 2)
    content = [f'"{key}":{n % 10}' for key, n in zip(keys, count(), strict=False)]
    body = "{" + ",".join([*content, content[-1]]) + "}"
    assert len(body) <= MAX_BODY_BYTES
    began = time.process_time()

    with pytest.raises(ApiError, match="stands there twice"):
        await json_object(request(body))

    # It takes milliseconds; to look for each key among all took seconds.
    assert time.process_time() - began < 0.5
