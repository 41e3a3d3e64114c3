"""`sluice verify`: are our quotes what the programs paid out?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from .output import FAILED, MISUSED, err, fail, out, print_json
from .replay import Mismatch, Replay, replay
from .vectors import PoolVector, VectorsUnreadable, read


def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Vector files, .json.gz.")],
    as_json: Annotated[bool, typer.Option("--json", help="A list of results, one a pool.")] = False,
) -> None:
    """Replays recorded swaps and compares every amount to the unit.

    A swap that the program refused must be refused too, or come to nothing; of one that a price
    limit let end with the liquidity, the refusal must name what moved. A chain's state is
    carried on in the pool and, apart from that, through the accounts that it writes. The time is
    the median of the quotes that paid, without decoding.

    Exits 0 when every swap matches, 1 when one does not, 2 when a file cannot be read or is of
    a venue that is not known.
    """
    try:
        vectors = [vector for file in files for vector in read(file)]
    except VectorsUnreadable as error:
        fail(str(error), MISUSED)
    replays = _replay_all(vectors)
    if as_json:
        print_json([_rendered(done) for done in replays])
    else:
        _show(replays)
    if any(done.first_mismatch for done in replays):
        raise typer.Exit(FAILED)


def _replay_all(vectors: Sequence[PoolVector]) -> list[Replay]:
    console = err()
    total = sum(len(vector.cases) + len(vector.chain) for vector in vectors)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=total)
        replays = []
        for vector in vectors:
            progress.update(bar, description=f"{Path(vector.file).name} {vector.name}")
            replays.append(replay(vector, lambda: progress.advance(bar)))
    return replays


def _rendered(done: Replay) -> dict[str, Any]:
    return {
        "file": done.vector.file,
        "pool": done.vector.name,
        "swaps": done.swaps,
        "matches": done.matches,
        "microsPerQuote": done.micros_per_quote,
        "firstMismatch": done.first_mismatch and _facts(done.first_mismatch),
    }


def _facts(mismatch: Mismatch) -> dict[str, Any]:
    trade = mismatch.observed.trade
    return {
        "where": mismatch.where,
        "input": trade.input,
        "kind": trade.kind.value,
        "amount": trade.amount,
        "expected": _expected(mismatch),
        "got": mismatch.got,
    }


def _expected(mismatch: Mismatch) -> str:
    moved = mismatch.observed.moved
    return "refused" if moved is None else f"in {moved[0]}, out {moved[1]}"


def _show(replays: Sequence[Replay]) -> None:
    table = Table(box=None)
    for name in ("file", "pool"):
        table.add_column(name)
    for name in ("swaps", "matches", "µs/quote"):
        table.add_column(name, justify="right", no_wrap=True)
    for done in replays:
        micros = done.micros_per_quote
        table.add_row(
            Path(done.vector.file).name.removesuffix(".json.gz"),
            done.vector.name,
            f"{done.swaps:,}",
            f"{done.matches:,}" if done.first_mismatch is None else f"[red]{done.matches:,}[/]",
            "" if micros is None else f"{micros:.1f}",
        )
    console = out()
    console.print(table)
    for done in replays:
        if done.first_mismatch:
            facts = _facts(done.first_mismatch)
            line = "  ".join(f"{name} {fact}" for name, fact in facts.items() if name != "where")
            where = f"{Path(done.vector.file).name} {done.vector.name}, {facts['where']}"
            console.print(f"✗ {where}: {line}", markup=False, soft_wrap=True)
    swaps, matches = sum(done.swaps for done in replays), sum(done.matches for done in replays)
    sign = "[green]✓[/]" if matches == swaps else "[red]✗[/]"
    console.print(f"{sign} {matches:,} of {swaps:,} swaps of {len(replays)} pools match")
    if short := sum(done.short for done in replays):
        console.print(
            f"{short:,} of them ended with the liquidity: our quote refuses such a swap, and its "
            "refusal names the amounts",
            soft_wrap=True,
        )
