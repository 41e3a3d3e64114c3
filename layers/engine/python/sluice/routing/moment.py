"""What routing finds out about one snapshot: the same for every order of a batch."""

from sluice.markets.snapshot import LivePool, Snapshot
from sluice.routing.ask import spot_price
from sluice.routing.pairs import SOL, USDC, pair_of
from sluice.routing.route import Routed, Wanted
from sluice.routing.split import Asked
from sluice.venues.base import Address, SwapKind


class Moment:
    """A snapshot, and what its pools have answered so far.

    `routed` holds the orders that are routed: those that ask for the same get the same.
    """

    def __init__(self, snapshot: Snapshot, leg_cost_lamports: int) -> None:
        """`leg_cost_lamports` is what each swap of a route costs its owner on chain."""
        self.snapshot = snapshot
        self.routed: dict[Wanted, Routed] = {}
        self._leg_cost_lamports = leg_cost_lamports
        self._asked: dict[tuple[Address, Address, SwapKind], tuple[Asked, ...]] = {}
        self._prices: dict[Address, int] = {}
        self._leg_costs: dict[Address, int] = {}

    def asked(self, token_in: Address, token_out: Address, kind: SwapKind) -> tuple[Asked, ...]:
        """The pools of two tokens, for one direction and kind of swap."""
        way = token_in, token_out, kind
        if way not in self._asked:
            pools = self.snapshot.pools(pair_of(token_in, token_out))
            self._asked[way] = tuple(Asked(pool, token_in, kind) for pool in pools)
        return self._asked[way]

    def price(self, live: LivePool) -> int:
        """The pool's `spot_price`."""
        address = live.listed.address
        if address not in self._prices:
            self._prices[address] = spot_price(live.pool)
        return self._prices[address]

    def leg_cost(self, token: Address) -> int:
        """What a leg costs in base units of `token`: by SOL's pools, or through USDC; else 0."""
        if token not in self._leg_costs:
            self._leg_costs[token] = self._leg_cost(token)
        return self._leg_costs[token]

    def _leg_cost(self, token: Address) -> int:
        lamports = self._leg_cost_lamports
        if token == SOL or not lamports:
            return lamports
        direct = self._worth(lamports, SOL, token)
        if direct is not None or token == USDC:
            return direct or 0
        dollars = self._worth(lamports, SOL, USDC)
        return (dollars and self._worth(dollars, USDC, token)) or 0

    def _worth(self, amount: int, token: Address, other: Address) -> int | None:
        """`amount` of one token in another, by the middle of their pools; None without any."""
        worths = sorted(
            amount * price >> 64 if live.pool.mints[0] == token else (amount << 64) // price
            for live in self.snapshot.pools(pair_of(token, other))
            if (price := self.price(live))
        )
        return worths[len(worths) // 2] if worths else None
