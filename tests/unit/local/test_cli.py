"""What a developer reads: doors on success, one line on failure."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from local import cli, first_order, stack
from local.errors import StackError
from local.first_order import Step
from local.home import Home
from local.progress import Progress
from local.settings import Settings
from local.stack import Stack

RUNNING = Stack("http://gateway", "ws://gateway/live", "postgresql://", "redis://", "http://rpc")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    monkeypatch.setattr(cli, "Home", lambda: home)
    return home


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, arguments)
    return result.exit_code, result.output


def confirmed(running: Stack) -> Iterator[Step]:
    event: dict[str, Any] = {"status": "CONFIRMED", "venue": "METEORA_DLMM", "txHash": "paper-1"}
    yield Step(12, event)


@pytest.mark.usefixtures("home")
def test_up_shows_the_first_order_and_the_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def up(home: Home, settings: Settings, progress: Progress) -> Stack:
        asked.append(settings)
        return RUNNING

    monkeypatch.setattr(stack, "up", up)
    monkeypatch.setattr(first_order, "place", confirmed)
    code, output = run("up", "--backends", "docker", "--rpc-url", "http://rpc")
    assert code == 0
    assert (asked[0].backends, asked[0].rpc_url) == ("docker", "http://rpc")
    assert "12 ms  CONFIRMED  METEORA_DLMM  paper-1\n" in output
    assert 'python -m websockets "ws://gateway/live"\n' in output
    assert "curl -X POST http://gateway/api/orders/execute" in output
    assert "TOKEN" not in output


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (StackError("valkey: ended"), "✗ valkey: ended\n"),
        (KeyboardInterrupt(), "✗ interrupted; what this run had started is stopped\n"),
    ],
    ids=["dead part", "interrupted"],
)
def test_a_failure_is_one_line(
    failure: BaseException, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def up(home: Home, settings: Settings, progress: Progress) -> Stack:
        raise failure

    monkeypatch.setattr(stack, "up", up)
    assert run("up") == (1, line)


@pytest.mark.usefixtures("home")
def test_nothing_runs_before_up() -> None:
    assert run("down") == (0, "Nothing is running.\n")
    assert run("status") == (0, "Nothing is running; start it with `make up`.\n")


def test_the_log_of_a_part_is_shown_and_an_unknown_one_is_answered_with_the_known(
    home: Home,
) -> None:
    home.create()
    home.log("valkey").write_text("one\ntwo\n")
    assert run("logs", "valkey", "--lines", "1") == (0, "two\n")
    code, output = run("logs", "nosuch")
    assert code == 1
    assert output.startswith("✗ no log of 'nosuch'; there are: valkey, api, worker")
