"""The routing part of the bench, with few runs: what it says, not how fast it is."""

import pytest
from rich.console import Console

from bench import routing


def test_every_number_of_pools_way_and_size_is_timed_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, count in {"SETS": 2, "WARM_RUNS": 1, "FIRST_RUNS": 1}.items():
        monkeypatch.setattr(routing, name, count)
    rows = routing.run(Console(width=160))["splits"]
    assert [(row["pools"], row["way"], row["sol"]) for row in rows] == [
        (pools, way, sol)
        for pools in (2, 6, 12)
        for way in ("sell", "buy")
        for sol in routing.SIZES
    ]
    assert all(0 < row["p50Millis"] <= row["p99Millis"] for row in rows)
    assert all(0 < row["firstP50Millis"] <= row["firstP99Millis"] for row in rows)
    assert all(row["gainBasisPoints"] >= 0 and row["timesSingleQuotes"] > 0 for row in rows)
    assert "sell 3,000 SOL" in capsys.readouterr().out
