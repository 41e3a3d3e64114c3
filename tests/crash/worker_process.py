"""Workers as processes of their own, forked from one that has imported everything.

Run as `python -m tests.crash.worker_process FD`. At the socket FD comes, for each worker, its
`Environment` with the socket to talk to it by: a line per batch in, a line per answer out.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import boto3

from sluice.engine import Engine, SystemClock
from sluice.orders.redelivery import Redelivery
from sluice.orders.store import PostgresStore
from sluice.routing.router import Router
from sluice.settlement.paper import PaperSettlement
from sluice.streaming.publish import ValkeyPublisher
from sluice.streaming.valkey import connect
from tests.crash.market import CATALOG, market
from tests.crash.steps import (
    Step,
    SteppedPublisher,
    SteppedQueues,
    SteppedSettlement,
    SteppedStore,
    Steps,
    WatchedDatabase,
)
from tests.http import Context
from worker import app

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LARGEST_REQUEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Environment:
    """What a worker lives in; `prices` is its market's, see `market.Prices`."""

    database: str
    valkey: str
    queue: str
    dead_letters: str
    lease_seconds: float
    prices: Sequence[int]


class WorkerProcess:
    """One worker: takes batches from its mapping, calls the handler, deletes what is done with."""

    def __init__(self, environment: Environment, sqs: "SQSClient", mapping: TextIOWrapper) -> None:
        self._mapping = mapping
        self._queue = environment.queue
        self._sqs = sqs
        self._steps = Steps(lambda step: self._say(died=step))
        database = WatchedDatabase(environment.database)
        self._publisher = SteppedPublisher(
            ValkeyPublisher(connect(environment.valkey)), self._steps
        )
        queues = Redelivery(environment.queue, environment.dead_letters, lambda: self._sqs)
        self._queues = SteppedQueues(queues, self._steps)
        moving = market(environment.prices)
        self._store = SteppedStore(PostgresStore(database), database, self._steps)
        self._engine = Engine(
            self._store,
            moving,
            Router(CATALOG, leg_cost_lamports=0),
            CATALOG,
            SteppedSettlement(PaperSettlement(moving), self._steps),
            self._publisher,
            SystemClock(),
            environment.lease_seconds,
            jitter=lambda choices: 0,
        )

    def run(self) -> None:
        """Returns when the mapping is gone."""
        # It makes its event loop anew, which processes cannot share.
        importlib.reload(app)
        # Its two composed parts; the rest is the worker as it is deployed.
        vars(app).update(engine=lambda: self._engine, redelivery=lambda: self._queues)
        for batch in self._batches():
            self._steps.reach(Step.RECEIVED)
            records = batch["records"]
            answer = app.handler({"Records": records}, Context())
            kept = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            done = [r["receiptHandle"] for r in records if r["messageId"] not in kept]
            self._steps.reach(Step.DELETE_BEFORE)
            if self._steps.planned(Step.DELETE_HALF):
                middle = len(done) // 2
                self._delete(done[:middle])
                self._steps.reach(Step.DELETE_HALF)
                done = done[middle:]
            self._delete(done)
            self._steps.reach(Step.DELETE_AFTER)
            self._say(kept=sorted(kept))

    def _batches(self) -> Iterator[dict[str, Any]]:
        for line in self._mapping:
            batch = json.loads(line)
            dies_at = batch["dies_at"]
            self._steps.plan(
                None if dies_at is None else Step(dies_at),
                {Step(step): seconds for step, seconds in batch["stalls"].items()},
            )
            self._publisher.begin()
            yield batch

    def _delete(self, receipts: Sequence[str]) -> None:
        """As Lambda does for what the handler is done with; what is gone already is no matter."""
        if receipts:
            self._sqs.delete_message_batch(
                QueueUrl=self._queue,
                Entries=[{"Id": str(n), "ReceiptHandle": r} for n, r in enumerate(receipts)],
            )

    def _say(self, **words: object) -> None:
        self._mapping.write(json.dumps(words | {"claims": self._store.claims}) + "\n")
        self._mapping.flush()
        self._store.claims.clear()


def work(environment: Environment, sqs: "SQSClient", connection: socket.socket) -> None:
    """The life of a worker: until its mapping leaves, or to the step it was told to die at."""
    with connection, connection.makefile("rw", encoding="utf-8") as mapping:
        try:
            WorkerProcess(environment, sqs, mapping).run()
        except BaseException:
            mapping.write(json.dumps({"broke": traceback.format_exc()}) + "\n")


def main(control: socket.socket) -> None:
    """Forks a worker for each request, until the socket is closed."""
    # Workers are not waited for: how they ended shows at their sockets.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Whatever is slow the first time is done here, once for all; what a fork cannot share is shut.
    sqs = boto3.client("sqs")
    sqs.list_queues()
    sqs.close()
    app.loop.close()
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, LARGEST_REQUEST, 1)
        if not request:
            return
        if os.fork() == 0:
            control.close()
            with suppress(BrokenPipeError):
                connection = socket.socket(fileno=descriptors[0])
                work(Environment(**json.loads(request)), sqs, connection)
            os._exit(0)
        os.close(descriptors[0])


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
