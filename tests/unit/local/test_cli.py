"""What a developer reads: doors on success, one line on failure."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from typer.testing import CliRunner

from local import cli, first_order, stack
from local.errors import StackError
from local.first_order import Step
from local.home import Home, write_json
from local.issuer import key
from local.ports import Ports
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
def test_a_guarded_stack_is_shown_with_a_token_and_lines_that_use_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stack, "up", lambda *_: replace(RUNNING, token="a.b.c"))
    monkeypatch.setattr(first_order, "place", confirmed)

    _, output = run("up")

    assert "  TOKEN=a.b.c\n" in output
    assert "http://gateway/console#token=a.b.c\n" in output
    assert 'python -m websockets "ws://gateway/live?token=$TOKEN"\n' in output
    assert '    -H "authorization: Bearer $TOKEN" \\\n' in output


@pytest.mark.parametrize(("auth", "guarded"), [((), True), (("--auth", "off"), False)])
@pytest.mark.usefixtures("home")
def test_callers_are_asked_who_they_are_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, auth: tuple[str, ...], guarded: bool
) -> None:
    asked: list[Settings] = []

    def up(home: Home, settings: Settings, progress: Progress) -> Stack:
        asked.append(settings)
        return RUNNING

    monkeypatch.setattr(stack, "up", up)
    monkeypatch.setattr(first_order, "place", confirmed)
    assert run("up", *auth)[0] == 0
    assert asked[0].auth is guarded


def test_a_token_is_the_running_stacks(home: Home) -> None:
    home.create()
    write_json(home.settings, asdict(Settings(Ports(issuer=7000))))
    key.create(home)

    code, output = run("token", "--account", "alice", "--scope", "orders:read", "--seconds", "60")

    assert code == 0
    signing = key.read(key.path(home))
    token = output.removesuffix("\n")
    assert signing.signed(token, "http://127.0.0.1:7000", seconds=50)
    assert not signing.signed(token, "http://127.0.0.1:7000", seconds=70)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["scope"]) == ("alice", "orders:read")


@pytest.mark.parametrize("settings", [None, Settings(auth=False)])
def test_without_a_guarded_stack_there_are_no_tokens(home: Home, settings: Settings | None) -> None:
    home.create()
    if settings:
        write_json(home.settings, asdict(settings))

    code, output = run("token")

    assert code == 1
    assert output.startswith("✗ no stack is running that asks for tokens")


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
