"""The market of a process, over the RPCs that it was given."""

import time
from collections.abc import Callable, Sequence

from sluice.markets.accounts import SourceUnavailable
from sluice.markets.catalog import Catalog
from sluice.markets.rpc import RpcAccounts
from sluice.markets.snapshot import Market, unnoted
from sluice.markets.sources import FailoverSource, TogetherSource
from sluice.venues.base import VenueName
from sluice.venues.registry import VENUES


def rpcs(urls: str) -> list[RpcAccounts]:
    """The servers named in `urls`, separated by commas or blanks; the first is asked first."""
    return [RpcAccounts(url) for url in urls.replace(",", " ").split()]


async def require_healthy(servers: Sequence[RpcAccounts]) -> None:
    """Raises the last server's `SourceUnavailable` unless one of them calls itself healthy."""
    failure = SourceUnavailable("no RPC is configured")
    for server in servers:
        try:
            return await server.health()
        except SourceUnavailable as error:
            failure = error
    raise failure


def live_market(
    catalog: Catalog,
    urls: str,
    venue_timeout: float,
    monotonic: Callable[[], float] = time.monotonic,
    took: Callable[[VenueName, float], None] = unnoted,
) -> Market:
    """A market over `urls`; connects to nothing yet. `venue_timeout` is in seconds."""
    # Half of the time for a server that does not answer leaves as much for the next one.
    source = FailoverSource(rpcs(urls), seconds_each=venue_timeout / 2)
    together = TogetherSource(source)
    return Market(catalog, VENUES, together, venue_timeout, monotonic, took=took)
