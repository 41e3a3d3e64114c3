"""A part is started once, found again, and ended with everything it has started itself."""

import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from local.errors import StackError
from local.home import Home
from local.ports import HOST, Ports, require_free
from local.processes import Part, clean_environment, find, serves, start, stop
from local.waiting import until

# A server that, like MiniStack, has workers which do not die by themselves, and is deaf to SIGTERM.
STUBBORN = """
import signal, socket, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(worker.pid, flush=True)
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    time.sleep(600)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
def part(home: Home) -> Iterator[Part]:
    port = Ports.free().gateway
    yield python_part(port, "import socket, sys, time\n" + STUBBORN.partition("flush=True)\n")[2])
    stop(home, "part")


def python_part(port: int, program: str) -> Part:
    command = (sys.executable, "-c", "import socket, sys, time\n" + program, str(port))
    return Part("part", port, command, ready=lambda: listens(port))


def listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_started_part_serves_and_is_found_again(home: Home, part: Part) -> None:
    start(home, part)
    assert serves(home, part)
    process = find(home, "part")
    assert process is not None
    assert process.alive()


def test_a_stopped_part_leaves_neither_process_nor_port_nor_record(home: Home, part: Part) -> None:
    start(home, part)
    stop(home, "part")
    require_free("part", part.port)
    assert find(home, "part") is None
    assert not serves(home, part)
    stop(home, "part")


def test_the_whole_group_ends_even_if_it_does_not_want_to(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.processes.STOP_SECONDS", 0.2)
    part = python_part(Ports.free().gateway, STUBBORN)
    start(home, part)
    worker = int(home.log("part").read_text())
    stop(home, "part")
    assert until(lambda: ended(worker), 5)
    require_free("part", part.port)


def test_workers_are_ended_after_their_leader_died(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.processes.STOP_SECONDS", 0.2)
    part = python_part(Ports.free().gateway, STUBBORN)
    start(home, part)
    worker = int(home.log("part").read_text())
    leader = find(home, "part")
    assert leader is not None
    psutil.Process(leader.pid).kill()
    assert until(lambda: not leader.alive(), 5)
    stop(home, "part")
    assert until(lambda: ended(worker), 5)


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_part_that_dies_says_where_its_log_is_and_what_it_ends_with(home: Home) -> None:
    port = Ports.free().gateway
    part = python_part(port, "sys.exit('no such licence')")
    with pytest.raises(StackError) as died:
        start(home, part)
    message = str(died.value)
    assert message.startswith(f"part: ended with code 1, wanted on port {port}; see ")
    assert message.endswith("part.log, which ends with: no such licence")
    assert find(home, "part") is None


def test_a_part_that_never_serves_is_ended(
    home: Home, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.processes.READY_SECONDS", 0.2)
    with pytest.raises(StackError, match="not serving after"):
        start(home, replace(part, ready=lambda: False))
    require_free("part", part.port)


def test_a_stranger_with_a_recorded_id_is_left_alone(home: Home, part: Part) -> None:
    start(home, part)
    process = find(home, "part")
    assert process is not None
    record = home.records / "part.json"
    genuine = record.read_text()
    record.write_text(genuine.replace(str(process.created), "1.0"))
    stop(home, "part")
    assert process.alive()
    record.write_text(genuine)


def test_nothing_of_the_callers_account_reaches_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    environment = clean_environment(AWS_DEFAULT_REGION="us-east-1")
    assert "AWS_PROFILE" not in environment
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment["AWS_DEFAULT_REGION"] == "us-east-1"
