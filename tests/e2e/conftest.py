"""One deployed stack for all end-to-end tests, beside whatever a developer has running."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from local import first_order
from local.chaos.scene import Scene
from local.home import Home
from local.http import bearer, listening
from local.settings import Settings
from local.stack import Stack, running


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who needs the deployed stack needs it alone: it takes what cores there are."""
    for item in items:
        if isinstance(item, pytest.Function) and "stack_home" in item.fixturenames:
            item.add_marker(pytest.mark.alone)


@pytest.fixture(scope="session")
def stack_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Where the stack keeps what it writes, its description too."""
    return Home(tmp_path_factory.mktemp("e2e") / "stack")


@pytest.fixture(scope="session")
def stack(stack_home: Home) -> Iterator[Stack]:
    """As `make up` leaves it: a first order has gone all the way."""
    with running(stack_home.path) as stack:
        assert [step.event["status"] for step in first_order.place(stack)] == [
            "PENDING",
            "ROUTING",
            "SUBMITTED",
            "CONFIRMED",
        ]
        yield stack


@pytest.fixture
def scene(stack: Stack, stack_home: Home) -> Scene:
    """The stack, with its parts within reach."""
    settings = Settings.read(stack_home)
    assert settings is not None
    return Scene(stack_home, settings, stack)


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the account `local`."""
    async with aiohttp.ClientSession(headers=bearer(stack.token)) as session:
        yield session


@pytest.fixture
def live(stack: Stack) -> str:
    """The WebSocket of the account `local`."""
    return listening(stack.websocket, stack.token)
