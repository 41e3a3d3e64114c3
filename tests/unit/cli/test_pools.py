"""`sluice pools` against the simulated chain."""

import json
import shutil
import tomllib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

import sluice.markets
from cli import markets
from cli.app import app
from local.market.genesis import JUP, POOLS, SOL, USDC, CpmmSpec, address_of, genesis
from sluice.markets.catalog import catalog

SIMULATED = Path(sluice.markets.__path__[0]) / "simulated.toml"
DEEP = next(spec for spec in POOLS if isinstance(spec, CpmmSpec))
JUP_POOL = next(spec for spec in POOLS if spec.pair.base == JUP)

Add = Callable[..., tuple[int, str]]

BARE = f"""\
# What we trade.
[[tokens]]
symbol = "SOL" # wrapped
mint = "{SOL.mint}"
decimals = 9

[[tokens]]
symbol = "USDC"
mint = "{USDC.mint}"
decimals = 6

[[pools]]
pair = "SOL/USDC"
venue = "{DEEP.venue.value}"
address = "{address_of(DEEP)}" # deep
"""


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["pools", *arguments])
    return result.exit_code, result.output


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "markets.toml"
    path.write_text(BARE)
    return path


@pytest.fixture
def add(file: Path, rpc_url: str) -> Add:
    def add(*arguments: str) -> tuple[int, str]:
        return run("add", *arguments, "--markets", str(file), "--rpc-url", rpc_url)

    return add


def test_list_shows_every_pool_alive(rpc_url: str) -> None:
    code, output = run("list", "--markets", "simulated", "--rpc-url", rpc_url)
    assert code == 0, output
    for pool in catalog("simulated").pools:
        assert f"{pool.venue} {pool.address}" in " ".join(output.split())


def test_a_listed_price_depth_and_fee_are_those_of_the_pool(rpc_url: str) -> None:
    """A CPMM's depth at 1 % is 1 % of its reserve, less what the fee takes of that 1 %."""
    code, output = run("list", "--markets", "simulated", "--rpc-url", rpc_url, "--json")
    assert code == 0
    pool = next(pool for pool in json.loads(output) if pool["address"] == address_of(DEEP))
    assert pool["pair"] == "SOL/USDC"
    assert abs(Decimal(pool["midPrice"]) * 10**6 - DEEP.pair.price) <= 100
    assert pool["feeBps"] == f"{Decimal(DEEP.fee) / 100:.2f}"
    one_percent = Decimal(DEEP.depth) / 100
    room = 1 - Decimal(DEEP.fee) / 10_000
    assert abs(Decimal(pool["sellDepth"]) / (one_percent * room) - 1) < Decimal("0.02")
    assert abs(Decimal(pool["buyDepth"]) / (one_percent * room) - 1) < Decimal("0.02")
    assert pool["slot"] == 400_000_000


def test_a_pool_that_is_not_there_is_shown_dead_and_exits_1(file: Path, rpc_url: str) -> None:
    absent = "11111111111111111111111111111112"
    entry = f'\n[[pools]]\npair = "SOL/USDC"\nvenue = "METEORA_DLMM"\naddress = "{absent}"\n'
    file.write_text(BARE + entry)
    where = ("--markets", str(file), "--rpc-url", rpc_url)
    code, output = run("list", *where)
    assert code == 1
    assert f"✗ {absent}: " in output
    alive, dead = json.loads(run("list", *where, "--json")[1])
    assert "midPrice" in alive
    assert dead["error"]


def test_an_rpc_that_does_not_answer_leaves_every_pool_dead(file: Path) -> None:
    code, output = run("list", "--markets", str(file), "--rpc-url", "http://127.0.0.1:1")
    assert code == 1
    assert "ClientConnectorError" in output


def test_add_lists_a_pool_under_a_comment_kept(add: Add, file: Path) -> None:
    other = next(spec for spec in POOLS if spec.pair == DEEP.pair and spec.venue is not DEEP.venue)
    code, output = add(address_of(other))
    assert code == 0, output
    assert f"pools: pair SOL/USDC  venue {other.venue.value}  address {address_of(other)}" in output
    assert file.read_text() == BARE + (
        "\n[[pools]]\n"
        'pair = "SOL/USDC"\n'
        f'venue = "{other.venue.value}"\n'
        f'address = "{address_of(other)}"\n'
    )


