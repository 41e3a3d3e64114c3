"""The throughput parts with few orders, end to end: what was done, not how fast."""

import shutil
from pathlib import Path

import pytest
from rich.console import Console

from bench import accept, compare, node, orders, plain, servers, worker
from bench.compare import Row
from sluice.markets.catalog import catalog
from sluice.orders.model import Side
from sluice.routing.router import SOL, USDC
from sluice.venues.registry import VENUES

ORDERS = 20
EACH = 2 * ORDERS
"""One round that is not counted, and one that is."""


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "ROUNDS", 1)
    monkeypatch.setattr(accept, "ORDERS", ORDERS)
    monkeypatch.setattr(accept, "WARM_ORDERS", ORDERS)
    monkeypatch.setattr(worker, "ORDERS", ORDERS)


@pytest.fixture
def without_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = shutil.which
    monkeypatch.setattr(node, "INSTALLED", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "npm" else found(name))


with_node = pytest.mark.skipif(
    not node.is_installed(plain.SCRIPTS), reason="`make bench` has not installed the reference"
)


@pytest.mark.integration
@with_node
def test_both_workers_bring_every_order_to_its_end() -> None:
    found = worker.run(Console(quiet=True))
    # Ours were measured both one batch after the other and in flight.
    assert found["statuses"] == {
        "ours": {"CONFIRMED": 2 * EACH},
        "reference": {"CONFIRMED": EACH},
    }
    assert all(row["ours"] > 0 and row["reference"] > 0 for row in found["rows"])
    assert found["rows"][0]["goal"] == 2


@pytest.mark.integration
@with_node
def test_both_accept_every_order() -> None:
    found = accept.run(Console(quiet=True))
    assert [row["goal"] for row in found["rows"]] == [1, 1, None, None, None]
    assert all(row["ours"] > 0 and row["reference"] > 0 for row in found["rows"])


@pytest.mark.integration
@pytest.mark.usefixtures("without_node")
def test_without_node_ours_is_measured_alone(capsys: pytest.CaptureFixture[str]) -> None:
    found = worker.run(Console(width=160))
    assert found["statuses"] == {"ours": {"CONFIRMED": 2 * EACH}}
    assert {row["reference"] for row in found["rows"]} == {None}
    assert "reference: skipped, npm is not installed\n" in capsys.readouterr().out


def test_the_six_pools_are_one_of_each_venue(tmp_path: Path) -> None:
    pools = catalog(servers.one_pool_a_venue(tmp_path)).pools
    assert {pool.pair for pool in pools} == {frozenset((SOL, USDC))}
    assert sorted(pool.venue for pool in pools) == sorted(VENUES)


def test_a_posted_order_and_a_queued_one_ask_for_the_same() -> None:
    for number in range(EACH):
        body, terms = orders.body(number), orders.terms(number)
        decimals = 6 if terms.side is Side.BUY else 9
        assert body["side"] == terms.side
        assert round(body["amount"] * 10**decimals) == terms.amount


@pytest.mark.parametrize(
    ("less_is_better", "ratio"), [(False, 0.5), (True, 2.0)], ids=["a rate", "a cost"]
)
def test_a_ratio_says_how_many_times_as_good_ours_is(less_is_better: bool, ratio: float) -> None:
    assert Row("it", 1.0, 2.0, less_is_better=less_is_better).ratio == ratio
