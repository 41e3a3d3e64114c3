"""What is printed at the end: what was done, what came of it, and whether all invariants hold."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from .checks import PROMISES
from .faults import Happened
from .invariants import INVARIANTS, Violation
from .ledger import Effort, Ending, Times


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. `seconds` are those of each phase, in order."""

    seconds: Mapping[str, float]
    kinds: Mapping[str, int]
    tally: Mapping[str, int]
    cut_off: int
    """Orders that this machine was too slow for."""
    happened: Sequence[Happened]
    endings: Sequence[Ending]
    effort: Effort
    times: Times | None
    others_executed: int
    """Second bodies under a key that a worker saw before the first."""
    unheard_of: int
    """Orders that no client knows of: their answers were lost."""
    events: int
    heard: int
    connects: int
    messages: Mapping[str, int]
    batches_lost: int
    """Batches of orders whose worker was killed over them."""
    violations: Sequence[Violation]


def show(report: Report, console: Console) -> None:
    """Prints the tables, and below them a line for each violation."""
    for table in (_done(report), _came_out(report), _holds(report)):
        console.print(table)
        console.print()
    for violation in report.violations:
        console.print(
            f"[red]✗ {violation.name}[/]: not true for {violation.count} that {violation.sentence}"
        )
        for order_id in violation.examples:
            console.print(f"    {order_id}", markup=False)
        if violation.detail:
            console.print(f"    {violation.detail}", markup=False, soft_wrap=True)


def _done(report: Report) -> Table:
    table = _table("What was done")
    for kind, count in report.kinds.items():
        table.add_row(kind, f"{count:,}")
    table.add_section()
    for what, count in report.tally.items():
        table.add_row(what, f"{count:,}")
    table.add_row("orders cut off by the end of the run", f"{report.cut_off:,}")
    table.add_section()
    for name, detail in _faults(report.happened):
        table.add_row(name, detail)
    return table


def _faults(happened: Sequence[Happened]) -> Iterator[tuple[str, str]]:
    """Each fault once: how often, when, for how long and with how many processes in all."""
    for name, times in Counter(each.name for each in happened).items():
        these = [each for each in happened if each.name == name]
        when = ", ".join(f"{each.at:.0f}" for each in these)
        total = described(sum(each.seconds for each in these), sum(each.killed for each in these))
        yield name, f"{times} time{'s' * (times > 1)}, at {when} s{total}"


def described(seconds: float, killed: int) -> str:
    """What there is to say of a fault beyond its name."""
    lasted = f", {seconds:.1f} s" if seconds else ""
    return lasted + (f", {killed} process{'es' * (killed != 1)}" if killed else "")


def _came_out(report: Report) -> Table:
    table = _table("What came of it")
    for ending in report.endings:
        name = ending.status if ending.reason is None else f"{ending.status} {ending.reason}"
        table.add_row(name, f"{ending.count:,}")
    table.add_section()
    table.add_row("batches whose worker was killed over them", f"{report.batches_lost:,}")
    table.add_row("claimed more than once", f"{report.effort.claimed_again:,}")
    table.add_row("routed in vain at least once", f"{report.effort.routed_again:,}")
    table.add_row("other bodies told apart by the worker", f"{report.effort.conflicts:,}")
    table.add_row("other bodies executed, the first on record", f"{report.others_executed:,}")
    table.add_row("accepted, but the answer was lost", f"{report.unheard_of:,}")
    for queue, count in report.messages.items():
        table.add_row(f"messages left in {queue}", f"{count:,}")
    if report.times:
        took = report.times
        times = f"{took.p50:.2f} s · {took.p99:.2f} s · {took.longest:.1f} s"
        table.add_row("accepted to final: p50 · p99 · longest", times)
    heard = f"{report.heard:,} of {report.events:,}, over {report.connects} connections"
    table.add_row("events heard at the WebSocket", heard)
    for phase, seconds in report.seconds.items():
        table.add_row(phase, f"{seconds:.0f} s")
    return table


def _holds(report: Report) -> Table:
    table = Table("", "invariant", "", title="What holds", title_justify="left", box=None)
    broken = {violation.name for violation in report.violations}
    for check in (*INVARIANTS, *PROMISES):
        mark = "[red]✗[/]" if check.name in broken else "[green]✓[/]"
        table.add_row(mark, check.name, check.sentence)
    return table


def _table(title: str) -> Table:
    return Table("", "", title=title, title_justify="left", box=None, show_header=False)
