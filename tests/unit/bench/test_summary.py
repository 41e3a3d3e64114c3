"""The table of all parts."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import __main__ as bench
from bench import summary
from bench.compare import Row, rendered

FAST = Row("orders per second", 3_000.0, 1_000.0, goal=2)
SLOW = Row("ms of an order", 4.0, 2.0, goal=1, less_is_better=True)
ALONE = Row("ms of an import", 700.0, limit=600)
UNTOLD = Row("of what did not run", 1.0, None, goal=2)


def part(*rows: Row) -> dict[str, Any]:
    return {"rows": [rendered(row) for row in rows]}


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (FAST, True),
        (SLOW, False),
        (ALONE, False),
        (Row("in bounds", 600.0, limit=600), True),
        (UNTOLD, None),
        (Row("nothing wanted", 1.0, 2.0), None),
    ],
    ids=lambda each: each.measure if isinstance(each, Row) else "",
)
def test_a_goal_is_met_or_missed_or_cannot_be_told(row: Row, met: bool | None) -> None:
    assert row.met is met


def test_every_figure_stands_in_one_table_with_its_reference(
    capsys: pytest.CaptureFixture[str],
) -> None:
    summary.show(
        Console(width=160),
        {"one": part(FAST, SLOW), "other": part(ALONE, UNTOLD), "third": {"skipped": "no npm"}},
    )
    lines = capsys.readouterr().out.splitlines()
    cells = [line.split() for line in lines]
    assert ["one", *["orders", "per", "second", "3,000", "1,000", "3.00", "2", "x", "yes"]] in cells
    assert ["ms", "of", "an", "order", "4.00", "2.00", "0.50", "1", "x", "NO"] in cells
    assert ["other", *["ms", "of", "an", "import", "700", "-", "<=", "600", "NO"]] in cells
    assert "third: skipped, no npm" in lines
    assert lines[-1] == "Missed: ms of an order, ms of an import."


def test_each_part_is_told_in_the_document_and_no_other() -> None:
    document = (Path(__file__).parents[3] / "docs" / "performance.md").read_text()
    table = document.split("| part |")[1].split("\n\n")[0]

    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(bench.PARTS)


def test_the_parts_of_a_run_are_written_for_a_program_to_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parts: dict[str, Callable[[Console], dict[str, Any]]] = {
        "one": lambda _: part(FAST),
        "other": lambda _: part(SLOW, ALONE),
    }
    monkeypatch.setattr(bench, "PARTS", parts)
    monkeypatch.setattr(bench, "FILE", tmp_path / "made" / "bench.json")
    bench.main()
    written = json.loads((tmp_path / "made" / "bench.json").read_text())
    assert list(written["parts"]) == ["one", "other"]
    assert written["parts"]["other"]["rows"][1]["met"] is False
    assert written["facts"]["commit"]
