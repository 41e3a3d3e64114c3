"""Real servers on free ports: Postgres, Valkey, and of MiniStack the one service that is needed."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from local import ministack, postgres, processes, valkey
from local.home import Home
from local.ports import Ports
from sluice.orders.migrate import migrate

from .follower import Follower, follower
from .mapping import EventSourceMapping, Queue
from .worker_process import Environment
from .workers import Nursery, nursery

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LEASE_SECONDS = 0.3
"""As short as a batch may take on a busy machine: what dies is soon missed."""
CONNECTIONS = 50
"""To SQS, for so many schedules at once."""


@dataclass(frozen=True, slots=True)
class House:
    """Everything that outlives a worker."""

    postgres: str
    valkey: str
    sqs: "SQSClient"
    nursery: Nursery
    follower: Follower

    def queue(self, name: str) -> Queue:
        """A new queue, with its dead-letter queue."""
        return Queue(self.sqs, name)

    def mapping(
        self, queue: Queue, prices: Sequence[int], lease_seconds: float = LEASE_SECONDS
    ) -> EventSourceMapping:
        """Feeds workers from `queue`; each meets a market of these prices."""
        environment = Environment(
            self.postgres, self.valkey, queue.url, queue.dead_letters, lease_seconds, prices
        )
        return EventSourceMapping(queue, self.nursery, environment)


@contextmanager
def house(home: Home) -> Iterator[House]:
    """Starts everything in `home`, and leaves nothing behind."""
    home.create()
    ports = Ports.free()
    gateway = ministack.part(home, ports.gateway)
    gateway = replace(gateway, environment={**gateway.environment, "SERVICES": "sqs"})
    with ExitStack() as running:
        for part in (
            postgres.part(home, ports.postgres),
            valkey.part(home, ports.valkey),
            gateway,
        ):
            processes.start(home, part)
            running.callback(processes.stop, home, part.name, part.stop_signal)
        database, redis = postgres.url(ports.postgres), valkey.url(ports.valkey)
        migrate(database)
        url = ministack.url(ports.gateway)
        workers = nursery(
            home.log("workers"),
            POWERTOOLS_SERVICE_NAME="worker",
            POWERTOOLS_LOG_LEVEL="WARNING",
            AWS_ENDPOINT_URL=url,
            **ministack.CREDENTIALS,
        )
        yield House(
            database,
            redis,
            boto3.client(
                "sqs",
                endpoint_url=url,
                region_name=ministack.REGION,
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(max_pool_connections=CONNECTIONS),
            ),
            running.enter_context(workers),
            running.enter_context(follower(redis)),
        )
