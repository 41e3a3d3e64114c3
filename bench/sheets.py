"""Tables that are printed here and kept in the documents."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

_FIGURE: Final = re.compile(r"[\d.,]+( %| m?s)?")


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of text; a column of nothing but figures stands to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def show(self, console: Console) -> None:
        """Prints it."""
        table = Table(title=self.title, title_justify="left", box=box.SIMPLE_HEAD)
        for place, column in enumerate(self.columns):
            table.add_column(column, justify="right" if self._figures(place) else "left")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)

    def markdown(self) -> str:
        """As it stands in a document."""
        rule = ["---:" if self._figures(place) else "---" for place in range(len(self.columns))]
        lines = (self.columns, rule, *self.rows)
        return f"{self.title}:\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def _figures(self, place: int) -> bool:
        return all(_FIGURE.fullmatch(row[place]) for row in self.rows)


def filled(document: str, sheets: Mapping[str, Sheet]) -> str:
    """The document with each sheet between its marks: `<!-- name -->` and `<!-- end of name -->`.

    Raises `KeyError` when it has not both marks of one.
    """
    for name, sheet in sheets.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        before, *after = pattern.split(document)
        if len(after) != 1:
            raise KeyError(name)
        document = f"{before}{begin}\n{sheet.markdown()}\n{end}{after[0]}"
    return document
