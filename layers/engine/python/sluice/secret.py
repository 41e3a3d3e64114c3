"""Secrets Manager through Powertools, which keeps what it was told for a while."""

import time
from functools import cache
from typing import TYPE_CHECKING

from sluice.errors import SecretUnavailable
from sluice.observability import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

MAX_AGE_SECONDS = 300
PAUSE_SECONDS = 5.0
"""Between two askings in vain: a request that needs a secret twice shall not wait for it twice."""

_in_vain: dict[str, float] = {}
"""When a secret was last asked for in vain, in the monotonic clock's time."""


def secret_text(arn: str, *, fresh: bool = False) -> str:
    """The text of a secret, at most five minutes old; `fresh`: as it is now.

    Takes 6 seconds at the longest. Raises `SecretUnavailable`, at once if it just did.
    """
    if time.monotonic() - _in_vain.get(arn, float("-inf")) < PAUSE_SECONDS:
        raise SecretUnavailable("Secrets Manager did not answer a moment ago")
    # Imported here, as all that brings boto3: a function given plain URLs needs none of it.
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    try:
        return str(_provider().get(arn, max_age=MAX_AGE_SECONDS, force_fetch=fresh))
    except GetParameterError as error:
        # Only its kind: the text names the secret, and whoever is told may not know that.
        kind = type(error.__cause__ or error.__context__ or error).__name__
        _in_vain[arn] = time.monotonic()
        logger.error("secret not readable", extra={"secret": arn, "why": kind})
        raise SecretUnavailable(f"Secrets Manager did not answer: {kind}") from error


@cache
def _provider() -> "SecretsProvider":
    from aws_lambda_powertools.utilities.parameters import SecretsProvider
    from botocore.config import Config

    patience = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
    return SecretsProvider(boto_config=patience)
