"""Makes, lists and revokes API keys for whoever may invoke it: before it stands IAM alone.

It runs where Postgres can be reached, and is never told a key: only the hash of one.
"""

import asyncio
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.access.asking import List, done, read, told
from sluice.config import KeysConfig, load
from sluice.errors import DatabaseUnavailable, ErrorCode, StoreRefused, WishInvalid
from sluice.observability import logger

loop = asyncio.new_event_loop()


config = cache(lambda: load(KeysConfig))


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """The keys that were asked for or changed, or why not."""
    try:
        wish = read(event)
        keys = loop.run_until_complete(done(wish, config().database_url))
    except (WishInvalid, StoreRefused) as error:
        return {"error": ErrorCode.VALIDATION_FAILED, "message": str(error)}
    except DatabaseUnavailable as error:
        logger.warning("Postgres cannot be asked", exc_info=error)
        return {"error": ErrorCode.DATABASE_UNAVAILABLE, "message": f"Postgres: {error}"}
    if not isinstance(wish, List):
        for key in keys:
            # Who it was CloudTrail can tell; which key, this line alone.
            extra = {"did": type(wish).__name__, "key_id": str(key.id), "account": key.account}
            logger.info("key changed", extra=extra)
    return {"keys": [told(key) for key in keys]}
