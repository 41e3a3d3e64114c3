"""What the bench times, and what it says where it cannot; node itself is not asked here."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from bench import node, quotes, sdks, timing
from bench.cases import Case, cases_of
from bench.depth import DEPTHS
from bench.sdks import Answered
from sluice.venues.base import VenueName
from sluice.venues.registry import VENUES

pytestmark = pytest.mark.no_cover


@pytest.mark.parametrize("name", DEPTHS)
def test_every_depth_has_swaps_and_the_rows_keep_their_order(name: VenueName) -> None:
    found = list(dict.fromkeys(case.depth for case in cases_of(name)))
    assert found == list(DEPTHS[name])


@pytest.mark.parametrize("name", [name for name in VENUES if name not in DEPTHS])
def test_a_venue_without_depths_has_one_row(name: VenueName) -> None:
    assert len({case.depth for case in cases_of(name)}) == 1


def test_without_node_the_part_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(node, "INSTALLED", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert quotes.run(Console()) == {"skipped": "npm is not installed"}
    assert capsys.readouterr().out == "quotes: skipped, npm is not installed\n"


def test_an_answer_that_differs_is_told_and_not_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(cases: Sequence[Case]) -> tuple[dict[str, float], dict[int, Answered]]:
        answers = {
            place: Answered(case.amount_out, micros=100.0) for place, case in enumerate(cases)
        }
        answers[0] = Answered(cases[0].amount_out + 1, micros=100.0)
        answers[1] = Answered(error="no such pool")
        return {str(case.vector): 50.0 for case in cases}, answers

    monkeypatch.setattr(sdks, "ask", ask)
    monkeypatch.setattr(timing, "WARM_NANOSECONDS", 1)
    monkeypatch.setattr(timing, "BATCH_NANOSECONDS", 1)
    found = quotes.run(Console(width=160))
    timed = sum(row["quotes"] for row in found["quotes"])
    assert timed == sum(len(cases_of(name)) for name in VENUES) - 2
    assert {row["venue"] for row in found["decode"]} == {name.value for name in VENUES}
    assert found["geometricMean"] > 0
    told = capsys.readouterr().out
    assert f"we pay {cases_of(next(iter(VENUES)))[0].amount_out}, the SDK pays" in told
