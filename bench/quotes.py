"""The same pools quoted with the official SDKs and with ours, in one run."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import geometric_mean, median
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from sluice.venues.base import VenueName
from sluice.venues.registry import VENUES

from . import sdks
from .cases import Case, cases_of, missing
from .compare import Row, rendered
from .depth import DEPTHS
from .node import NodeUnavailable
from .sdks import Answered
from .timing import first_micros, micros
from .unchanged import again_micros

GOAL: Final = 1.0
CPMM_GOAL: Final = 0.5
"""The SDK multiplies and divides once, in little more than a microsecond."""
DEEP: Final = {depth.name for depth in DEPTHS[VenueName.METEORA_DLMM] if depth.low >= 10}
DEEP_GOAL: Final = 4.0
MEAN_GOAL: Final = 3.0


@dataclass(frozen=True, slots=True)
class QuoteRow:
    """One venue and depth: medians in microseconds over its quotes."""

    venue: str
    depth: str
    quotes: int
    ours: float
    ours_first: float
    sdk: float

    @property
    def ratio(self) -> float:
        """How many of our quotes fit into one of the SDK's."""
        return self.sdk / self.ours


@dataclass(frozen=True, slots=True)
class DecodeRow:
    """One venue: medians in microseconds over its pools; `again` is what an unchanged one costs."""

    venue: str
    ours: float
    again: float
    sdk: float


def run(console: Console) -> dict[str, Any]:
    """Prints the tables, and what was left out of them; returns the same."""
    cases = [case for name in VENUES for case in cases_of(name)]
    with console.status("the official SDKs"):
        try:
            decodes, answers = sdks.ask(cases)
        except NodeUnavailable as error:
            console.print(f"quotes: skipped, {error}", markup=False)
            return {"skipped": str(error)}
    equal = [place for place, case in enumerate(cases) if _agrees(case, answers[place])]
    with console.status("our quotes"):
        rows = list(_quote_rows([(cases[place], answers[place]) for place in equal]))
        decoded = list(_decode_rows(cases, decodes))
    mean = geometric_mean(row.ratio for row in rows) if rows else None
    notes = [f"{name.value}: not registered, skipped" for name in missing()]
    notes += _differences(cases, answers)
    _show(console, rows, decoded, mean, notes)
    return {
        "rows": [rendered(row) for row in _summed(rows, decoded)],
        "quotes": [_rendered(row) for row in rows],
        "geometricMean": mean and round(mean, 2),
        "decode": [
            {
                "venue": row.venue,
                "oursMicros": round(row.ours, 2),
                "unchangedMicros": round(row.again, 2),
                "sdkMicros": round(row.sdk, 2),
            }
            for row in decoded
        ],
        "notes": notes,
    }


def _summed(rows: Sequence[QuoteRow], decoded: Sequence[DecodeRow]) -> Iterator[Row]:
    """What stands in the table of all parts, in microseconds."""
    for row in rows:
        name = f"quote {row.venue} {row.depth}".rstrip()
        yield Row(name, row.ours, row.sdk, _goal(row), less_is_better=True)
    if rows:
        ours, sdk = (
            geometric_mean(column)
            for column in zip(*((row.ours, row.sdk) for row in rows), strict=True)
        )
        yield Row("quotes, geometric mean", ours, sdk, MEAN_GOAL, less_is_better=True)
    for each in decoded:
        yield Row(f"decode {each.venue}", each.ours, each.sdk, less_is_better=True)


def _goal(row: QuoteRow) -> float:
    if row.venue == VenueName.METEORA_DLMM and row.depth in DEEP:
        return DEEP_GOAL
    return CPMM_GOAL if row.venue == VenueName.RAYDIUM_CPMM else GOAL


def _agrees(case: Case, answer: Answered) -> bool:
    return answer.amount_out == case.amount_out


