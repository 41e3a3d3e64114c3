"""Secrets Manager by Powertools: what a URL comes to, and what is asked for again."""

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws
from mypy_boto3_secretsmanager import SecretsManagerClient

from sluice import secret
from sluice.config import MigrationsConfig, SweeperConfig, load
from sluice.errors import DatabaseUnavailable, SecretUnavailable
from sluice.orders.database import Database
from sluice.secret import made_of

URL = "postgresql://proxy.example:5432/sluice?sslmode=verify-full"
QUEUE = {"ORDERS_QUEUE_URL": "http://127.0.0.1/q"}


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManagerClient]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        for memory in (secret._known, secret._in_vain):
            memory.clear()
        secret._provider.cache_clear()
        yield boto3.client("secretsmanager")
    secret._provider.cache_clear()


def _made(secrets: SecretsManagerClient, text: str) -> str:
    return secrets.create_secret(Name="sluice", SecretString=text)["ARN"]


def test_a_url_that_is_no_secret_asks_nobody() -> None:
    config = load(SweeperConfig, QUEUE | {"DATABASE_URL": URL, "VALKEY_URL": "redis://127.0.0.1"})

    assert (config.database_url(), config.valkey_url()) == (URL, "redis://127.0.0.1")


def test_a_secret_url_is_kept_until_a_fresh_one_is_wanted(secrets: SecretsManagerClient) -> None:
    arn = _made(secrets, "postgresql://one")
    config = load(MigrationsConfig, {"DATABASE_URL": arn})

    assert config.database_url() == "postgresql://one"
    secrets.put_secret_value(SecretId=arn, SecretString="postgresql://two")
    assert config.database_url() == "postgresql://one"
    assert config.database_url(fresh=True) == "postgresql://two"
    assert config.database_url() == "postgresql://two"


def test_a_login_is_put_into_the_url_whatever_signs_its_password_has(
    secrets: SecretsManagerClient,
) -> None:
    login = _made(secrets, json.dumps({"username": "sluice", "password": "a/b@c:d?#%"}))
    config = load(MigrationsConfig, {"DATABASE_URL": URL, "DATABASE_LOGIN": login})

    assert config.database_url() == (
        "postgresql://sluice:a%2Fb%40c%3Ad%3F%23%25@proxy.example:5432/sluice?sslmode=verify-full"
    )


def test_a_secret_that_cannot_be_had_is_told_without_its_name(
    secrets: SecretsManagerClient,
) -> None:
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:nowhere"
    config = load(MigrationsConfig, {"DATABASE_URL": arn})

    with pytest.raises(SecretUnavailable, match=r"^Secrets Manager did not answer: \w+$"):
        config.database_url()


def _forgotten() -> None:
    """More than five minutes later, and a minute after the last asking in vain."""
    secret._provider.cache_clear()
    secret._in_vain.clear()


def test_what_was_told_last_is_good_while_secrets_manager_does_not_answer(
    secrets: SecretsManagerClient,
) -> None:
    arn = _made(secrets, "redis://one")
    config = load(SweeperConfig, QUEUE | {"DATABASE_URL": URL, "VALKEY_URL": arn})
    assert config.valkey_url() == "redis://one"
    secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)

    _forgotten()
    assert config.valkey_url() == "redis://one"
    secret._provider.cache_clear()
    secrets.create_secret(Name="sluice", SecretString="redis://two")
    assert config.valkey_url() == "redis://one", "it is left alone for a while"


def test_whoever_found_it_of_no_use_is_not_told_it_again(secrets: SecretsManagerClient) -> None:
    arn = _made(secrets, URL)
    config = load(MigrationsConfig, {"DATABASE_URL": arn})
    assert config.database_url() == URL
    secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)

    for _ in range(2):
        with pytest.raises(SecretUnavailable):
            config.database_url(fresh=True)
    assert config.database_url() == URL


def test_what_is_made_of_a_secret_is_made_anew_once_that_has_changed() -> None:
    told = ["one"]
    current = made_of(lambda: told[-1], lambda text: [text])

    first = current()
    assert first == ["one"]
    assert current() is first
    told.append("two")
    assert current() == ["two"]


async def test_after_a_login_was_of_no_use_it_is_asked_for_anew() -> None:
    asked = []

    def where(*, fresh: bool = False) -> str:
        asked.append(fresh)
        return "postgresql://127.0.0.1:1/x"

    database = Database(where)
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            async with database.work():
                pass

    assert asked == [False, True, True]


async def test_postgres_is_gone_where_nobody_tells_its_password() -> None:
    def where(*, fresh: bool = False) -> str:
        raise SecretUnavailable("Secrets Manager did not answer")

    with pytest.raises(DatabaseUnavailable, match="Secrets Manager"):
        async with Database(where).work():
            pass
