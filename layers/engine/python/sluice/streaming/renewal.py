"""By when a relay that lives has renewed its lease, for whoever looks whether one does."""

from typing import Final

LEASE_SECONDS: Final = 5.0
MISSED_SECONDS: Final = 2.5
"""A lease that was not renewed for so long belongs to a relay that is dead, or about to be."""


def renewed_lately(left_ms: int) -> bool:
    """Whether a lease with so much time to live (PTTL; negative: none) is being renewed."""
    return left_ms > (LEASE_SECONDS - MISSED_SECONDS) * 1000
