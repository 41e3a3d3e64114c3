"""The function that sees to API keys, over a real Postgres, and `sluice keys --stack` by it."""

import io
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest
from botocore.exceptions import ClientError

from cli.app import main
from cli.aws import Function
from keys import app
from sluice.access.keys import KEY, hash_of, new_key
from sluice.observability import logger
from tests.http import Context

pytestmark = pytest.mark.integration

NOWHERE = "postgresql://postgres@127.0.0.1:1/x"
EVENTS = Path(__file__).parents[2] / "events"


@pytest.fixture(autouse=True)
def database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """That of a function which has just been started."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("TRUNCATE api_keys")
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    app.config.cache_clear()
    return postgres_url


def asked(**event: object) -> dict[str, Any]:
    """The answer, as it comes through Lambda."""
    answer: dict[str, Any] = json.loads(json.dumps(app.handler(event, Context())))
    return answer


def create(key: str, **changed: object) -> dict[str, Any]:
    wish = {"do": "create", "account": "alice", "name": "bot", "hash": hash_of(key).hex()}
    return asked(**(wish | changed))


def test_a_key_is_made_by_its_hash_listed_and_revoked(database: str) -> None:
    key = new_key()
    (made,) = create(key, scopes=["orders:read"])["keys"]
    assert (made["account"], made["name"], made["scopes"]) == ("alice", "bot", ["orders:read"])
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT hash FROM api_keys").fetchone() == (hash_of(key),)

    assert asked(do="list") == asked(do="list", account="alice") == {"keys": [made]}
    assert asked(do="list", account="bob") == {"keys": []}

    (revoked,) = asked(do="revoke", id=made["id"])["keys"]
    assert revoked == made | {"revokedAt": revoked["revokedAt"]}
    assert revoked["revokedAt"]
    assert asked(do="revoke", id=str(uuid4())) == {"keys": []}


def test_a_key_that_is_asked_for_twice_is_made_once() -> None:
    key = new_key()

    assert create(key) == create(key)
    assert len(asked(do="list")["keys"]) == 1
    refused = create(key, account="bob")
    assert refused == {"error": "VALIDATION_FAILED", "message": "hash: is that of another key"}


def test_what_is_asked_wrongly_is_answered_with_the_field() -> None:
    refused = create(new_key(), name="")

    assert refused["error"] == "VALIDATION_FAILED"
    assert refused["message"].startswith("name: ")


def test_without_postgres_that_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", NOWHERE)

    refused = asked(do="list")

    assert refused["error"] == "DATABASE_UNAVAILABLE"
    assert refused["message"].startswith("Postgres: ")


def test_no_connection_is_kept_by_a_function_that_is_asked_now_and_then(database: str) -> None:
    asked(do="list")

    with psycopg.connect(database) as connection:
        others = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%FROM api_keys%'"
            " AND pid <> pg_backend_pid()"
        ).fetchone()
    assert others == (0,)


def test_the_log_says_which_key_was_changed_and_nothing_of_what_was_asked(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key()
    monkeypatch.setattr(logging.getLogger(logger.name), "propagate", True)
    with caplog.at_level(logging.DEBUG):
        (made,) = create(key, name="of-the-console")["keys"]
        create(key, account="bob")
        create(key, hash=key)
        asked(do="revoke", id=made["id"])
        asked(do="list")

    told = [vars(record) for record in caplog.records if record.message == "key changed"]
    assert [(one["did"], one["key_id"]) for one in told] == [
        ("Create", made["id"]),
        ("Revoke", made["id"]),
    ]
    text = str([vars(record) for record in caplog.records])
    for secret in (key, hash_of(key).hex(), "of-the-console"):
        assert secret not in text


@dataclass
class Lambda:
    """Invokes our handler, or answers what it was given to."""

    answer: dict[str, Any] | None = None
    heard: list[str] = field(default_factory=list)

    def invoke(self, **asked: str) -> dict[str, Any]:
        payload = asked.pop("Payload")
        assert asked == {"FunctionName": "sluice-keys", "Qualifier": "live"}
        self.heard.append(payload)
        if self.answer is not None:
            return self.answer
        content = json.dumps(app.handler(json.loads(payload), Context()))
        return {"Payload": io.BytesIO(content.encode())}


def answer(content: str, **more: str) -> Lambda:
    return Lambda({"Payload": io.BytesIO(content.encode()), **more})


def refusal(code: str, message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Lambda:
    """The function of the stack `prod`, in an environment that names no Postgres to the command."""
    deployed = Lambda()
    found = {"prod": Function(cast("Any", deployed), "sluice-keys")}
    monkeypatch.setattr("cli.keys_asking.keys_function", found.__getitem__)
    app.config()
    monkeypatch.delenv("DATABASE_URL")
    return deployed


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["keys", *arguments])
    return int(ended.value.code or 0)


def test_a_key_of_a_stack_is_made_here_and_only_its_hash_is_sent(
    deployed: Lambda, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("create", "alice", "--name", "bot", "--stack", "prod") == 0
    key = capsys.readouterr().out.strip()
    assert KEY.fullmatch(key)
    (event,) = deployed.heard
    assert key not in event
    assert json.loads(event)["hash"] == hash_of(key).hex()

    assert run("list", "--stack", "prod", "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["scopes"] == ["orders:read", "orders:write"]
    assert run("list", "--stack", "prod") == 0
    assert listed["id"] in capsys.readouterr().out

    assert [run("revoke", listed["id"], "--stack", "prod") for _ in range(2)] == [0, 0]
    assert run("revoke", str(uuid4()), "--stack", "prod") == 1
    assert "no API key" in capsys.readouterr().err


def test_a_stack_may_be_named_by_the_environment_as_for_the_queue(
    deployed: Lambda, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_STACK", "prod")

    assert run("create", "alice", "--name", "bot", "--scope", "orders:read", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert KEY.fullmatch(made["key"])
    assert made["scopes"] == ["orders:read"]
    assert len(deployed.heard) == 1


@pytest.mark.parametrize(
    ("arguments", "environment", "asked_of"),
    [
        (("--stack", "prod"), {"DATABASE_URL": NOWHERE}, "prod"),
        (("--database", "REAL"), {"SLUICE_STACK": "prod"}, "postgres"),
        ((), {"SLUICE_STACK": "prod", "DATABASE_URL": "REAL"}, None),
        (("--stack", "prod", "--database", "REAL"), {}, None),
    ],
)
def test_what_is_typed_outweighs_a_variable_and_nothing_is_guessed(
    deployed: Lambda,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    environment: dict[str, str],
    asked_of: str | None,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("REAL", database))

    code = run("list", *(argument.replace("REAL", database) for argument in arguments))

    assert code == (2 if asked_of is None else 0)
    assert bool(deployed.heard) == (asked_of == "prod")
    if asked_of is None:
        assert "and not both" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answered", "complaint"),
    [
        (answer('{"errorMessage": "Task timed out"}', FunctionError="Unhandled"), "Task timed out"),
        (answer('{"error": "DATABASE_UNAVAILABLE", "message": "Postgres: gone"}'), "gone"),
        (answer("null"), "answers otherwise"),
        (answer('{"keys": [{"id": 1}]}'), "answers otherwise"),
        (answer("<html>"), "answers otherwise"),
    ],
    ids=["failed", "refused", "null", "other keys", "no JSON"],
)
def test_what_the_function_cannot_do_is_told_in_one_line(
    deployed: Lambda, answered: Lambda, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.answer = answered.answer

    assert run("list", "--stack", "prod") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line


@pytest.mark.parametrize(
    "error",
    [
        refusal("AccessDenied", "bob is not authorized", "DescribeStacks"),
        refusal("ValidationError", "Stack with id prod does not exist", "DescribeStacks"),
        refusal("AccessDeniedException", "bob may not lambda:InvokeFunction", "Invoke"),
    ],
    ids=lambda error: str(error.response["Error"]["Code"]),
)
def test_what_aws_refuses_is_told_in_its_words(
    monkeypatch: pytest.MonkeyPatch, error: ClientError, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(stack: str) -> Function:
        raise error

    monkeypatch.setattr("cli.keys_asking.keys_function", refuse)
    monkeypatch.delenv("DATABASE_URL")

    assert run("list", "--stack", "prod") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert error.response["Error"]["Message"] in line
