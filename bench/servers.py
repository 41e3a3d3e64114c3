"""Servers of a benchmark's own, on free ports and in a folder that is gone afterwards."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import tomlkit

from local import ministack, postgres, solana, stack, valkey
from local.home import PROJECT, Home
from local.ports import Ports
from local.processes import start, stop
from local.settings import Settings
from sluice.markets import catalog
from sluice.orders.migrate import migrate

from .peer import Peer, peer

CODE = ("layers/engine/python", "functions", ".")


@dataclass(frozen=True, slots=True)
class Servers:
    """Running ones: what our functions and the reference find in their environment."""

    home: Home
    database: str
    valkey: str
    environment: dict[str, str]

    def function(self, module: str) -> AbstractContextManager[Peer]:
        """`module` of this package, which serves one of our functions, in a process of its own."""
        command = (sys.executable, "-m", f"{__package__}.{module}")
        return peer(command, PROJECT, self.environment, self.home.log(module))


@contextmanager
def servers() -> Iterator[Servers]:
    """Postgres, migrated; Valkey; the simulated market; an emulated SQS with its queues.

    They have ended when the block is left. Raises `StackError` when one does not start.
    """
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as temporary:
        home, ports = Home(Path(temporary) / "servers"), Ports.free()
        home.create()
        try:
            for part in stack.parts(home, Settings(ports)):
                start(home, part)
            migrate(postgres.url(ports.postgres))
            yield _servers(home, ports)
        finally:
            for name, first in stack.STOPPING.items():
                stop(home, name, first)


def _servers(home: Home, ports: Ports) -> Servers:
    aws = ministack.CREDENTIALS | {"AWS_ENDPOINT_URL": ministack.url(ports.gateway)}
    sqs = boto3.client(
        "sqs",
        endpoint_url=aws["AWS_ENDPOINT_URL"],
        region_name=ministack.REGION,
        aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
    )
    database, redis = postgres.url(ports.postgres), valkey.url(ports.valkey)
    environment = aws | {
        "PYTHONPATH": ":".join(str(PROJECT / each) for each in CODE),
        "POWERTOOLS_SERVICE_NAME": "bench",
        "ORDERS_QUEUE_URL": sqs.create_queue(QueueName="orders")["QueueUrl"],
        "DEAD_LETTER_QUEUE_URL": sqs.create_queue(QueueName="orders-dead")["QueueUrl"],
        "DATABASE_URL": database,
        "VALKEY_URL": redis,
        "SOLANA_RPC_URL": solana.url(ports.market),
        "MARKETS": one_pool_a_venue(home.path),
    }
    return Servers(home, database, redis, environment)


def one_pool_a_venue(folder: Path) -> str:
    """The `MARKETS` of a catalog written there: of SOL/USDC, each venue's first simulated pool.

    An absolute path is as good as the name of a catalog that is shipped.
    """
    shipped = Path(catalog.__file__).with_name("simulated.toml")
    content = tomlkit.parse(shipped.read_text())
    first: dict[str, object] = {}
    for pool in content.unwrap()["pools"]:
        if pool["pair"] == "SOL/USDC":
            first.setdefault(pool["venue"], pool)
    chosen = folder / "one-pool-a-venue"
    chosen.with_suffix(".toml").write_text(
        tomlkit.dumps({"tokens": content.unwrap()["tokens"], "pools": list(first.values())})
    )
    return str(chosen)
