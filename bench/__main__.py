"""`python -m bench [part...]`: every part, or the named ones."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from local import machine
from local.home import Home, shown, write_json

from . import accept, imports, lag, package, quotes, routing, stream, summary, worker

Part = Callable[[Console], dict[str, Any]]

PARTS: Final[Mapping[str, Part]] = {
    "quotes": quotes.run,
    "routing": routing.run,
    "accept": accept.run,
    "worker": worker.run,
    "stream": stream.run,
    "lag": lag.run,
    "imports": imports.run,
    "package": package.run,
}
"""Each part prints what it finds, and returns the same for a program to read: among it `rows` as
`compare.rendered` makes them, which stand in the table of all parts."""

FILE: Final = Home().path / "bench.json"

FILE_WIDTH = 160


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Of: {', '.join(PARTS)}.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """Runs the parts one after the other; exits 2 for one that there is not."""
    unknown = set(parts or ()) - PARTS.keys()
    if unknown:
        sys.stderr.write(f"bench: no part {', '.join(unknown)}; there are: {', '.join(PARTS)}\n")
        raise typer.Exit(2)
    console = Console(
        highlight=False,
        quiet=as_json,
        width=None if sys.stdout.isatty() else FILE_WIDTH,
    )
    facts = machine.facts()
    found = {name: PARTS[name](console) for name in parts or PARTS}
    summary.show(console, found)
    FILE.parent.mkdir(exist_ok=True)
    write_json(FILE, {"facts": facts, "parts": found})
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        console.print(f"Written: {shown(FILE)}", markup=False)


if __name__ == "__main__":
    typer.run(main)
