"""What is broken is really broken, and whole again afterwards: real servers, real processes."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from local import postgres, processes, valkey
from local.chaos import faults
from local.chaos.faults import WORKER, Fault, Happened, at_work, happen, kill_function
from local.chaos.scene import BATCH_LOST, Scene
from local.chaos.timetable import POSTING_SECONDS, TIMETABLE
from local.home import Home, write_json
from local.market.faults import Faults as Weather
from local.market.rpc import application
from local.market.state import Market
from local.ports import HOST, Ports
from local.processes import Part
from local.settings import Settings
from local.stack import Stack
from local.waiting import until

STARTING = "import time; time.sleep(60)"
WORKING = "import socket, sys, time; s = socket.create_connection(sys.argv[1:]); time.sleep(60)"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A stack of which nothing runs yet."""
    ports = Ports.free()
    home = Home(tmp_path)
    home.create()
    urls = postgres.url(ports.postgres), valkey.url(ports.valkey)
    return Scene(home, Settings(ports), Stack("", "", *urls, f"http://{HOST}:{ports.market}"))


@pytest.fixture
def started(scene: Scene) -> Iterator[ExitStack]:
    """Where the parts that a test starts are stopped."""
    with ExitStack() as stack:
        yield stack


def start(scene: Scene, started: ExitStack, name: str) -> Part:
    part = scene.part(name)
    started.callback(processes.stop, scene.home, name, part.stop_signal)
    processes.start(scene.home, part)
    return part


@pytest.mark.integration
async def test_a_killed_postgres_comes_back_with_what_was_committed(
    scene: Scene, started: ExitStack
) -> None:
    part = start(scene, started, "postgres")
    with psycopg.connect(scene.stack.database) as session:
        session.execute("CREATE TABLE kept AS SELECT 7 AS value")
        session.commit()

        killed = await faults.kill_postgres(scene)

        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert killed > 1
    assert processes.serves(scene.home, part)
    with psycopg.connect(scene.stack.database) as session:
        assert session.execute("SELECT value FROM kept").fetchone() == (7,)
    assert "not properly shut down" in scene.home.log("postgres").read_text()


@pytest.mark.integration
async def test_a_stopped_postgres_is_away_for_as_long_as_it_should_be(
    scene: Scene, started: ExitStack
) -> None:
    part = start(scene, started, "postgres")

    began = time.monotonic()
    stopping = asyncio.create_task(faults.stop_postgres(0.5)(scene))
    was_away = False
    while not stopping.done():
        was_away |= not await asyncio.to_thread(part.ready)
    assert await stopping == 0

    assert was_away
    assert time.monotonic() - began > 0.5
    assert processes.serves(scene.home, part)


@pytest.mark.integration
async def test_a_killed_valkey_comes_back_empty(scene: Scene, started: ExitStack) -> None:
    start(scene, started, "valkey")
    with redis.Redis.from_url(scene.stack.redis) as client:
        client.set("key", "value")

        assert await faults.kill_valkey(0)(scene) == 1

        assert client.dbsize() == 0


@pytest.mark.integration
async def test_a_flushed_valkey_keeps_running_without_its_keys(
    scene: Scene, started: ExitStack
) -> None:
    start(scene, started, "valkey")
    before = processes.find(scene.home, "valkey")
    with redis.Redis.from_url(scene.stack.redis) as client:
        client.set("key", "value")

        await faults.flush_valkey(scene)

        assert client.dbsize() == 0
    assert processes.find(scene.home, "valkey") == before


async def test_bad_weather_passes(scene: Scene) -> None:
    app = application(Market(seed=7, slot=1_000, unix_time=0), trading=False)
    async with TestServer(app, port=scene.settings.ports.market), ClientSession() as session:

        async def status() -> int:
            call = {"jsonrpc": "2.0", "id": 1, "method": "getSlot"}
            async with session.post(scene.stack.rpc, json=call) as response:
                return response.status

        raining = asyncio.create_task(faults.weather(Weather(status=503), 0.2)(scene))
        while await status() == 200:
            assert not raining.done()
        await raining

        assert await status() == 200


@pytest.fixture
def functions(scene: Scene) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Children of ours, who stand for the gateway: by name, what they are at."""
    own = psutil.Process()
    write_json(scene.home.records / "gateway.json", {"pid": own.pid, "created": own.create_time()})
    with socket.create_server((HOST, 0)) as server, ExitStack() as stack:
        address = [HOST, str(server.getsockname()[1])]

        def child(function: str, code: str) -> subprocess.Popen[bytes]:
            environment = os.environ | {"AWS_LAMBDA_FUNCTION_NAME": f"sluice-{function}-A1"}
            command = [sys.executable, "-c", code, *address]
            process = stack.enter_context(subprocess.Popen(command, env=environment))
            stack.callback(process.kill)
            return process

        children = {
            "working": child(WORKER, WORKING),
            "busy": child(WORKER, WORKING),
            "starting": child(WORKER, STARTING),
            "other": child("SweeperFunction", WORKING),
        }
        for _ in range(3):
            stack.enter_context(server.accept()[0])
        yield children


async def test_only_processes_of_the_function_that_have_begun_to_work_are_killed(
    scene: Scene, functions: dict[str, subprocess.Popen[bytes]]
) -> None:
    both = [functions["working"], functions["busy"]]
    found = {process.pid for process in at_work(scene, WORKER)}
    assert found == {process.pid for process in both}

    assert await kill_function(WORKER, 5)(scene) == 2

    assert [process.wait(5) for process in both] == [-9, -9]
    assert functions["starting"].poll() is functions["other"].poll() is None


async def test_no_more_processes_are_killed_than_asked(
    scene: Scene, functions: dict[str, subprocess.Popen[bytes]]
) -> None:
    assert await kill_function(WORKER, 1)(scene) == 1

    both = (functions["working"], functions["busy"])
    assert until(lambda: any(process.poll() is not None for process in both), 5)
    assert not all(process.poll() is not None for process in both)


def test_batches_lost_are_counted_from_what_the_emulator_says(scene: Scene) -> None:
    scene.home.log("gateway").write_text(f"ESM: ({BATCH_LOST})\nother\nESM: ({BATCH_LOST})\n")

    assert scene.batches_lost() == 2


async def test_each_fault_happens_at_its_time_although_another_lasts(scene: Scene) -> None:
    told: list[str] = []
    struck = asyncio.Event()

    async def lasts(_: Scene) -> int:
        await struck.wait()
        return 0

    async def strikes(_: Scene) -> int:
        struck.set()
        return 3

    happened = await happen(
        [Fault(0, "lasts", lasts), Fault(0.05, "strikes", strikes, lasts=False)],
        scene,
        lambda one: told.append(one.name),
    )

    assert told == ["strikes", "lasts"]
    first, second = happened
    assert isinstance(first, Happened)
    assert first.seconds >= second.at - first.at > 0
    assert (second.killed, second.seconds) == (3, 0)
    assert second.at >= 0.05


def test_the_timetable_ends_before_the_posting_does() -> None:
    assert max(fault.at for fault in TIMETABLE) < POSTING_SECONDS - 15
