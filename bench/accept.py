"""What accepting an order costs: our API function beside the reference."""

from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from rich.console import Console

from . import compare
from .compare import Row, figure
from .servers import servers

ORDERS = 500
WARM_ORDERS = 5_000
"""So many does node serve before its compiler has done what it can for the reference."""
AT_ONCE: Final = (20, 1)
"""Requests in flight at the reference; a Lambda process is only ever given one."""
GOAL: Final = 1.0

NOTES: Final = f"""\
CPU is user and system of the one process. Postgres, Valkey and SQS are in no figure, but on the \
same cores.
ours: API Gateway's event in, its answer out, one at a time: parsed, one SendMessage, one SET in \
Valkey, one line of log. The client's HTTP is API Gateway's work and not in it.
reference: the client's HTTP, a JSON schema, one INSERT, one BullMQ job; no log. Its client is \
another process; of 20 at once many share a system call. Warm after {WARM_ORDERS:,} orders."""


def run(console: Console) -> dict[str, Any]:
    """Prints the table, and returns the same."""
    with console.status("accepting"), servers() as running, ExitStack() as until:
        api = until.enter_context(running.function("api_process"))
        reference, skipped = compare.reference_or_why(until, running)
        measures = {"ours": partial(api.ask, "accept", orders=ORDERS)}
        if reference:
            reference.accept(WARM_ORDERS, max(AT_ONCE))
            measures |= {
                _in_flight(number): partial(reference.accept, ORDERS, number) for number in AT_ONCE
            }
        found = compare.in_turns(measures)
    ours = ORDERS / found["ours"]["cpuSeconds"]
    rows = [
        Row(
            f"accepted per CPU second ({name})",
            ours,
            figure(found, name, lambda answer: ORDERS / answer["cpuSeconds"]),
            GOAL,
        )
        for name in map(_in_flight, AT_ONCE)
    ]
    alone = figure(found, _in_flight(1), lambda answer: answer["p50Millis"])
    rows.append(
        Row("p50 of one, ms of wall time", found["ours"]["p50Millis"], alone, less_is_better=True)
    )
    title = "accepting orders, one process each"
    return compare.show(console, title, rows, (*skipped, NOTES, compare.taken(ORDERS)))


def _in_flight(number: int) -> str:
    return f"{number} at once at the reference"
