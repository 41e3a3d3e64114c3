"""Every way Sluice says no, as closed enums.

Three vocabularies, kept apart on purpose: what a *client* is told, of the HTTP API or of
`functions/keys` (`ErrorCode`), why an *order* failed (`FailReason`), and why a *pool* will not take
a swap (`Refusal`).
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """What an HTTP client is told; mapped to a status in `functions/api/errors.py` only."""

    VALIDATION_FAILED = "VALIDATION_FAILED"
    UNAUTHORIZED = "UNAUTHORIZED"
    """No authorizer told who calls, or what it told is over."""
    FORBIDDEN = "FORBIDDEN"
    """The caller is known, and may not do this."""
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    """The key is that of another order."""
    ORDER_NOT_CANCELLABLE = "ORDER_NOT_CANCELLABLE"
    RATE_LIMITED = "RATE_LIMITED"
    QUEUE_UNAVAILABLE = "QUEUE_UNAVAILABLE"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"
    VALKEY_UNAVAILABLE = "VALKEY_UNAVAILABLE"
    INTERNAL = "INTERNAL"


class FailReason(StrEnum):
    """Why an order ended FAILED; the Postgres enum `fail_reason` holds the same names."""

    NO_ROUTE = "NO_ROUTE"
    INSUFFICIENT_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"
    SLIPPAGE_EXCEEDED = "SLIPPAGE_EXCEEDED"
    """The pools would pay less than slippageBps or minAmountOut allow."""
    PRICE_LIMIT = "PRICE_LIMIT"
    """The price is worse than limitPrice."""
    VENUES_UNAVAILABLE = "VENUES_UNAVAILABLE"
    """Venues could not be asked, time and again: no verdict on the market."""
    INTERNAL = "INTERNAL"
    """A fault of ours; nothing was filled."""


class Refusal(StrEnum):
    """Why a pool refuses a swap that it was asked to quote."""

    ZERO_AMOUNT = "ZERO_AMOUNT"
    """The amount is zero, or becomes zero after fees or rounding on either side."""
    INSUFFICIENT_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"
    """The pool cannot pay out, or take in, that much."""
    POOL_DISABLED = "POOL_DISABLED"
    """A status flag of the pool forbids swaps."""
    NOT_OPEN = "NOT_OPEN"
    """The pool's open time or activation point is still ahead of the chain clock."""
    OVERFLOW = "OVERFLOW"
    """The program's own integer arithmetic would overflow and abort the transaction."""
    WRONG_MINT = "WRONG_MINT"
    """The pool does not hold the token that the swap names."""
    ACCOUNTS_MISSING = "ACCOUNTS_MISSING"
    """The swap reaches accounts (bin arrays) that were not fetched; no exact answer is possible."""
    UNSUPPORTED = "UNSUPPORTED"
    """The pool uses a feature whose result cannot be computed exactly here."""
    BROKEN = "BROKEN"
    """Our own computation broke: what the pool would do is not known."""


class SwapRefused(Exception):
    """A pool refuses a swap; carries the closed `Refusal` and a sentence for people."""

    def __init__(self, refusal: Refusal, message: str = "") -> None:
        super().__init__(f"{refusal}: {message}" if message else refusal.value)
        self.refusal = refusal


class AccountInvalid(Exception):
    """A raw account is not what its venue expects: wrong owner, length or kind, or absent."""


class AccessRefused(Exception):
    """What a caller presents proves no account; the text is for the log, not for the caller."""


class WishInvalid(Exception):
    """What is asked of API keys cannot be done; names the field, never what stands in it."""


class IssuerUnavailable(Exception):
    """The issuer of tokens gave no keys: whether a token is good cannot be told."""


class SecretUnavailable(Exception):
    """Secrets Manager does not tell where something is, or by what password."""


class DatabaseUnavailable(Exception):
    """Postgres cannot be reached, or broke off: as far as known, nothing was committed."""


class StoreRefused(Exception):
    """Postgres will not store this, however often it is asked: one of a batch is at fault."""


class ValkeyUnavailable(Exception):
    """Valkey cannot be asked, where its answer alone would tell."""


class QueueUnavailable(Exception):
    """SQS did not take the message, or did not say so; the text is for the client."""

    def __init__(self, message: str, *, not_taken: bool = False) -> None:
        """`not_taken`: SQS surely has no message."""
        super().__init__(message)
        self.not_taken = not_taken
