"""`sluice keys` over a real Postgres."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from cli.app import main
from sluice.access.keys import KEY, hash_of

pytestmark = pytest.mark.integration

NOWHERE = "postgresql://postgres@127.0.0.1:1/x"


@pytest.fixture
def database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The service's, as the environment names it."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("TRUNCATE api_keys")
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    return postgres_url


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["keys", *arguments])
    return int(ended.value.code or 0)


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert run("list", "--json", *arguments) == 0
    keys: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return keys


def test_a_key_is_shown_once_and_then_only_described(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("create", "alice", "--name", "bot") == 0
    key = capsys.readouterr().out.strip()
    assert KEY.fullmatch(key)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT hash FROM api_keys").fetchone() == (hash_of(key),)

    (described,) = listed(capsys)
    assert (described["account"], described["name"]) == ("alice", "bot")
    assert described["scopes"] == ["orders:read", "orders:write"]
    assert key not in json.dumps(described)
    assert run("list") == 0
    shown = capsys.readouterr().out
    assert described["id"] in shown
    assert key not in shown


def test_a_key_is_revoked_and_stays_in_the_list(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("create", "alice", "--name", "[red]", "--scope", "orders:read", "--json")
    assert run(*arguments) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["scopes"], made["revokedAt"]) == (["orders:read"], None)

    assert [run("revoke", made["id"]) for _ in range(2)] == [0, 0]

    (described,) = listed(capsys)
    assert described["revokedAt"]
    assert run("list") == 0
    assert "[red]" in capsys.readouterr().out


def test_the_keys_of_one_account_can_be_listed(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for account in ("alice", "bob"):
        assert run("create", account, "--name", "bot") == 0
    capsys.readouterr()

    assert [key["account"] for key in listed(capsys, "--account", "bob")] == ["bob"]
    assert listed(capsys, "--account", "carol") == []


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("create", "a b", "--name", "bot"), 2),
        (("create", "", "--name", "bot"), 2),
        (("create", "alice", "--name", ""), 2),
        (("create", "alice"), 2),
        (("create", "alice", "--name", "bot", "--scope", "orders:all"), 2),
        (("list", "--database", NOWHERE), 2),
        (("revoke", "no-id"), 2),
        (("revoke", str(uuid4())), 1),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    arguments: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == code
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_without_a_database_the_running_stack_has_one(
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    stack = tmp_path / "stack.json"
    monkeypatch.setattr("cli.keys_asking.STACK", stack)
    assert run("list") == 2
    assert "make up" in capsys.readouterr().err

    stack.write_text(json.dumps({"database": database}))

    assert listed(capsys) == []
