"""A stack of a run's own, whose parts are within reach: it disturbs nobody else's."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local import processes, stack
from local.function_logs import FUNCTIONS, function_log
from local.home import Home
from local.ports import Ports
from local.processes import Part
from local.progress import Progress
from local.settings import Settings

BATCH_LOST: Final = "errorMessage=Worker process died"
"""So MiniStack puts it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A running stack and what it takes to break it."""

    home: Home
    settings: Settings
    stack: stack.Stack

    def part(self, name: str) -> Part:
        """The part of that name; raises StopIteration for one that there is not."""
        return next(part for part in stack.parts(self.home, self.settings) if part.name == name)

    def leader(self, name: str) -> int:
        """The process id that the part `name` was started with."""
        process = processes.find(self.home, name)
        if process is None:
            raise ProcessLookupError(f"{name} was never started")
        return process.pid

    def batches_lost(self) -> int:
        """How many batches of orders the emulated Lambda has lost together with their worker."""
        return self.home.log("gateway").read_text(errors="replace").count(BATCH_LOST)

    def save_logs(self, directory: Path) -> None:
        """Copies the logs of all parts and functions to where they outlive the stack."""
        shutil.copytree(self.home.logs, directory, dirs_exist_ok=True)
        for function in FUNCTIONS:
            lines = function_log(self.settings.ports.gateway, function)
            (directory / f"{function}.log").write_text("".join(f"{line}\n" for line in lines))


@contextmanager
def scene(progress: Progress) -> Iterator[Scene]:
    """On free ports, in a directory of its own; gone at the end, Ctrl-C or not."""
    settings = Settings(ports=Ports.free())
    with tempfile.TemporaryDirectory(prefix="sluice-chaos-") as temporary:
        home = Home(Path(temporary) / "stack")
        try:
            yield Scene(home, settings, stack.up(home, settings, progress))
        finally:
            # A second Ctrl-C does not stop the stopping.
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                with progress.step("everything is stopped and removed"):
                    stack.down(home)
            finally:
                signal.signal(signal.SIGINT, before)
