"""Every swap that the deployed programs ran is quoted to the unit, and every refusal refused."""

import pytest

from sluice.errors import SwapRefused
from sluice.venues.base import Pool, VenueName
from sluice.venues.raydium_clmm import PoolDrained
from sluice.venues.registry import VENUES
from tests.unit.venues.vectors import Amounts, Observed, PoolVector, every_pool, load

SWAPS = {
    VenueName.RAYDIUM_AMM_V4: (830, 210),
    VenueName.RAYDIUM_CPMM: (2_175, 274),
    VenueName.RAYDIUM_CLMM: (2_456 + 1_824, 420),
    VenueName.METEORA_DLMM: (6_147, 480),
    VenueName.METEORA_DAMM_V2: (6_173, 650),
    VenueName.METEORA_DAMM_V1: (1_546, 160),
}
"""How many swaps there are of each venue: alone, and in chains."""

POOLS = pytest.mark.parametrize("vector", every_pool(), ids=str)


def quoted(pool: Pool, observed: Observed) -> Amounts | None:
    try:
        quote = pool.quote(observed.trade, observed.clock)
    except PoolDrained as drained:
        return (drained.amount_in, drained.amount_out) if observed.is_short else None
    except SwapRefused:
        return None
    return quote.amount_in, quote.amount_out


@POOLS
def test_each_swap_moves_what_the_program_moved(vector: PoolVector) -> None:
    pool = vector.decode()
    wrong = [
        (observed, answer)
        for observed in vector.cases
        if (answer := quoted(pool, observed)) != observed.moved
    ]
    assert not wrong, f"{len(wrong)} of {len(vector.cases)}, first {wrong[0]}"


@POOLS
def test_a_chain_of_swaps_carries_the_state_the_program_left(vector: PoolVector) -> None:
    pool = vector.decode()
    for step, observed in enumerate(vector.chain):
        quote, pool = pool.swap(observed.trade, observed.clock)
        assert (quote.amount_in, quote.amount_out) == observed.moved, f"step {step}"


@pytest.mark.no_cover
@POOLS
def test_a_chain_goes_on_from_the_accounts_it_was_written_to(vector: PoolVector) -> None:
    accounts = dict(vector.accounts)
    for step, observed in enumerate(vector.chain):
        pool = vector.venue.decode(vector.pool, accounts)
        quote, after = pool.swap(observed.trade, observed.clock)
        assert (quote.amount_in, quote.amount_out) == observed.moved, f"step {step}"
        accounts |= after.encode(accounts)
        assert vector.venue.decode(vector.pool, accounts) == after, f"step {step}"


@pytest.mark.parametrize("name", VENUES)
def test_the_vectors_are_all_there(name: VenueName) -> None:
    pools = load(name)
    swaps = sum(len(pool.cases) for pool in pools), sum(len(pool.chain) for pool in pools)
    assert swaps == SWAPS[name]
