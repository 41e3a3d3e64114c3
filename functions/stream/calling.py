"""Calling a relay of a shard. Where that fails, the schedule does it within a minute."""

import json

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sluice.observability import logger

# Whoever calls has something to do: a client that waits to be let in, or others to serve.
_IMPATIENT = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 2})


def call_relay(function: str, shard: int, source: str) -> bool:
    """Starts it and does not wait; whether it was called. Blocks for some seconds at most."""
    payload = json.dumps({"source": source, "shard": shard}).encode()
    try:
        boto3.client("lambda", config=_IMPATIENT).invoke(
            FunctionName=function, InvocationType="Event", Payload=payload
        )
    except (BotoCoreError, ClientError) as error:
        logger.error("no relay could be called", extra={"shard": shard}, exc_info=error)
        return False
    return True
