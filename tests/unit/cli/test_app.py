"""How the command ends when it is called wrongly, and that it is installed whole."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cli.app import main

from .stub import Stub, order, page

ROOT = Path(__file__).parents[3]


def ended(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("verify", "--nosuch"), "sluice: No such option: --nosuch\n"),
        (("verify",), "sluice: Missing argument 'FILE...'.\n"),
        (("nosuch",), "sluice: No such command 'nosuch'.\n"),
    ],
)
def test_a_wrong_call_is_told_in_one_line(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(*arguments) == 2
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("group", [(), ("pools",), ("order",)])
def test_without_a_command_the_help_is_shown(
    group: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(*group) == 2
    shown = capsys.readouterr()
    assert "Usage: sluice" in shown.out
    assert not shown.err


@pytest.mark.parametrize(
    "command",
    [
        ("verify",),
        ("pools", "list"),
        ("pools", "add"),
        ("order", "buy"),
        ("order", "sell"),
        ("order", "show"),
        ("order", "cancel"),
        ("orders",),
        ("watch",),
        ("quote",),
        ("status",),
        ("smoke",),
    ],
)
def test_help_says_how_a_command_exits(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(*command, "--help") == 0
    assert "Exits 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("sluice or", {"order", "orders"}), ("sluice order s", {"sell", "show"})],
)
def test_a_shell_completes_commands(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: str,
    completed: set[str],
) -> None:
    monkeypatch.setenv("_SLUICE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))

    assert ended() == 0
    assert set(capsys.readouterr().out.split()) == completed


def test_every_package_of_the_engine_is_installed() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    engine = ROOT / "layers" / "engine" / "python"
    found = {
        ".".join(init.parent.relative_to(engine).parts) for init in engine.rglob("__init__.py")
    }
    assert set(setuptools["packages"]) == found | {"cli"}


@pytest.mark.parametrize("arguments", [("--help",), ("orders",), ("orders", "--json")])
def test_when_nobody_reads_on_it_ends_as_by_sigpipe_and_without_a_word(
    stub: Stub, arguments: tuple[str, ...]
) -> None:
    stub.answers("GET /api/orders", page(order()))
    unread, output = os.pipe()
    os.close(unread)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(output)

    assert (done.returncode, done.stderr) == (141, "")
