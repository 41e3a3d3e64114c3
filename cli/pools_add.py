"""`sluice pools add`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer

from sluice.errors import AccountInvalid
from sluice.markets.catalog import ListedPool
from sluice.markets.tokens import Token
from sluice.venues.addresses import address_of, raw_address
from sluice.venues.base import Address
from sluice.venues.token import decode_mint

from . import chain
from .markets import Market, MarketsFile, fields, place
from .options import AsJson, Markets, RpcUrl
from .output import MISUSED, fail, out, print_json

Entry = tuple[str, Mapping[str, str | int]]
"""The name of a list of the file, and what is added to it."""

QUOTES: Final = ("USDC", "USDT", "SOL")
"""What prices are told in, the first choice first, where the file has no such pair yet."""


def add(
    address: Annotated[str, typer.Argument(help="The pool's account.")],
    symbol: Annotated[
        list[str] | None,
        typer.Option(metavar="MINT=SYMBOL", help="Names a token that the file does not list yet."),
    ] = None,
    rpc_url: RpcUrl = None,
    markets: Markets = None,
    as_json: AsJson = False,
) -> None:
    """Looks a pool up on the chain and lists it in the markets file.

    The program that owns the account says which venue it is; it is added only if it can be decoded
    in full and both of its tokens are listed, or named with --symbol.

    Exits 0, 1 when the account is no pool that can be listed or is listed already, 2 when an
    argument is missing or wrong, or there is no RPC or no such markets file.
    """
    pool = _address(address)
    symbols = _symbols(symbol or [])
    where = place(rpc_url, markets)
    file = MarketsFile(where.markets)
    if any(listed.address == pool for listed in file.catalog.pools):
        fail(f"{pool}: listed in {file.path} already")
    venue = chain.venue_of(pool, chain.fetch(where.rpc_url, [pool])[pool])
    mints = _mints(where.rpc_url, file, ListedPool(frozenset(), venue.name, pool))
    tokens, new = _tokens(where.rpc_url, file, mints, symbols)
    for token in new:
        file.add_token(token)
    market = _market(file, tokens)
    entry: dict[str, str] = {"pair": market.name, "venue": venue.name.value, "address": pool}
    file.add_pool(entry)
    file.save()
    written: list[Entry] = [*(("tokens", fields(token)) for token in new), ("pools", entry)]
    if as_json:
        added = [{"list": kind, **values} for kind, values in written]
        print_json({"file": str(file.path), "added": added})
        return
    console = out()
    console.print(f"Added to {file.path}:", markup=False, soft_wrap=True)
    for kind, values in written:
        told = "  ".join(f"{name} {value}" for name, value in values.items())
        console.print(f"  {kind}: {told}", markup=False, soft_wrap=True)


def _address(text: str) -> Address:
    try:
        return address_of(raw_address(Address(text)))
    except ValueError:
        fail(f"{text}: no address of an account", MISUSED)


def _symbols(options: Sequence[str]) -> dict[Address, str]:
    named = {}
    for option in options:
        mint, _, symbol = option.partition("=")
        if not symbol or "/" in symbol:
            fail(f"--symbol {option}: expected MINT=SYMBOL, without a slash", MISUSED)
        named[_address(mint)] = symbol
    return named


def _mints(rpc_url: str, file: MarketsFile, pool: ListedPool) -> tuple[Address, Address]:
    """The pool's two mints, once all that quoting it takes has been fetched and decoded."""
    snapshot = chain.snapshot(rpc_url, file.catalog, [pool])
    if snapshot.dead:
        fail(f"{pool.address}: owned by {pool.venue}, but: {snapshot.dead[0].error}")
    return snapshot.live[0].pool.mints


def _tokens(
    rpc_url: str,
    file: MarketsFile,
    mints: tuple[Address, Address],
    symbols: Mapping[Address, str],
) -> tuple[list[Token], list[Token]]:
    """Both tokens, and those of them that the file does not list yet."""
    known = {token.mint: token for token in file.catalog.tokens}
    unknown = [mint for mint in mints if mint not in known]
    accounts = chain.fetch(rpc_url, unknown) if unknown else {}
    new: list[Token] = []
    for mint in unknown:
        try:
            decimals = decode_mint(accounts, mint).decimals
        except AccountInvalid as error:
            fail(str(error))
        symbol = symbols.get(mint)
        if symbol is None:
            fail(
                f"token {mint} ({decimals} decimals) is not listed: name it, "
                f"--symbol {mint}=SYMBOL",
                MISUSED,
            )
        if file.catalog.token(symbol) or any(token.symbol == symbol for token in new):
            fail(f"{symbol}: another token has that symbol", MISUSED)
        new.append(Token(symbol, mint, decimals))
    known |= {token.mint: token for token in new}
    return [known[mint] for mint in mints], new


def _market(file: MarketsFile, tokens: Sequence[Token]) -> Market:
    """The way round in which the file has the pair, or else by what prices are usually told in."""
    pair = frozenset(token.mint for token in tokens)
    for market in file.markets().values():
        if frozenset((market.base.mint, market.quote.mint)) == pair:
            return market
    first, second = tokens
    for symbol in QUOTES:
        if second.symbol == symbol:
            return Market(first, second)
        if first.symbol == symbol:
            return Market(second, first)
    return Market(first, second)
