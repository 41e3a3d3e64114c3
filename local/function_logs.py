"""What the functions log: MiniStack keeps it in its CloudWatch, as AWS would."""

import boto3

from . import ministack
from .deploy import STACK_NAME

FUNCTIONS = (
    "api",
    "worker",
    "sweeper",
    "connections",
    "relay",
    "authorizer",
    "migrations",
    "keys",
)


def function_log(gateway: int, function: str) -> list[str]:
    """Every line of the function, oldest first."""
    logs = boto3.client(
        "logs",
        endpoint_url=ministack.url(gateway),
        aws_access_key_id=ministack.CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ministack.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=ministack.REGION,
    )
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{STACK_NAME}/{function}"
    )
    events = [event for page in pages for event in page["events"]]
    return [event["message"].rstrip() for event in sorted(events, key=lambda e: e["timestamp"])]
