"""Asking the RPC, once a command."""

import asyncio
from collections.abc import Collection

from sluice.markets.accounts import SourceUnavailable
from sluice.markets.catalog import Catalog, ListedPool
from sluice.markets.rpc import RpcAccounts
from sluice.markets.snapshot import Market, Snapshot
from sluice.venues.base import Account, Accounts, Address, Venue
from sluice.venues.registry import VENUES

from .output import fail

SECONDS = 15.0
"""A person waits this long; a public RPC may need several of them."""


def snapshot(rpc_url: str, catalog: Catalog, pools: Collection[ListedPool]) -> Snapshot:
    """The pools as they stand now, dead ones among them."""

    async def ask() -> Snapshot:
        source = RpcAccounts(rpc_url)
        try:
            return await Market(catalog, VENUES, source, SECONDS).of(pools, SECONDS)
        finally:
            await source.close()

    return asyncio.run(ask())


def fetch(rpc_url: str, addresses: Collection[Address]) -> Accounts:
    """Raw accounts; ends the command where they cannot be had."""

    async def ask() -> Accounts:
        source = RpcAccounts(rpc_url)
        try:
            async with asyncio.timeout(SECONDS):
                return (await source.fetch(addresses)).accounts
        finally:
            await source.close()

    try:
        return asyncio.run(ask())
    except SourceUnavailable as error:
        fail(f"the RPC at {rpc_url}: {error}")
    except TimeoutError:
        fail(f"the RPC at {rpc_url}: no answer within {SECONDS:g} s")


def venue_of(address: Address, account: Account | None) -> Venue:
    """The venue whose program owns the account; ends the command where there is none."""
    if account is None:
        fail(f"{address}: no such account")
    venue = next((venue for venue in VENUES.values() if venue.program == account.owner), None)
    if venue is None:
        fail(f"{address}: owned by {account.owner}, which is no venue's program")
    return venue
