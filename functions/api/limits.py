"""What an account may ask for right now, as clients are told."""

from sluice.errors import ErrorCode
from sluice.streaming.door import Allowance

from .errors import ApiError


def headers(allowance: Allowance | None) -> dict[str, str]:
    """Goes with every answer to a request that took, or wanted, a token; empty without a limit."""
    if allowance is None:
        return {}
    return {
        "RateLimit-Limit": str(allowance.limit),
        "RateLimit-Remaining": str(allowance.remaining),
        "RateLimit-Reset": str(allowance.reset_seconds),
    }


def require(allowance: Allowance | None) -> None:
    """Raises `ApiError` when there was no token."""
    if allowance is not None and not allowance.allowed:
        seconds = allowance.retry_seconds
        raise ApiError(
            ErrorCode.RATE_LIMITED,
            f"Too many requests of this account: try again in {seconds} s.",
            headers=headers(allowance) | {"Retry-After": str(seconds)},
        )
