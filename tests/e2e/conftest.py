"""One deployed stack for all end-to-end tests, beside whatever a developer has running."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from local import first_order
from local.stack import Stack, running


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """As `make up` leaves it: a first order has gone all the way."""
    with running() as stack:
        assert [
            step.event["status"] for step in first_order.place(stack.http, stack.websocket)
        ] == [
            "PENDING",
            "ROUTING",
            "SUBMITTED",
            "CONFIRMED",
        ]
        yield stack


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
