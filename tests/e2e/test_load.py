"""`make load`, at a rate that any machine bears, against the deployed stack."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from local.home import PROJECT, Home
from local.load.__main__ import NOT_HELD
from local.stack import Stack

pytestmark = pytest.mark.e2e

RATE, SECONDS = 4, 5
ORDERS: Final = RATE * SECONDS
PATIENCE_SECONDS: Final = 600
"""A busy machine gets warm slowly."""


@pytest.fixture(scope="module")
def folder(stack: Stack, stack_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a load has left what it found; on a busy machine its rate need not be held."""
    into = tmp_path_factory.mktemp("load")
    options = {"rate": RATE, "seconds": SECONDS, "stack": stack_home.path, "into": into}
    done = subprocess.run(
        (
            *(sys.executable, "-m", "local.load"),
            *(part for name, value in options.items() for part in (f"--{name}", str(value))),
        ),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode in (0, NOT_HELD), f"{stack.http}: {done.stdout}{done.stderr}"
    return into


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "load.json").read_text())
    return content


def test_each_accepted_order_came_to_one_end_and_its_client_heard_of_it(
    found: dict[str, Any],
) -> None:
    summary = found["summary"]
    assert summary["violations"] == []
    assert 0 < summary["answers"]["201"] <= ORDERS
    assert sum(summary["ends"].values()) == summary["answers"]["201"]
    assert "without an end" not in summary["ends"]


def test_everything_was_timed(found: dict[str, Any]) -> None:
    requests, messages = found["requests"], found["messages"]
    assert len(requests) + found["summary"]["not_sent"] == ORDERS
    for request in requests:
        assert request["due"] <= request["sent"] <= request["answered"]
    # The service gives milliseconds.
    assert all(message["heard"] > message["at"] - 0.001 for message in messages)
    assert found["queue"]
    assert len(found["summary"]["spreads"]) == 4


def test_the_page_is_there(folder: Path) -> None:
    assert f"Sluice under load: {RATE} orders a second" in (folder / "load.html").read_text()
