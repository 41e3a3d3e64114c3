"""The workers' other side: what starts them, hands them batches and sees them die."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from local.home import PROJECT
from local.processes import clean_environment

from .steps import Step
from .worker_process import Environment

ANSWER_SECONDS = 60
"""A worker that says nothing for so long hangs."""


class WorkerBroke(Exception):
    """A worker ended, and not because it was told to die; its traceback."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to a worker over a batch: where it dies, where it stalls and for how long."""

    dies_at: Step | None = None
    stalls: Mapping[Step, float] = field(default_factory=dict)


NOTHING_HAPPENS = Plan()


@dataclass(frozen=True, slots=True)
class Done:
    """How a batch went; `claims` are the orders that were claimed, each with the claim's number."""

    died: bool
    claims: Sequence[tuple[str, int]]


class Worker:
    """One worker process."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(ANSWER_SECONDS)
        self._connection = connection
        self._lines = connection.makefile("rw", encoding="utf-8")

    def hand(self, records: Sequence[Mapping[str, Any]], plan: Plan) -> None:
        """Gives it a batch; it is at work on none."""
        batch = {"records": records, "dies_at": plan.dies_at, "stalls": plan.stalls}
        self._lines.write(json.dumps(batch) + "\n")
        self._lines.flush()

    def done(self) -> Done:
        """Waits until it is done with its batch, or dead.

        Raises `WorkerBroke`, and TimeoutError if it hangs.
        """
        word = json.loads(self._lines.readline() or '{"broke": "it left without a word"}')
        if "broke" in word:
            raise WorkerBroke(word["broke"])
        # The end of its socket is the end of its process.
        if "died" in word and (rest := self._lines.read()):
            raise WorkerBroke(f"alive after {word['died']}: {rest}")
        return Done("died" in word, [(id_, fence) for id_, fence in word["claims"]])

    def close(self) -> None:
        self._lines.close()
        self._connection.close()


class Nursery:
    """Where workers come from; a new one takes about as long as a fork."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def worker(self, environment: Environment) -> Worker:
        """A new worker."""
        ours, theirs = socket.socketpair()
        with theirs:
            request = json.dumps(asdict(environment)).encode()
            socket.send_fds(self._control, [request], [theirs.fileno()])
        return Worker(ours)


@contextmanager
def nursery(log: Path, **environment: str) -> Iterator[Nursery]:
    """Workers that write to `log`, with `environment` for their AWS client; gone at the end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, log.open("ab") as output:
        with theirs:
            process = subprocess.Popen(
                (sys.executable, "-m", "tests.crash.worker_process", str(theirs.fileno())),
                cwd=PROJECT,
                env=clean_environment(PYTHONPATH=os.pathsep.join(sys.path), **environment),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        yield Nursery(ours)
        ours.close()
        process.wait(ANSWER_SECONDS)
