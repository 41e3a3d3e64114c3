"""The CloudFormation custom resource that migrates the database at each deploy."""

import json
from typing import Any

import urllib3
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.config import MigrationsConfig, load
from sluice.observability import logger
from sluice.orders.migrate import migrate

ANSWER_TIMEOUT_SECONDS = 30
REASON_LENGTH = 1000


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Migrates on Create and Update, keeps the data on Delete, and tells CloudFormation.

    Whatever happens CloudFormation is answered: it would wait an hour for an answer otherwise.
    """
    try:
        applied = (
            []
            if event["RequestType"] == "Delete"
            else migrate(load(MigrationsConfig).database_url())
        )
        answer = {"Status": "SUCCESS", "Data": {"Applied": ", ".join(applied)}}
        logger.info("migrated", extra={"applied": applied})
    except Exception as error:
        logger.exception("not migrated")
        reason = f"{type(error).__name__}: {error}"[:REASON_LENGTH]
        answer = {"Status": "FAILED", "Reason": reason}
    _answer(event, answer)
    return answer


def _answer(event: dict[str, Any], answer: dict[str, Any]) -> None:
    body = answer | {
        # One name for ever: a new one would have CloudFormation delete the resource of the old.
        "PhysicalResourceId": "sluice-migrations",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    response = urllib3.request(
        "PUT",
        event["ResponseURL"],
        body=json.dumps(body),
        # The presigned URL is signed for an empty content type.
        headers={"content-type": ""},
        timeout=ANSWER_TIMEOUT_SECONDS,
        retries=3,
    )
    logger.info("CloudFormation answered", extra={"http_status": response.status})
