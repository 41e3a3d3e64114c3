"""`sluice pools list`."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import typer
from rich.table import Table

from sluice.markets.snapshot import DeadPool, LivePool
from sluice.venues.base import Address

from . import chain
from .depth import Depth, depth_of
from .markets import Market, MarketsFile, place
from .options import AsJson, Markets, RpcUrl
from .output import FAILED, out, print_json

SIGNIFICANT_DIGITS = 7


@dataclass(frozen=True, slots=True)
class Row:
    """One listed pool, alive with what it shows, or dead with the reason."""

    market: Market
    state: LivePool | DeadPool
    depth: Depth | None

    @property
    def error(self) -> str | None:
        """Why there is nothing to show."""
        return self.state.error if isinstance(self.state, DeadPool) else None


def list_pools(rpc_url: RpcUrl = None, markets: Markets = None, as_json: AsJson = False) -> None:
    """Shows every listed pool with its price, depth and fee as they are now.

    The price is quote per base, without fees. Depth is how much base can be sold and bought before
    the price paid, fees included, is 1 % away from that. The fee is a small sale's.

    Exits 0, 1 when a pool could not be had, 2 when there is no RPC or no such markets file.
    """
    where = place(rpc_url, markets)
    file = MarketsFile(where.markets)
    snapshot = chain.snapshot(where.rpc_url, file.catalog, file.catalog.pools)
    rows = _rows(
        file.markets(), {pool.listed.address: pool for pool in snapshot.live + snapshot.dead}
    )
    if as_json:
        print_json([_rendered(row) for row in rows])
    else:
        _show(rows)
    if snapshot.dead:
        raise typer.Exit(FAILED)


def _rows(
    markets: Mapping[Address, Market], states: Mapping[Address, LivePool | DeadPool]
) -> list[Row]:
    rows = []
    for address, market in markets.items():
        state = states[address]
        depth = depth_of(state, market) if isinstance(state, LivePool) else None
        rows.append(Row(market, state, depth))
    return rows


def _rendered(row: Row) -> dict[str, Any]:
    listed = row.state.listed
    entry = {"pair": row.market.name, "venue": listed.venue.value, "address": listed.address}
    if isinstance(row.state, DeadPool) or row.depth is None:
        return entry | {"error": row.error}
    base = row.market.base
    return entry | {
        "midPrice": _plain(row.depth.mid),
        "sellDepth": base.decimal(row.depth.sell),
        "buyDepth": base.decimal(row.depth.buy),
        "feeBps": None if row.depth.fee is None else _bps(row.depth.fee),
        "slot": row.state.slot,
    }


def _show(rows: list[Row]) -> None:
    table = Table(box=None)
    for name in ("pair", "venue", "pool"):
        table.add_column(name, no_wrap=True)
    for name in ("price", "sell 1 %", "buy 1 %", "fee bps", "slot"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        listed = row.state.listed
        head = (row.market.name, listed.venue.value, listed.address)
        if isinstance(row.state, DeadPool) or row.depth is None:
            table.add_row(*head, "[red]dead[/]")
            continue
        table.add_row(
            *head,
            _plain(row.depth.mid),
            _amount(row.depth.sell, row.market),
            _amount(row.depth.buy, row.market),
            "" if row.depth.fee is None else _bps(row.depth.fee),
            f"{row.state.slot}",
        )
    console = out()
    console.print(table, soft_wrap=True)
    for row in rows:
        if row.error:
            console.print(
                f"✗ {row.state.listed.address}: {row.error}", markup=False, soft_wrap=True
            )


def _amount(units: int, market: Market) -> str:
    """Whole base tokens to look at, with three decimals."""
    thousandths = units * 1000 // 10**market.base.decimals
    return f"{thousandths // 1000:,}.{thousandths % 1000:03}"


def _bps(fee: Fraction) -> str:
    return _fixed(fee * 10_000, places=2)


def _plain(price: Fraction) -> str:
    """A plain decimal of a few significant digits."""
    if not price:
        return "0"
    places, least = 0, 10 ** (SIGNIFICANT_DIGITS - 1)
    while price * 10**places < least:
        places += 1
    return _fixed(price, places)


def _fixed(value: Fraction, places: int) -> str:
    units = round(value * 10**places)
    text = f"{units:0{places + 1}d}"
    return f"{text[:-places]}.{text[-places:]}" if places else text
