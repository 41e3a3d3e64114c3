"""A program in a process of its own, told what to do by JSON lines; each is answered by one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import Any

from local.processes import clean_environment, last_line

ANSWER_SECONDS, END_SECONDS = 60, 5

Answer = dict[str, Any]


class PeerFailed(Exception):
    """It ended or did not answer in time; says what it said last."""


class Peer:
    """The asking side."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        """`process` has pipes for input and output; `log` is where it prints besides."""
        self._process = process
        self._log = log

    def ask(self, do: str, **about: object) -> Answer:
        """The answer to the command `do`; raises `PeerFailed`."""
        try:
            print(json.dumps({"do": do, **about}), file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise self._failed() from error
        return self.hear()

    def hear(self) -> Answer:
        """The next line it says; raises `PeerFailed`."""
        alarm = Timer(ANSWER_SECONDS, self._process.kill)
        alarm.start()
        try:
            line = self._process.stdout.readline() if self._process.stdout else ""
        finally:
            alarm.cancel()
        if not line:
            raise self._failed()
        answer: Answer = json.loads(line)
        return answer

    def _failed(self) -> PeerFailed:
        # What it says last is there once it has ended.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        said = last_line(self._log)
        return PeerFailed(f"it ended, or was silent for {ANSWER_SECONDS} s; it said: {said}")


@contextmanager
def peer(
    command: tuple[str, ...], folder: Path, environment: Mapping[str, str], log: Path
) -> Iterator[Peer]:
    """A started one, gone when the block is left; `log` gets what it prints besides."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment(**environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield Peer(process, log)
    finally:
        process.kill()
        process.communicate()


def serve(commands: Mapping[str, Callable[..., Answer]]) -> None:
    """The answering side, until its input ends; what is printed meanwhile is no answer."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1) as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            command = json.loads(line)
            answers.write(json.dumps(commands[command.pop("do")](**command)) + "\n")
