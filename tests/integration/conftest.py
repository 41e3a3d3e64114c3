"""Real servers for the tests, one of each per session; every test finds them empty."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import psycopg
import pytest
from mypy_boto3_sqs import SQSClient

from local import ministack, postgres, processes, valkey
from local.home import Home
from local.ports import Ports
from sluice.orders.database import Database
from sluice.orders.migrate import migrate
from sluice.orders.store import PostgresStore
from sluice.streaming.valkey import Valkey, connect


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(Path(tmp_path_factory.mktemp("servers")))
    home.create()
    return home


@pytest.fixture(scope="session")
def ports() -> Ports:
    return Ports.free()


@pytest.fixture(scope="session")
def postgres_server(home: Home, ports: Ports) -> Iterator[str]:
    part = postgres.part(home, ports.postgres)
    processes.start(home, part)
    yield postgres.url(ports.postgres)
    processes.stop(home, part.name, part.stop_signal)


@pytest.fixture(scope="session")
def migrated(postgres_server: str) -> str:
    assert migrate(postgres_server)
    return postgres_server


@pytest.fixture
def postgres_url(migrated: str) -> str:
    """A migrated database without rows."""
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("TRUNCATE orders CASCADE")
    return migrated


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresStore]:
    database = Database(postgres_url)
    yield PostgresStore(database)
    await database.close()


@pytest.fixture(scope="session")
def valkey_server(home: Home, ports: Ports) -> Iterator[str]:
    part = valkey.part(home, ports.valkey)
    processes.start(home, part)
    yield valkey.url(ports.valkey)
    processes.stop(home, part.name)


@pytest.fixture
async def client(valkey_server: str) -> AsyncIterator[Valkey]:
    """A client of an empty Valkey."""
    client = connect(valkey_server)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def aws_server(home: Home, ports: Ports) -> Iterator[str]:
    part = ministack.part(home, ports.gateway)
    processes.start(home, part)
    yield ministack.url(ports.gateway)
    processes.stop(home, part.name)


@pytest.fixture(scope="module")
def sqs(aws_server: str) -> Iterator[SQSClient]:
    """A client of an emulated SQS, where whoever asks botocore finds it, too."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (ministack.CREDENTIALS | {"AWS_ENDPOINT_URL": aws_server}).items():
            patch.setenv(name, value)
        yield boto3.client("sqs")
