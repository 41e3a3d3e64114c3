"""What is posted: orders that follow from a seed, most of them plain, some of them trouble."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import Final

from sluice.markets.catalog import catalog
from sluice.orders.model import Side

Body = Mapping[str, object]

TOKENS: Final = {token.symbol: token for token in catalog("simulated").tokens}


class Kind(StrEnum):
    """What a client does with its order."""

    PLAIN = "posted with a key"
    UNKEYED = "posted without a key"
    TWICE = "posted twice under one key"
    HASTY = "hangs up before the answer"
    CONTRADICTED = "another body under its key"
    CANCELLED = "cancelled at once"
    EXPIRING = "expires within seconds"
    LIMITED = "has limits that the market hardly meets"


SHARES: Final = MappingProxyType(
    {
        Kind.PLAIN: 62,
        Kind.UNKEYED: 8,
        Kind.TWICE: 7,
        Kind.HASTY: 4,
        Kind.CONTRADICTED: 5,
        Kind.CANCELLED: 6,
        Kind.EXPIRING: 4,
        Kind.LIMITED: 4,
    }
)
"""Of a hundred orders. Few enough of each trouble that the load stays one of orders, and enough of
them that in a hundred orders each is seen."""

LATER_SECONDS: Final = (0, 0, 0, 8, 16)
"""How long after the first post a second one under the same key comes: at once as a rule, and
sometimes when Valkey has been emptied in between."""
EXPIRES_SECONDS: Final = (2, 3, 5)
"""Shorter than Postgres is away, longer than an order takes on a good day."""


@dataclass(frozen=True, slots=True)
class Trade:
    """What is traded: `least` to `most` base units of `token_in`."""

    side: Side
    token_in: str
    token_out: str
    least: int
    most: int


TRADES: Final = {
    Trade(Side.BUY, "USDC", "SOL", 1_000_000, 2_000_000_000): 45,
    Trade(Side.SELL, "SOL", "USDC", 10_000_000, 15_000_000_000): 45,
    # There is no pool of these two: it goes through USDC.
    Trade(Side.BUY, "JUP", "SOL", 1_000_000, 100_000_000): 10,
}
"""And how often, of a hundred."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One order of the plan; `amount` is what its body says, in base units of `token_in`."""

    kind: Kind
    key: str | None
    trade: Trade
    amount: int
    limits: Body
    expires_in: int = 0
    """Seconds from the first post, if it is EXPIRING."""
    later: int = 0
    """Seconds from the first post to the second, if there is one."""

    @property
    def token_in(self) -> str:
        """The mint."""
        return TOKENS[self.trade.token_in].mint

    def body(self, now: datetime) -> Body:
        """What is posted first, at `now`."""
        expiry = {}
        if self.kind is Kind.EXPIRING:
            expiry["expiresAt"] = (now + timedelta(seconds=self.expires_in)).isoformat()
        return {**self._body(self.amount), **self.limits, **expiry}

    @property
    def other_amount(self) -> int:
        """In base units of `token_in`: the amount of the other body."""
        return self.amount + 1

    def other_body(self) -> Body:
        """What is posted under the same key although it asks for something else."""
        return self._body(self.other_amount)

    def _body(self, amount: int) -> Body:
        trade = self.trade
        return {
            "type": "MARKET",
            "side": trade.side,
            "tokenIn": trade.token_in,
            "tokenOut": trade.token_out,
            "amount": TOKENS[trade.token_in].decimal(amount),
        }


def plan(count: int, seed: int) -> list[Planned]:
    """`count` orders; the same ones for the same seed."""
    random = Random(seed)
    kinds = random.choices(list(SHARES), list(SHARES.values()), k=count)
    return [_planned(random, kind, f"chaos-{seed}-{n}") for n, kind in enumerate(kinds)]


def _planned(random: Random, kind: Kind, key: str) -> Planned:
    (trade,) = random.choices(list(TRADES), list(TRADES.values()))
    return Planned(
        kind,
        None if kind is Kind.UNKEYED else key,
        trade,
        random.randint(trade.least, trade.most),
        _limits(random, trade.side) if kind is Kind.LIMITED else {},
        random.choice(EXPIRES_SECONDS),
        random.choice(LATER_SECONDS),
    )


def _limits(random: Random, side: Side) -> Body:
    hopeless = "0.000001" if side is Side.BUY else "1000000"
    choices: tuple[Body, ...] = (
        {"limitPrice": hopeless},
        {"minAmountOut": "1000000"},
        # Met as long as the pools stand still between the quote and the fill.
        {"slippageBps": 0},
    )
    return random.choice(choices)
