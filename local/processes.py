"""Programs that outlive `make up`: started in a session of their own, found again, ended whole."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from .errors import StackError
from .home import PROJECT, Home, shown, write_json
from .ports import require_free
from .waiting import until

READY_SECONDS = 30
STOP_SECONDS = 10
VENV_BIN = Path(sys.executable).parent

# Settings of the calling shell that would change what a part does: someone's real AWS account, and
# Python switches that make every start slow.
PRIVATE = ("AWS_", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "SAM_CLI_", "COV_CORE_")


def clean_environment(**extra: str) -> dict[str, str]:
    """The caller's environment without what is private to it, the venv's programs first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
    return kept | {"PATH": f"{VENV_BIN}{os.pathsep}{kept.get('PATH', os.defpath)}"} | extra


@dataclass(frozen=True, slots=True)
class Part:
    """One program of the stack: how to start it, how to know that it serves, how to end it."""

    name: str
    port: int
    command: tuple[str, ...]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    prepare: Callable[[], None] = lambda: None
    """What has to be there before the first start."""


@dataclass(frozen=True, slots=True)
class Process:
    """A started part. The time tells it from a stranger that was given the same id later."""

    pid: int
    created: float

    def alive(self) -> bool:
        try:
            dead = psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        return not dead and not self.replaced()

    def replaced(self) -> bool:
        """Whether the id is a stranger's now."""
        try:
            return psutil.Process(self.pid).create_time() != self.created
        except psutil.NoSuchProcess:
            return False


def find(home: Home, name: str) -> Process | None:
    """The process recorded for the part `name`, dead or alive."""
    try:
        record = json.loads((home.records / f"{name}.json").read_text())
    except FileNotFoundError:
        return None
    return Process(record["pid"], record["created"])


def serves(home: Home, part: Part) -> bool:
    """Whether a process of ours is alive and answers."""
    process = find(home, part.name)
    return process is not None and process.alive() and part.ready()


def start(home: Home, part: Part) -> None:
    """Starts `part` and returns when it serves; raises one line otherwise, with nothing left."""
    require_free(part.name, part.port)
    part.prepare()
    with home.log(part.name).open("ab") as log:
        child = subprocess.Popen(
            part.command,
            cwd=PROJECT,
            env=clean_environment(**part.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    created = psutil.Process(child.pid).create_time()
    write_json(home.records / f"{part.name}.json", {"pid": child.pid, "created": created})
    try:
        _await_ready(home, part, child)
    except BaseException:
        stop(home, part.name, part.stop_signal)
        raise


def _await_ready(home: Home, part: Part, child: subprocess.Popen[bytes]) -> None:
    served = until(lambda: child.poll() is not None or part.ready(), READY_SECONDS)
    if child.poll() is None and served:
        return
    log = home.log(part.name)
    fate = (
        f"not serving after {READY_SECONDS} s"
        if child.returncode is None
        else f"ended with code {child.returncode}"
    )
    raise StackError(
        f"{part.name}: {fate}, wanted on port {part.port}; "
        f"see {shown(log)}, which ends with: {last_line(log)}"
    )


def last_line(log: Path) -> str:
    """The last thing that a log says."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "(nothing)"


def stop(home: Home, name: str, first: signal.Signals = signal.SIGTERM) -> None:
    """Ends the whole process group of the part `name`; asks first, then insists."""
    process = find(home, name)
    if process is None:
        return
    # The leader may be dead while its workers live on in its group.
    if not process.replaced():
        for signal_number in (first, signal.SIGKILL):
            _signal(_group(process.pid), signal_number)
            if until(lambda: not _group(process.pid), STOP_SECONDS):
                break
    (home.records / f"{name}.json").unlink(missing_ok=True)


def _group(leader: int) -> list[psutil.Process]:
    """The living members of a process group; none are zombies that only wait to be reaped."""
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue
    return members


def _signal(members: list[psutil.Process], signal_number: signal.Signals) -> None:
    for process in members:
        try:
            process.send_signal(signal_number)
        except psutil.NoSuchProcess:
            continue
