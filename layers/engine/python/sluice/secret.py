"""Secrets Manager through Powertools, which keeps what it was told for a while."""

import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from sluice.errors import SecretUnavailable
from sluice.observability import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

MAX_AGE_SECONDS = 300
PAUSE_SECONDS = 5.0
"""Between two askings in vain: a request that needs a secret twice shall not wait for it twice."""
PAUSE_OF_THE_KNOWING_SECONDS = 60.0
"""The same for whoever has been told before, and can do without."""

T = TypeVar("T")

_known: dict[str, str] = {}
"""What each secret was told to be the last time."""
_in_vain: dict[str, float] = {}
"""When a secret was last asked for in vain, in the monotonic clock's time."""


def made_of(where: Callable[[], str], make: Callable[[str], T]) -> Callable[[], T]:
    """Gives what `make` makes of what `where` tells, made anew when it tells something else.

    So a process that lives for hours goes where its secrets point now. Raises what both do.
    """
    made: list[tuple[str, T]] = []

    def current() -> T:
        told = where()
        if not made or made[0][0] != told:
            made[:] = [(told, make(told))]
        return made[0][1]

    return current


def secret_text(arn: str, *, fresh: bool = False) -> str:
    """The text of a secret, five minutes old at most while Secrets Manager answers.

    While it does not, what it told last. `fresh`: as it is now, or nothing, for whoever found the
    last of no use. Takes 6 seconds at the longest, and so long once a minute at the most for who
    was told before. Raises `SecretUnavailable`, at once if it just did.
    """
    known = None if fresh else _known.get(arn)
    pause = PAUSE_SECONDS if known is None else PAUSE_OF_THE_KNOWING_SECONDS
    if time.monotonic() - _in_vain.get(arn, float("-inf")) < pause:
        if known is not None:
            return known
        raise SecretUnavailable("Secrets Manager did not answer a moment ago")
    # Imported here, as all that brings boto3: a function given plain URLs needs none of it.
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    try:
        told = str(_provider().get(arn, max_age=MAX_AGE_SECONDS, force_fetch=fresh))
    except GetParameterError as error:
        # Only its kind: the text names the secret, and whoever is told may not know that.
        kind = type(error.__cause__ or error.__context__ or error).__name__
        _in_vain[arn] = time.monotonic()
        logger.error("secret not readable", extra={"secret": arn, "why": kind})
        if known is not None:
            return known
        raise SecretUnavailable(f"Secrets Manager did not answer: {kind}") from error
    _known[arn] = told
    return told


@cache
def _provider() -> "SecretsProvider":
    from aws_lambda_powertools.utilities.parameters import SecretsProvider
    from botocore.config import Config

    patience = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
    return SecretsProvider(boto_config=patience)
