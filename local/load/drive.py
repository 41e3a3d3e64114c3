"""One run: warm up, send, listen, wait for the end of the last order."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from local.beside import beside
from local.chaos import ledger
from local.errors import StackError
from local.home import PROJECT
from local.http import listening
from local.processes import clean_environment, last_line
from local.waiting import until

from .listener import Listener
from .records import Depth, Heard, Sent
from .schedule import Attack, Schedule

OPEN_SECONDS: Final = 60
SETTLE_SECONDS: Final = 60.0
"""A load takes nothing away that the sweeper would have to find again minutes later."""
CROWD: Final = 64
"""Orders that all are due within a millisecond."""
WARM_ROUNDS: Final = 6
PROMPT_SECONDS: Final = 2.0
DEPTH_SECONDS: Final = 1.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Target:
    """The stack that is loaded; `gateway` is its port, `account` has no orders yet."""

    http: str
    websocket: str
    gateway: int
    token: str | None


@dataclass(frozen=True, slots=True)
class Observed:
    """What was noted; of messages, only those of the orders that were sent."""

    schedule: Schedule
    """As it was kept to."""
    sent: list[Sent]
    heard: list[Heard]
    repeats: int
    connects: int
    depths: list[Depth]


async def drive(target: Target, rate: float, seconds: float, log: Path, say: Say) -> Observed:
    """Sends `rate` orders a second for `seconds`; `say` hears what happens, `log` what goes wrong.

    Raises `StackError` when the WebSocket does not open, or the load tool fails.
    """
    listener = Listener(listening(target.websocket, target.token))
    depths: list[Depth] = []
    async with beside(listener.listen()):
        await _within(OPEN_SECONDS, listener.listens.is_set, "the WebSocket does not open")
        say("warming up")
        if not await _warm_up(target, listener, log):
            say("the stack does not get warm; is the machine busy?")
        say(f"{rate:g} orders a second for {seconds:g} s")
        async with beside(_poll(target.gateway, depths)):
            sent = await send(Attack(target.http, target.token, rate, seconds), log)
            ids = {each.order_id for each in sent if each.order_id}
            say(f"{len(sent):,} sent, {len(ids):,} accepted; waiting for their ends")
            await _ends(sent, listener)
    heard = [change for change in listener.heard if change.order_id in ids]
    began = sent[0].due - sent[0].number / rate
    schedule = Schedule(rate, seconds, began)
    return Observed(schedule, sent, heard, listener.repeats, listener.connects, depths)


async def _warm_up(target: Target, listener: Listener, log: Path) -> bool:
    """Whether the stack got warm: as many at once as the load may have are answered promptly.

    The emulated Lambda starts a process for each request at once, and keeps it for minutes. A load
    that finds too few of them makes the machine busy with starting more.
    """
    crowd = Attack(target.http, target.token, CROWD * 1000, 0.001, patience=SETTLE_SECONDS)
    for _ in range(WARM_ROUNDS):
        sent = await send(crowd, log)
        await _ends(sent, listener)
        if all(each.accepted and each.answered - each.sent < PROMPT_SECONDS for each in sent):
            return True
    return False


async def _ends(sent: Sequence[Sent], listener: Listener) -> None:
    """Waits until the end of each accepted order was heard, or it takes too long."""
    ids = {each.order_id for each in sent if each.order_id}
    await asyncio.to_thread(until, lambda: ids <= listener.ended, SETTLE_SECONDS)


async def send(attack: Attack, log: Path) -> list[Sent]:
    """Every request, in order, once the last has ended; raises `StackError`, with more in `log`."""
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.load.arrivals"),
            cwd=PROJECT,
            env=clean_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
        try:
            output, _ = await process.communicate(json.dumps(asdict(attack)).encode() + b"\n")
        finally:
            with suppress(ProcessLookupError):
                process.kill()
    if process.returncode != 0 or not output:
        raise StackError(f"the load tool failed: {last_line(log)}")
    sent = [Sent(**json.loads(line)) for line in output.splitlines()]
    return sorted(sent, key=lambda each: each.number)


async def _poll(gateway: int, depths: list[Depth]) -> None:
    """Asks SQS each second, until it is cancelled."""
    while True:
        asked = time.time()
        left = await asyncio.to_thread(ledger.messages, gateway)
        depths.append(Depth(asked, left[ledger.ORDERS]))
        await asyncio.sleep(max(0.0, asked + DEPTH_SECONDS - time.time()))


async def _within(seconds: float, true: Callable[[], bool], otherwise: str) -> None:
    """Returns once it is true; raises `StackError`, saying `otherwise`, if it is not in time."""
    if not await asyncio.to_thread(until, true, seconds):
        raise StackError(f"{otherwise} in {seconds:g} s")
