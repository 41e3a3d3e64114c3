"""The market of a process, over the RPCs that it was given."""

import time
from collections.abc import Callable, Sequence

from sluice.markets.accounts import SourceUnavailable
from sluice.markets.catalog import Catalog
from sluice.markets.rpc import RpcAccounts, Session
from sluice.markets.snapshot import Market, unnoted
from sluice.markets.sources import CurrentSource, FailoverSource, TogetherSource
from sluice.secret import made_of
from sluice.venues.base import VenueName
from sluice.venues.registry import VENUES


def rpcs(urls: str, session: Session | None = None) -> list[RpcAccounts]:
    """The servers named in `urls`, separated by commas or blanks; the first is asked first."""
    return [RpcAccounts(url, session) for url in urls.replace(",", " ").split()]


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
    urls: Callable[[], str],
    venue_timeout: float,
    monotonic: Callable[[], float] = time.monotonic,
    took: Callable[[VenueName, float], None] = unnoted,
) -> Market:
    """A market over the servers that `urls` tells each time; connects to nothing yet.

    `venue_timeout` is in seconds. Raises what `urls` does.
    """
    # One session, whichever the servers are: those of before may still be answering.
    session = Session()

    def servers(told: str) -> FailoverSource:
        # Half of the time for a server that does not answer leaves as much for the next one.
        return FailoverSource(rpcs(told, session), seconds_each=venue_timeout / 2)

    current = made_of(urls, servers)
    # Whoever may not know where they are shall hear it now, not from each quote.
    current()
    together = TogetherSource(CurrentSource(current))
    return Market(catalog, VENUES, together, venue_timeout, monotonic, took=took)
