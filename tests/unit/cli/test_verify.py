"""`sluice verify` tells right from wrong, and what it cannot read from both."""

import base64
import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.replay import replay
from cli.vectors import read
from sluice.venues.base import VenueName
from tests.unit.venues.vectors import Observed, PoolVector, load

Content = dict[str, Any]
CASES = 40


def swap_of(observed: Observed) -> Content:
    trade = observed.trade
    asked = {"input": trade.input, "kind": trade.kind.value, "amount": trade.amount}
    if observed.moved is None:
        return asked | {"error": "refused"}
    return asked | {"amountIn": observed.moved[0], "amountOut": observed.moved[1]}


def clock_of(observed: Observed) -> Content:
    clock = observed.clock
    return {"slot": clock.slot, "unixTimestamp": clock.unix_timestamp, "epoch": clock.epoch}


def content_of(vector: PoolVector) -> Content:
    accounts = {
        address: {"owner": account.owner, "data": base64.b64encode(account.data).decode()}
        for address, account in vector.accounts.items()
        if account is not None
    }
    pool = {
        "name": vector.name,
        "pool": vector.pool,
        "accounts": accounts,
        "cases": [
            {"clock": clock_of(observed), "swaps": [swap_of(observed)]}
            for observed in vector.cases[:CASES]
        ],
        "chain": [swap_of(step) | {"clock": clock_of(step)} for step in vector.chain],
    }
    return {"program": vector.venue.program, "pools": [pool]}


@pytest.fixture
def content() -> Content:
    return content_of(load(VenueName.RAYDIUM_CPMM)[0])


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Content], Path]:
    def write(content: Content) -> Path:
        path = tmp_path / "vectors.json.gz"
        path.write_bytes(gzip.compress(json.dumps(content).encode()))
        return path

    return write


Write = Callable[[Content], Path]


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["verify", *map(str, arguments)])
    return result.exit_code, result.output


def first_paid(swaps: list[Content]) -> Content:
    return next(swap for swap in swaps if swap.get("amountOut"))


def test_what_the_programs_paid_matches(content: Content, write: Write) -> None:
    code, output = run(write(content))
    swaps = CASES + len(content["pools"][0]["chain"])
    assert code == 0
    assert output.endswith(f"✓ {swaps} of {swaps} swaps of 1 pools match\n")


def test_json_has_one_entry_a_pool_and_counts_the_steps_of_its_chain(
    content: Content, write: Write
) -> None:
    path = write(content)
    code, output = run(path, path, "--json")
    assert code == 0
    first, second = json.loads(output)
    swaps = CASES + len(content["pools"][0]["chain"])
    assert first.pop("microsPerQuote") > 0
    assert first == {
        "file": str(path),
        "pool": content["pools"][0]["name"],
        "swaps": swaps,
        "matches": swaps,
        "firstMismatch": None,
    }
    assert second["matches"] == swaps


def test_one_unit_too_much_in_a_case_is_told_and_exits_1(content: Content, write: Write) -> None:
    swap = first_paid([case["swaps"][0] for case in content["pools"][0]["cases"]])
    swap["amountOut"] += 1
    path = write(content)
    code, output = run(path, "--json")
    (result,) = json.loads(output)
    assert code == 1
    assert result["matches"] == result["swaps"] - 1
    mismatch = result["firstMismatch"]
    assert mismatch["where"].startswith("case swap ")
    assert (mismatch["input"], mismatch["kind"]) == (swap["input"], swap["kind"])
    assert mismatch["amount"] == swap["amount"]
    assert mismatch["expected"] == f"in {swap['amountIn']}, out {swap['amountOut']}"
    assert mismatch["got"] == f"in {swap['amountIn']}, out {swap['amountOut'] - 1}"
    code, output = run(path)
    assert code == 1
    assert f"got {mismatch['got']}\n" in output


def test_a_chain_that_ends_elsewhere_is_a_mismatch(content: Content, write: Write) -> None:
    content["pools"][0]["chain"][-1]["amountIn"] += 1
    code, output = run(write(content), "--json")
    assert code == 1
    last = len(content["pools"][0]["chain"]) - 1
    assert json.loads(output)[0]["firstMismatch"]["where"] == f"chain step {last}"


def test_quoting_what_was_refused_is_a_mismatch(content: Content, write: Write) -> None:
    swap = first_paid([case["swaps"][0] for case in content["pools"][0]["cases"]])
    swap["error"] = "Slippage"
    code, output = run(write(content))
    assert code == 1
    assert "expected refused" in output


def test_refusing_what_was_paid_is_a_mismatch(content: Content, write: Write) -> None:
    pool = content["pools"][0]
    pool["accounts"].pop(next(address for address in pool["accounts"] if address != pool["pool"]))
    code, output = run(write(content), "--json")
    assert code == 1
    (result,) = json.loads(output)
    assert result["microsPerQuote"] is None
    assert "refused: " in result["firstMismatch"]["got"]


def test_a_step_of_a_chain_that_is_refused_leaves_the_state_as_it_is(
    content: Content, write: Write
) -> None:
    chain = content["pools"][0]["chain"]
    refused = {"error": "Zero", "input": chain[0]["input"], "kind": "exact_in", "amount": 0}
    chain.insert(1, {"clock": chain[0]["clock"], **refused})
    assert run(write(content))[0] == 0


def test_a_crash_is_a_mismatch_even_where_a_refusal_was_expected(
    content: Content, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    vector = read(write(content))[0]
    pool = vector.venue.decode(vector.address, vector.accounts)

    def crash(*_: object) -> None:
        raise ZeroDivisionError("by 0")

    monkeypatch.setattr(type(pool), "quote", crash)
    result = replay(vector)
    assert result.matches == 0
    assert result.first_mismatch is not None
    assert result.first_mismatch.got == "crashed: ZeroDivisionError: by 0"


def test_a_file_that_is_not_there_exits_2_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "nosuch.json.gz"
    assert run(path) == (2, f"sluice: {path}: No such file or directory\n")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not packed",
        gzip.compress(b"not json"),
        gzip.compress(b"[]"),
        gzip.compress(b'{"pools": []}'),
        gzip.compress(b'{"program": 1}')[:-9],
    ],
    ids=range(6),
)
def test_a_file_that_holds_no_vectors_exits_2_in_one_line(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "odd.json.gz"
    path.write_bytes(raw)
    code, output = run(path)
    assert code == 2
    assert output.startswith(f"sluice: {path}: ")
    assert output.count("\n") == 1


def test_an_unknown_venue_exits_2_in_one_line(content: Content, write: Write) -> None:
    content["program"] = "11111111111111111111111111111111"
    path = write(content)
    told = f"sluice: {path}: no venue here has the program {content['program']}\n"
    assert run(path) == (2, told)


def test_a_swap_that_ended_with_the_liquidity_matches_what_the_refusal_names(write: Write) -> None:
    vector = next(
        vector
        for vector in load(VenueName.RAYDIUM_CLMM)
        if any(observed.is_short for observed in vector.cases)
    )
    short = next(observed for observed in vector.cases if observed.is_short)
    content = content_of(replace(vector, cases=(short,), chain=()))
    code, output = run(write(content))
    assert code == 0
    assert "1 of them ended with the liquidity" in output
    content["pools"][0]["cases"][0]["swaps"][0]["amountOut"] -= 1
    assert run(write(content))[0] == 1