def test_add_asks_for_the_symbol_of_a_token_it_does_not_know(add: Add, file: Path) -> None:
    code, output = add(address_of(JUP_POOL))
    assert code == 2
    assert output.startswith(f"sluice: token {JUP.mint} (6 decimals) is not listed")
    assert file.read_text() == BARE


def test_add_lists_a_named_token_with_the_decimals_of_its_mint(add: Add, file: Path) -> None:
    code, output = add(address_of(JUP_POOL), "--symbol", f"{JUP.mint}=JUP", "--json")
    assert code == 0, output
    written = json.loads(output)
    assert written["file"] == str(file)
    assert [entry["list"] for entry in written["added"]] == ["tokens", "pools"]
    content = tomllib.loads(file.read_text())
    assert content["tokens"][-1] == {"symbol": "JUP", "mint": JUP.mint, "decimals": 6}
    assert content["pools"][-1]["pair"] == "JUP/USDC"
    assert "decimals = 6\n\n[[pools]]" in file.read_text()
    assert "# wrapped" in file.read_text()


def test_what_was_added_is_listed(add: Add, file: Path, rpc_url: str) -> None:
    add(address_of(JUP_POOL), "--symbol", f"{JUP.mint}=JUP")
    code, output = run("list", "--markets", str(file), "--rpc-url", rpc_url)
    assert code == 0
    assert "JUP/USDC" in output


def test_a_pool_is_added_once(add: Add, file: Path) -> None:
    code, output = add(address_of(DEEP))
    assert code == 1
    assert "already" in output
    assert file.read_text() == BARE


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((SOL.mint,), 1, "which is no venue's program"),
        (("11111111111111111111111111111112",), 1, "no such account"),
        (("not-base58",), 2, "no address of an account"),
        ((address_of(JUP_POOL), "--symbol", "JUP"), 2, "expected MINT=SYMBOL"),
        ((address_of(JUP_POOL), "--symbol", f"{JUP.mint}=SOL"), 2, "another token"),
    ],
)
def test_what_cannot_be_added_is_told_in_one_line(
    add: Add, file: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    ended, output = add(*arguments)
    assert (ended, output.count("\n")) == (code, 1)
    assert told in output
    assert file.read_text() == BARE


def test_the_account_of_a_program_that_is_no_pool_cannot_be_added(add: Add) -> None:
    accounts = genesis()
    pool = accounts[address_of(DEEP)]
    config = next(
        address
        for address, account in accounts.items()
        if account.owner == pool.owner and len(account.data) < len(pool.data)
    )
    code, output = add(config)
    assert code == 1
    assert f"owned by {DEEP.venue}, but: " in output


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "stack.json"
    monkeypatch.setattr(markets, "STACK", path)
    monkeypatch.delenv("SOLANA_RPC_URL", raising=False)
    return path


def test_the_running_stack_is_asked_where_no_rpc_is_named(stack: Path, rpc_url: str) -> None:
    stack.write_text(json.dumps({"rpc": rpc_url}))
    code, output = run("list")
    assert code == 0
    assert address_of(DEEP) in output


def test_a_stack_that_reads_a_real_chain_has_the_markets_of_mainnet(stack: Path) -> None:
    stack.write_text(json.dumps({"rpc": "https://rpc.example/key"}))
    assert markets.place(None, None).markets.name == "mainnet.toml"


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_without_an_rpc_nothing_can_be_listed(stack: Path, content: str | None) -> None:
    if content is not None:
        stack.write_text(content)
    code, output = run("list")
    assert code == 2
    assert output.count("\n") == 1


@pytest.mark.parametrize("content", [None, "[", "tokens = 1\npools = 2\n", "tokens = []\n"])
def test_a_markets_file_that_is_none_exits_2(file: Path, rpc_url: str, content: str | None) -> None:
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    code, output = run("list", "--markets", str(file), "--rpc-url", rpc_url)
    assert code == 2
    assert output.startswith(f"sluice: {file}: ")
    assert output.count("\n") == 1


def test_the_engines_own_file_survives_being_read_and_written(tmp_path: Path) -> None:
    copy = tmp_path / "copy.toml"
    shutil.copy(SIMULATED, copy)
    markets.MarketsFile(copy).save()
    assert copy.read_text() == SIMULATED.read_text()
