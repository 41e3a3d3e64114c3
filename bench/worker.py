"""How fast one worker process completes orders, beside the reference."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

import psycopg
from rich.console import Console

from sluice.markets.catalog import catalog

from . import compare
from .compare import Row, figure
from .peer import Answer
from .servers import servers

ORDERS = 1_000
IN_FLIGHT = 4
GOAL: Final = 2.0
HOW: Final = {"one batch after the other": "ours", f"{IN_FLIGHT} in flight": "in flight"}
TABLES: Final = {"ours": "orders", "reference": "reference.orders"}

NOTES: Final = """\
CPU is user and system of the one process. Postgres, Valkey and the market are in no figure of \
CPU, but on the same cores.
ours: batches of 10, each order quoted from the accounts of {pools} pools and filled by the best; \
four events, every quote and the fill stored. One after the other is how Lambda feeds a process, \
which then mostly waits for Postgres; in flight, several engines share it, as the reference's \
orders do. SQS's handing over is Lambda's work and not in it.
reference: 50 at once, constant prices of two venues; three events in a transaction each, a fill; \
no quotes stored, no log. Fetching the jobs from Valkey is in it, inserting the order not."""


def run(console: Console) -> dict[str, Any]:
    """Prints the table, and returns the same with how many orders came to which status."""
    with console.status("working"), servers() as running, ExitStack() as until:
        worker = until.enter_context(running.function("worker_process"))
        reference, skipped = compare.reference_or_why(until, running)
        measures = {
            "ours": partial(worker.ask, "work", orders=ORDERS),
            "in flight": partial(worker.ask, "overlap", orders=ORDERS, in_flight=IN_FLIGHT),
        }
        if reference:
            measures["reference"] = partial(reference.work, ORDERS)
        found = compare.in_turns(measures)
        statuses = {
            name: _statuses(running.database, table)
            for name, table in TABLES.items()
            if name in found
        }
        pools = len(catalog(running.environment["MARKETS"]).pools)
    rates = [
        Row(f"completed per second, {how}", _rate(found[name]), _of(found, _rate), GOAL)
        for how, name in HOW.items()
    ]
    cpus = [
        Row(f"CPU ms per order, {how}", _cpu(found[name]), _of(found, _cpu), less_is_better=True)
        for how, name in HOW.items()
    ]
    notes = [*skipped, *_incomplete(statuses), NOTES.format(pools=pools), compare.taken(ORDERS)]
    title = "completing orders, one worker process each"
    return compare.show(console, title, [*rates, *cpus], notes) | {"statuses": statuses}


def _of(found: Mapping[str, Answer], of: Callable[[Answer], float]) -> float | None:
    return figure(found, "reference", of)


def _rate(answer: Answer) -> float:
    return float(ORDERS / answer["seconds"])


def _cpu(answer: Answer) -> float:
    return float(answer["cpuSeconds"] * 1000 / ORDERS)


def _statuses(database: str, table: str) -> dict[str, int]:
    """How many orders have come to which status."""
    with psycopg.connect(database) as connection:
        counted = connection.execute(
            psycopg.sql.SQL("SELECT status::text, count(*) FROM {} GROUP BY 1").format(
                psycopg.sql.Identifier(*table.split("."))
            )
        )
        return dict(counted.fetchall())


def _incomplete(statuses: dict[str, dict[str, int]]) -> list[str]:
    """What is wrong with the figures: orders that were not completed."""
    return [
        f"{name}: NOT ALL CONFIRMED: {counts}"
        for name, counts in statuses.items()
        if counts.keys() != {"CONFIRMED"}
    ]
