"""What the routes work with, made from the environment when a call first needs it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sluice.config import ApiConfig
from sluice.markets.catalog import Catalog, catalog
from sluice.orders.queue import SqsOrderQueue
from sluice.secret import made_of
from sluice.streaming.accepted import AcceptedOrders
from sluice.streaming.door import Door
from sluice.streaming.line import Line

if TYPE_CHECKING:
    from sluice.markets.rpc import RpcAccounts
    from sluice.markets.snapshot import Market
    from sluice.orders.store import PostgresStore
    from sluice.routing.router import Router
    from sluice.streaming.publish import ValkeyPublisher
    from sluice.streaming.valkey import Valkey

    from .presenter import Presenter


@dataclass(frozen=True)
class Services:
    """One per process.

    Accepting needs neither Postgres nor redis-py nor the venues nor what is shown of orders, and
    does not import them.
    """

    config: ApiConfig

    @cached_property
    def catalog(self) -> Catalog:
        return catalog(self.config.MARKETS)

    @cached_property
    def queue(self) -> SqsOrderQueue:
        return SqsOrderQueue(self.config.ORDERS_QUEUE_URL, trace=self.config.trace)

    @cached_property
    def valkey(self) -> "Callable[[], Valkey]":
        from sluice.streaming.valkey import connect

        return made_of(self.config.valkey_url, connect)

    @cached_property
    def line(self) -> Line:
        return Line(self.config.valkey_url)

    @cached_property
    def door(self) -> Door:
        config = self.config
        return Door(self.line, config.RATE_LIMIT_PER_SECOND, config.RATE_LIMIT_BURST)

    @cached_property
    def accepted(self) -> AcceptedOrders:
        return AcceptedOrders(self.line)

    @cached_property
    def publisher(self) -> "ValkeyPublisher":
        from sluice.streaming.publish import ValkeyPublisher

        return ValkeyPublisher(self.valkey)

    @cached_property
    def presenter(self) -> "Presenter":
        from .presenter import Presenter

        return Presenter(self.catalog)

    @cached_property
    def store(self) -> "PostgresStore":
        from sluice.orders.database import Database
        from sluice.orders.store import PostgresStore

        return PostgresStore(Database(self.config.database_url))

    @cached_property
    def rpcs(self) -> "Callable[[], list[RpcAccounts]]":
        from sluice.markets.live import rpcs
        from sluice.markets.rpc import Session

        session = Session()
        return made_of(self.config.rpc_url, lambda urls: rpcs(urls, session))

    @cached_property
    def market(self) -> "Market":
        from sluice.markets.live import live_market

        return live_market(self.catalog, self.config.rpc_url, self.config.VENUE_TIMEOUT_MS / 1000)

    @cached_property
    def router(self) -> "Router":
        from sluice.routing.router import Router

        return Router(self.catalog, self.config.LEG_COST_LAMPORTS)
