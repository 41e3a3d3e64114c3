"""Calling the HTTP function as API Gateway does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import mangum.types
from aws_lambda_powertools.utilities.typing import LambdaContext
from fastapi import FastAPI
from mangum import Mangum

REQUEST_ID = "request-1"
ACCOUNT = "local"
SCOPES = "orders:read orders:write"


class Context(LambdaContext):
    """What Lambda tells of an invocation that has 20 seconds left, as a worker has."""

    def __init__(self) -> None:
        self._function_name = "function"
        self._aws_request_id = REQUEST_ID
        self._memory_limit_in_mb = 512
        self._invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:function"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 20_000


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


def http_event(
    method: str,
    path: str,
    body: str | bytes | None = None,
    account: str | None = ACCOUNT,
    headers: Mapping[str, str] | None = None,
    scopes: str = SCOPES,
) -> dict[str, Any]:
    """An event of API Gateway's payload format 2.0, as an authorizer lets it in; None: past one."""
    path, _, query = path.partition("?")
    context: dict[str, Any] = {
        "requestId": REQUEST_ID,
        "stage": "$default",
        "http": {
            "method": method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "test",
        },
    }
    if account is not None:
        context["authorizer"] = {"lambda": {"account": account, "scopes": scopes}}
    text = body.decode("latin-1") if isinstance(body, bytes) else body
    return {
        "version": "2.0",
        "routeKey": "ANY /{proxy+}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": "application/json", "host": "localhost", **(headers or {})},
        "requestContext": context,
        "body": text,
        "isBase64Encoded": False,
    }


def call(
    app: FastAPI,
    method: str,
    path: str,
    body: object = None,
    *,
    raw: str | None = None,
    account: str | None = ACCOUNT,
    headers: Mapping[str, str] | None = None,
    scopes: str = SCOPES,
) -> Answer:
    """The answer of `app` to a JSON `body`, or to `raw` text."""
    text = raw if raw is not None or body is None else json.dumps(body)
    event = http_event(method, path, text, account, headers, scopes)
    response = Mangum(app, lifespan="off")(event, cast("mangum.types.LambdaContext", Context()))
    content = response["body"]
    is_json = response["headers"].get("content-type") == "application/json"
    return Answer(
        response["statusCode"], response["headers"], json.loads(content) if is_json else content
    )
