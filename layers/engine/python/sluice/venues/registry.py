"""The pool types Sluice can quote, one module each."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sluice.venues import (
    meteora_damm_v1,
    meteora_damm_v2,
    meteora_dlmm,
    raydium_amm_v4,
    raydium_clmm,
    raydium_cpmm,
)
from sluice.venues.base import Venue, VenueName

VENUES: Final[Mapping[VenueName, Venue]] = MappingProxyType(
    {
        VenueName.RAYDIUM_AMM_V4: raydium_amm_v4.VENUE,
        VenueName.RAYDIUM_CPMM: raydium_cpmm.VENUE,
        VenueName.RAYDIUM_CLMM: raydium_clmm.VENUE,
        VenueName.METEORA_DLMM: meteora_dlmm.VENUE,
        VenueName.METEORA_DAMM_V2: meteora_damm_v2.VENUE,
        VenueName.METEORA_DAMM_V1: meteora_damm_v1.VENUE,
    }
)
