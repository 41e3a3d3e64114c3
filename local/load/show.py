"""What is printed at the end."""

from collections.abc import Mapping
from typing import Final

from rich.console import Console
from rich.table import Table

from .summary import PROMISES, Summary

COLUMNS: Final = ("p50", "p95", "p99", "longest")


def show(summary: Summary, facts: Mapping[str, str], console: Console) -> None:
    """Prints the tables, and below them what is wrong."""
    console.print("\n" + " · ".join(f"{name} {fact}" for name, fact in facts.items()), markup=False)
    for table in (_latencies(summary), _counts(summary), _promises(summary)):
        console.print()
        console.print(table)
    for violation in summary.violations:
        console.print(f"[red]✗ {violation.name}[/]: not true for {violation.count}")
        for order_id in violation.examples:
            console.print(f"    {order_id}", markup=False)


def latencies(summary: Summary) -> list[tuple[str, ...]]:
    """A row for each thing that takes time, in milliseconds."""
    named = {**summary.spreads, **({"sent late by": summary.late} if summary.late else {})}
    return [
        (
            name,
            f"{each.count:,}",
            *(told(part) for part in (each.p50, each.p95, each.p99, each.longest)),
        )
        for name, each in named.items()
    ]


def counts(summary: Summary) -> list[tuple[str, str]]:
    """What else there is to say, in words and numbers."""
    rates = ((f"{name} in time", f"{rate:.2f} / s") for name, rate in summary.rates.items())
    answers = (
        (f"answers {what}", f"{number:,}") for what, number in sorted(summary.answers.items())
    )
    ends = ((f"orders {what}", f"{number:,}") for what, number in sorted(summary.ends.items()))
    given_up = [("orders given up: too many waited", f"{summary.not_sent:,}")]
    return [
        ("rate asked for", f"{summary.asked:g} / s"),
        *rates,
        ("rate held", "yes" if summary.held else "NO"),
        *(given_up if summary.not_sent else ()),
        *answers,
        *ends,
        ("oldest order that had not ended", f"{told(summary.oldest)} ms"),
        ("most messages in the queue", f"{summary.deepest:,}"),
        ("messages heard a second time", f"{summary.repeats:,}"),
        ("connections of the listener", f"{summary.connects:,}"),
    ]


def told(seconds: float) -> str:
    """In milliseconds, without the unit."""
    return f"{seconds * 1000:,.0f}" if seconds >= 0.1 else f"{seconds * 1000:.1f}"


def _latencies(summary: Summary) -> Table:
    table = Table(title="milliseconds", title_justify="left", box=None)
    table.add_column("")
    for name in ("number", *COLUMNS):
        table.add_column(name, justify="right")
    for row in latencies(summary):
        table.add_row(*row)
    return table


def _counts(summary: Summary) -> Table:
    table = Table("", box=None, show_header=False)
    table.add_column("", justify="right")
    for row in counts(summary):
        table.add_row(*row)
    return table


def _promises(summary: Summary) -> Table:
    table = Table("", "of each accepted order", "", title_justify="left", box=None)
    broken = {violation.name for violation in summary.violations}
    for name, sentence in PROMISES:
        table.add_row("[red]✗[/]" if name in broken else "[green]✓[/]", name, sentence)
    return table
