"""`make up` twice, a taken port, a dead part, `make down`: on a stack of the test's own."""

import json
import socket
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from local import first_order, http, stack
from local.errors import StackError
from local.home import Home
from local.ports import HOST, Ports
from local.processes import find
from local.progress import Progress
from local.settings import Settings

pytestmark = pytest.mark.e2e

PARTS = ("postgres", "valkey", "market", "issuer", "gateway")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "stack")
    yield home
    stack.down(home)


def listeners() -> set[tuple[str, int]]:
    """Who listens where on this machine."""
    return {
        (connection.laddr[0], connection.laddr[1])
        for connection in psutil.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr
    }


def pids(home: Home) -> dict[str, int]:
    return {name: process.pid for name in PARTS if (process := find(home, name))}


def test_a_stack_comes_up_once_and_goes_down_whole(home: Home) -> None:
    before = listeners()
    settings = Settings(Ports.free())

    first = stack.up(home, settings, Progress.silent())
    assert http.call("GET", f"{first.http}/health")[0] == 200
    assert json.loads(home.description.read_text()) == asdict(first)
    ours = {port for host, port in listeners() - before}
    assert ours >= set(asdict(settings.ports).values())
    processes = pids(home)
    assert set(processes) == set(PARTS)

    second = stack.up(home, settings, Progress.silent())
    assert second == first
    assert pids(home) == processes

    psutil.Process(processes["valkey"]).kill()
    assert stack.up(home, settings, Progress.silent()) == first
    healed = pids(home)
    assert healed.pop("valkey") != processes.pop("valkey")
    assert healed == processes

    assert stack.down(home)
    assert not home.path.exists()
    assert not listeners() & {(HOST, port) for port in asdict(settings.ports).values()}
    assert not stack.down(home)


def test_an_open_stack_asks_nobody_and_has_no_issuer(home: Home) -> None:
    opened = stack.up(home, Settings(Ports.free(), auth=False), Progress.silent())

    assert opened.token is None
    assert "issuer" not in pids(home)
    assert [step.event["status"] for step in first_order.place(opened)][-1] == "CONFIRMED"
    assert http.call("GET", f"{opened.http}/api/orders")[1]["data"]["total"] == 1


def test_a_taken_port_leaves_nothing_behind(home: Home) -> None:
    with socket.create_server((HOST, 0)) as other:
        ports = replace(Ports.free(), gateway=other.getsockname()[1])
        with pytest.raises(StackError, match=f"^gateway: port {ports.gateway} is held by"):
            stack.up(home, Settings(ports), Progress.silent())
    assert not pids(home)
    assert not listeners() & {(HOST, port) for port in asdict(ports).values()}
    assert [entry.name for entry in home.path.iterdir()] == ["logs"]


def test_two_runs_do_not_work_on_one_stack(home: Home) -> None:
    home.create()
    with (
        stack.alone(home),
        pytest.raises(StackError, match="another `make up` or `make down` is at work"),
    ):
        stack.up(home, Settings(Ports.free()), Progress.silent())
