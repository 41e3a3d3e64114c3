"""Liquidity providers who come and go, around what a pool began with."""

from dataclasses import replace
from math import isqrt
from random import Random
from typing import Final

from sluice.venues.base import Pool
from sluice.venues.raydium_amm_v4 import AmmV4Pool
from sluice.venues.raydium_cpmm import CpmmPool

from .genesis import PRICE_SCALE, PoolSpec

MILLION: Final = 1_000_000
LARGEST_MOVE: Final = 20_000
"""How much of a pool, in millionths, is added or withdrawn at once."""
PULL: Final = 20
"""A pool's depth is drawn back to where it began by one part in so many of the difference."""


def liquidity_moved(pool: Pool, spec: PoolSpec, rng: Random) -> Pool:
    """The pool after a deposit or a withdrawal at its price; only of pools with plain reserves."""
    if not isinstance(pool, CpmmPool | AmmV4Pool):
        return pool
    began = spec.depth * spec.pair.base.unit
    level = (
        isqrt(pool.reserves[0] * pool.reserves[1])
        * MILLION
        // isqrt(began * (began * spec.pair.fixed_price >> PRICE_SCALE))
    )
    moved = rng.randint(-LARGEST_MOVE, LARGEST_MOVE) + (MILLION - level) // PULL
    first, second = (
        vault + reserve * moved // MILLION
        for vault, reserve in zip(pool.vaults, pool.reserves, strict=True)
    )
    return replace(pool, vaults=(first, second))
