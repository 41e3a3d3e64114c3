"""What is done to the stack while orders are posted, and when."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from signal import SIGKILL
from typing import Any, Final

import psutil
import redis

from local import http, processes
from local.errors import StackError
from local.market.faults import Faults as Weather
from local.waiting import until

from .scene import Scene

DEATH_SECONDS: Final = 5
"""A killed process is gone at once; a machine under load takes its time to notice."""
COLD_START_SECONDS: Final = 4
"""So long a function's process may take to begin with its work."""

WORKER, API = "WorkerFunction", "ApiFunction"
"""As `template.yaml` calls them; their deployed names begin with the stack's and this."""

Act = Callable[[Scene], Coroutine[Any, Any, int]]
"""Breaks something and makes it whole again; returns how many processes that killed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong `at` so many seconds after the first post."""

    at: float
    name: str
    act: Act
    lasts: bool = True
    """Whether there is a time between breaking and whole, or it is over at once."""


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault that was: from when and for how long, in seconds, and how many processes died."""

    name: str
    at: float
    seconds: float
    killed: int


async def happen(
    faults: Sequence[Fault], scene: Scene, tell: Callable[[Happened], None]
) -> list[Happened]:
    """Lets each fault happen at its time, over one another where they last.

    Raises `StackError` when a part does not come back.
    """
    clock = asyncio.get_running_loop().time
    began = clock()

    async def one(fault: Fault) -> Happened:
        await asyncio.sleep(began + fault.at - clock())
        at = clock()
        killed = await fault.act(scene)
        seconds = clock() - at if fault.lasts else 0.0
        happened = Happened(fault.name, at - began, seconds, killed)
        tell(happened)
        return happened

    return await asyncio.gather(*(one(fault) for fault in faults))


async def kill_postgres(scene: Scene) -> int:
    """None of its processes is asked: it comes back by crash recovery."""
    killed = await asyncio.to_thread(_kill_whole, scene, "postgres")
    await _start(scene, "postgres")
    return killed


def stop_postgres(seconds: float) -> Act:
    """A "fast" shutdown, as for maintenance; sessions are broken off."""

    async def act(scene: Scene) -> int:
        part = scene.part("postgres")
        await asyncio.to_thread(processes.stop, scene.home, part.name, part.stop_signal)
        await asyncio.sleep(seconds)
        await _start(scene, part.name)
        return 0

    return act


async def flush_valkey(scene: Scene) -> int:
    """All keys at once: what was accepted, who is connected, which idempotency keys there were."""

    def flush() -> None:
        with redis.Redis.from_url(scene.stack.redis) as client:
            client.flushall()

    await asyncio.to_thread(flush)
    return 0


def kill_valkey(seconds: float) -> Act:
    """It keeps nothing on disk: it comes back empty."""

    async def act(scene: Scene) -> int:
        killed = await asyncio.to_thread(_kill_whole, scene, "valkey")
        await asyncio.sleep(seconds)
        await _start(scene, "valkey")
        return killed

    return act


def kill_function(logical_id: str, at_most: int) -> Act:
    """Processes of a function, in the middle of what each is doing, as soon as there is one."""

    async def act(scene: Scene) -> int:
        def found() -> list[psutil.Process]:
            return list(islice(at_work(scene, logical_id), at_most))

        await asyncio.to_thread(until, lambda: bool(found()), COLD_START_SECONDS)
        victims = found()
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        return len(victims)

    return act


def weather(faults: Weather, seconds: float) -> Act:
    """The RPC has `faults` for so long."""

    async def act(scene: Scene) -> int:
        await asyncio.to_thread(_set_weather, scene, faults)
        try:
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(_set_weather, scene, Weather())
        return 0

    return act


def at_work(scene: Scene, logical_id: str) -> Iterator[psutil.Process]:
    """The environments of one function in the emulated Lambda that have begun to work.

    Each is a process of the gateway, with the function's name where AWS puts it. One that is not
    connected to anything yet is still starting: were it killed then, the emulator would end all
    others of the function with it, and start none for as long as there is a crowd at the door.
    """
    for process in psutil.Process(scene.leader("gateway")).children():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            name = process.environ().get("AWS_LAMBDA_FUNCTION_NAME", "")
            if f"-{logical_id}-" in name and process.net_connections():
                yield process


async def _start(scene: Scene, name: str) -> None:
    await asyncio.to_thread(processes.start, scene.home, scene.part(name))


def _kill_whole(scene: Scene, name: str) -> int:
    """The part and what it has started: Postgres' own processes leave their parent's group."""
    leader = psutil.Process(scene.leader(name))
    family = [leader, *leader.children(recursive=True)]
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    # Reaped, if it is our child: Postgres would take what is left of it for a living postmaster.
    with suppress(psutil.TimeoutExpired):
        leader.wait(DEATH_SECONDS)
    if not until(lambda: not any(map(_alive, family)), DEATH_SECONDS):
        raise StackError(f"{name}: still alive {DEATH_SECONDS} s after it was killed")
    processes.stop(scene.home, name, SIGKILL)
    return len(family)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _set_weather(scene: Scene, faults: Weather) -> None:
    params = [faults.model_dump(mode="json", by_alias=True)]
    request = {"jsonrpc": "2.0", "id": 1, "method": "market_setFaults", "params": params}
    status, answer = http.call("POST", scene.stack.rpc, request)
    if status != HTTPStatus.OK or "error" in answer:
        raise StackError(f"market: will not have {faults}: {answer}")
