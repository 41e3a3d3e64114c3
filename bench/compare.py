"""Ours beside the reference: taken in turns, so that a busy machine is busy for both."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from .node import NodeUnavailable
from .peer import Answer
from .plain import Reference, reference
from .servers import Servers

ROUNDS = 5

Measures = Mapping[str, Callable[[], Answer]]
"""What is measured, by name; each call is one round of it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of both; `reference` is None where it did not run."""

    measure: str
    ours: float
    reference: float | None
    goal: float | None = None
    """The ratio that is wanted."""
    less_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times as good ours is."""
        if self.reference is None:
            return None
        return self.reference / self.ours if self.less_is_better else self.ours / self.reference


def reference_or_why(until: ExitStack, servers: Servers) -> tuple[Reference | None, list[str]]:
    """The reference, running until that stack is left; or none and a note that says why."""
    try:
        return until.enter_context(reference(servers)), []
    except NodeUnavailable as error:
        return None, [f"reference: skipped, {error}"]


def in_turns(measures: Measures) -> dict[str, Answer]:
    """The medians of each measure's figures; a first round, in which all get warm, is not counted.

    Node compiles what it runs often, Python and both databases fill their caches.
    """
    rounds = [{name: measure() for name, measure in measures.items()} for _ in range(1 + ROUNDS)][
        1:
    ]
    return {
        name: {figure: median(each[name][figure] for each in rounds) for figure in rounds[0][name]}
        for name in measures
    }


def figure(found: Mapping[str, Answer], name: str, of: Callable[[Answer], float]) -> float | None:
    """What `of` makes of the measure `name`; None where it was not taken."""
    return of(found[name]) if name in found else None


def taken(orders: int) -> str:
    """How the figures came about."""
    return f"Medians of {ROUNDS} rounds of {orders:,} orders each, in turns, after one not counted."


def show(console: Console, title: str, rows: Sequence[Row], notes: Sequence[str]) -> dict[str, Any]:
    """Prints the rows and what is to be known of them; returns the same."""
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("measure")
    for name in ("ours", "reference", "ratio", "goal"):
        table.add_column(name, justify="right")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        goal = "" if row.goal is None else f"{row.goal:g}"
        table.add_row(row.measure, _told(row.ours), _told(row.reference), ratio, goal)
    console.print(table)
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)
    console.print()
    return {"rows": [_rendered(row) for row in rows], "notes": list(notes)}


def _told(figure: float | None) -> str:
    if figure is None:
        return "-"
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}"


def _rendered(row: Row) -> dict[str, Any]:
    return {
        "measure": row.measure,
        "ours": round(row.ours, 3),
        "reference": row.reference and round(row.reference, 3),
        "ratio": row.ratio and round(row.ratio, 3),
        "goal": row.goal,
    }
