"""All parts in one table: every figure with its reference and its goal beside it."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from .compare import add_columns, cells

NOTES: Final = """\
ratio: how many times as good ours is. goal: that ratio at least, or ours at most. Where no \
reference ran, it cannot be told whether a ratio is met."""

Found = Mapping[str, Mapping[str, Any]]
"""What each part returned: the figures of the table in `rows`, or why it was `skipped`."""


def show(console: Console, found: Found) -> None:
    """Prints it, and what is missing from it."""
    table = Table(title="all parts", title_justify="left", box=None)
    table.add_column("part")
    table.add_column("measure")
    add_columns(table)
    for part, returned in found.items():
        for number, row in enumerate(returned.get("rows", ())):
            table.add_row("" if number else part, row["measure"], *cells(row))
    console.print(table)
    for part, returned in found.items():
        if "skipped" in returned:
            console.print(f"{part}: skipped, {returned['skipped']}", markup=False, soft_wrap=True)
    console.print(NOTES, soft_wrap=True)
    console.print(f"Missed: {', '.join(missed(found)) or 'none'}.", markup=False, soft_wrap=True)


def missed(found: Found) -> list[str]:
    """The measures that are not as good as wanted."""
    return [
        row["measure"]
        for returned in found.values()
        for row in returned.get("rows", ())
        if row["met"] is False
    ]