def _quote_rows(pairs: Sequence[tuple[Case, Answered]]) -> Iterator[QuoteRow]:
    for (venue, depth), group in groupby(pairs, _row_of):
        timed = [(*_ours(case), answer.micros) for case, answer in group]
        warm, first, sdk = (median(column) for column in zip(*timed, strict=True))
        yield QuoteRow(venue, depth, len(timed), warm, first, sdk)


def _row_of(pair: tuple[Case, Answered]) -> tuple[str, str]:
    case = pair[0]
    return case.vector.venue.name.value, case.depth.name


def _ours(case: Case) -> tuple[float, float]:
    """A quote of a pool that has been quoted before, and the first of one just decoded."""
    pool = case.vector.decode()

    def first() -> Callable[[], object]:
        fresh = case.vector.decode()
        return lambda: fresh.quote(case.trade, case.clock)

    return micros(lambda: pool.quote(case.trade, case.clock)), first_micros(first)


def _decode_rows(cases: Sequence[Case], decodes: dict[str, float]) -> Iterator[DecodeRow]:
    for name, group in groupby(cases, lambda case: case.vector.venue.name.value):
        vectors = {str(case.vector): case.vector for case in group}
        sdk = [decodes[pool] for pool in vectors if pool in decodes]
        if sdk:
            ours = median(micros(vector.decode) for vector in vectors.values())
            yield DecodeRow(name, ours, again_micros(list(vectors.values())), median(sdk))


def _differences(cases: Sequence[Case], answers: dict[int, Answered]) -> list[str]:
    """The first of each pool's quotes that is not the same on both sides, and how many there are.

    None of them is in the table: what is not the same work is not compared.
    """
    found: dict[str, list[str]] = {}
    for place, case in enumerate(cases):
        answer = answers[place]
        if _agrees(case, answer):
            continue
        theirs = answer.error or f"pays {answer.amount_out}"
        found.setdefault(str(case.vector), []).append(
            f"{case.trade.amount} of {case.trade.input}: we pay {case.amount_out}, the SDK {theirs}"
        )
    return [
        f"{pool}: {len(lines)} quotes differ and are not timed; first {lines[0]}"
        for pool, lines in found.items()
    ]


def _rendered(row: QuoteRow) -> dict[str, Any]:
    return {
        "venue": row.venue,
        "depth": row.depth,
        "quotes": row.quotes,
        "oursMicros": round(row.ours, 2),
        "oursFirstMicros": round(row.ours_first, 2),
        "sdkMicros": round(row.sdk, 2),
        "ratio": round(row.ratio, 2),
    }


def _show(
    console: Console,
    rows: Sequence[QuoteRow],
    decoded: Sequence[DecodeRow],
    mean: float | None,
    notes: Sequence[str],
) -> None:
    table = _table("quote", ("venue", "depth"), ("quotes", "SDK", "ours", "ratio", "ours, first"))
    for row in rows:
        numbers = (
            f"{row.sdk:,.1f}",
            f"{row.ours:,.1f}",
            f"{row.ratio:.1f}",
            f"{row.ours_first:,.1f}",
        )
        table.add_row(row.venue, row.depth, str(row.quotes), *numbers)
    console.print(table)
    if mean:
        console.print(f"Geometric mean of the ratios: {mean:.1f}\n")
    table = _table("decode", ("venue",), ("SDK", "ours", "ratio", "unchanged"))
    for each in decoded:
        ratio = f"{each.sdk / each.ours:.1f}"
        table.add_row(
            each.venue, f"{each.sdk:,.1f}", f"{each.ours:,.1f}", ratio, f"{each.again:,.1f}"
        )
    console.print(table)
    console.print("unchanged: compared with what is known, and not decoded.\n")
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)


def _told(number: float) -> str:
    return f"{number:,.1f}"


def _table(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=f"{title}, median microseconds", title_justify="left", box=None)
    for name in words:
        table.add_column(name)
    for name in numbers:
        table.add_column(name, justify="right")
    return table
