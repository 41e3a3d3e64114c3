"""What accepting an order costs: our API function beside the reference."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from rich.console import Console

from . import compare
from .compare import Row, figure
from .peer import Answer
from .plain import Reference
from .servers import Servers, servers
from .usage import countable, seconds, usage

ORDERS = 500
WARM_ORDERS = 5_000
"""So many does node serve before its compiler has done what it can for the reference."""
AT_ONCE: Final = (20, 1)
"""Requests in flight at the reference; a Lambda process is only ever given one."""
GOAL: Final = 1.0
SERVERS: Final = ("postgres", "valkey")

NOTES: Final = f"""\
CPU is user and system: of the one process alone, then with all that Postgres and Valkey took \
meanwhile. SQS is in no figure: on AWS it is nobody's machine. Its emulator is on the same cores.
ours: API Gateway's event in, its answer out, one at a time: parsed, a token of the rate limit \
taken and each tenth order's key reserved by a script in Valkey, one SendMessage, one SET and one \
ZADD in Valkey, one line of log. The client's HTTP is API Gateway's work and not in it.
reference: the client's HTTP, a JSON schema, one INSERT, one BullMQ job, which is a script in \
Valkey; no accounts, limits, keys or log. Its client is another process; of 20 at once many share \
a system call and a commit. Warm after {WARM_ORDERS:,} orders."""
UNCOUNTED: Final = "with Postgres and Valkey: skipped, this system does not count CPU so finely"


def run(console: Console) -> dict[str, Any]:
    """Prints the table, and returns the same."""
    with console.status("accepting"), servers() as running, ExitStack() as until:
        api = until.enter_context(running.function("api_process"))
        reference, skipped = compare.reference_or_why(until, running)
        measures = {"ours": partial(_all, running, partial(api.ask, "accept", orders=ORDERS))}
        if reference:
            reference.accept(WARM_ORDERS, max(AT_ONCE))
            reference.clear()
            measures |= {
                _in_flight(number): partial(_reference, running, reference, number)
                for number in AT_ONCE
            }
        found = compare.in_turns(measures)
    rows = _per_second(found, "accepted per CPU second", "cpuSeconds", GOAL)
    if countable():
        rows += _per_second(found, "the same with Postgres and Valkey", "allCpuSeconds", None)
    else:
        skipped.append(UNCOUNTED)
    alone = figure(found, _in_flight(1), lambda answer: answer["p50Millis"])
    rows.append(
        Row("p50 of one, ms of wall time", found["ours"]["p50Millis"], alone, less_is_better=True)
    )
    title = "accepting orders, one process each"
    return compare.show(console, title, rows, (*skipped, NOTES, compare.taken(ORDERS)))


def _reference(running: Servers, reference: Reference, at_once: int) -> Answer:
    answer = _all(running, partial(reference.accept, ORDERS, at_once))
    reference.clear()
    return answer


def _all(running: Servers, accept: Callable[[], Answer]) -> Answer:
    """What `accept` answers, and the CPU of all: of its process and of the servers."""
    before = usage(running.home, *SERVERS)
    answer = accept()
    theirs = seconds(before, usage(running.home, *SERVERS))
    return answer | {"allCpuSeconds": answer["cpuSeconds"] + theirs}


def _per_second(found: dict[str, Answer], measure: str, cpu: str, goal: float | None) -> list[Row]:
    ours = ORDERS / found["ours"][cpu]
    return [
        Row(f"{measure} ({name})", ours, figure(found, name, lambda it: ORDERS / it[cpu]), goal)
        for name in map(_in_flight, AT_ONCE)
    ]


def _in_flight(number: int) -> str:
    return f"{number} at once at the reference"
