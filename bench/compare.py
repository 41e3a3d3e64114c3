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
    """One figure of both; `reference` is None where it did not run, or there is none."""

    measure: str
    ours: float
    reference: float | None = None
    goal: float | None = None
    """The ratio that is wanted, or more."""
    less_is_better: bool = False
    limit: float | None = None
    """What ours may come to at most."""

    @property
    def ratio(self) -> float | None:
        """How many times as good ours is."""
        if self.reference is None:
            return None
        return self.reference / self.ours if self.less_is_better else self.ours / self.reference

    @property
    def wanted(self) -> str:
        """In words."""
        ratio = "" if self.goal is None else f"{self.goal:g} x"
        limit = "" if self.limit is None else f"<= {self.limit:g}"
        return ", ".join(filter(None, (ratio, limit)))

    @property
    def met(self) -> bool | None:
        """Whether it is as good as wanted; None where nothing is, or it cannot be told."""
        if self.goal is not None:
            return None if self.ratio is None else self.ratio >= self.goal
        return None if self.limit is None else self.ours <= self.limit


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
    add_columns(table)
    for row in rows:
        table.add_row(row.measure, *cells(rendered(row)))
    console.print(table)
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)
    console.print()
    return {"rows": [rendered(row) for row in rows], "notes": list(notes)}


def rendered(row: Row) -> dict[str, Any]:
    """As a part returns it."""
    return {
        "measure": row.measure,
        "ours": round(row.ours, 3),
        "reference": row.reference and round(row.reference, 3),
        "ratio": row.ratio and round(row.ratio, 3),
        "goal": row.goal,
        "limit": row.limit,
        "wanted": row.wanted,
        "met": row.met,
    }


def add_columns(table: Table) -> None:
    """Those of `cells`."""
    for name in ("ours", "reference", "ratio", "goal", "met"):
        table.add_column(name, justify="right")


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What stands in the table of a row as a part returns it."""
    return (
        _told(row["ours"]),
        _told(row["reference"]),
        "" if row["ratio"] is None else f"{row['ratio']:.2f}",
        row["wanted"],
        {True: "[green]yes[/]", False: "[red]NO[/]", None: ""}[row["met"]],
    )


def _told(figure: float | None) -> str:
    if figure is None:
        return "-"
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}"
