"""How routes tell OpenAPI what FastAPI cannot see."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from .views import ErrorView

Headers = Mapping[str, dict[str, Any]]
Responses = dict[int | str, dict[str, Any]]


def _seconds(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "integer", "minimum": 0}}


LOCATION: Headers = {"Location": {"description": "The order", "schema": {"type": "string"}}}
REPLAYED: Headers = {
    "Idempotent-Replayed": {
        "description": "The order of this key was accepted before",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
RATE_LIMIT: Headers = {
    "RateLimit-Limit": _seconds("How many requests an account may make at once"),
    "RateLimit-Remaining": _seconds("How many of them it may make right now"),
    "RateLimit-Reset": _seconds("Seconds until it may make all of them again"),
}
_CHALLENGE: Headers = {
    "WWW-Authenticate": {"description": "What is missing", "schema": {"type": "string"}}
}
_RETRY_AFTER: Headers = {"Retry-After": _seconds("Seconds")}
_TRIED_AGAIN = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """A route's body that is parsed by `json_object`, number by number, not by FastAPI."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def errors(*statuses: HTTPStatus, headers: Headers | None = None) -> Responses:
    """The errors that a route of an account answers with; `headers` are on each of `statuses`."""
    refused: Responses = {
        int(status): {"model": ErrorView, "headers": dict(_CHALLENGE)}
        for status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    }
    return refused | {
        int(status): {
            "model": ErrorView,
            "headers": {**(headers or {}), **(_RETRY_AFTER if status in _TRIED_AGAIN else {})},
        }
        for status in statuses
    }


def with_headers(status: HTTPStatus, headers: Headers) -> Responses:
    """The headers of the answer that is no error."""
    return {int(status): {"headers": dict(headers)}}


_BEARER = {"bearer": {"type": "http", "scheme": "bearer"}}
_GUARDED = "/api/"
"""What the authorizer stands before: the route `ANY /api/{proxy+}` of the template."""


class Documented(FastAPI):
    """Documents what `parameters.py` makes of faulty ones, not FastAPI's own 422, and who is
    asked for a token.

    What is for the documentation alone costs each cold start, and few ever ask for it: the
    application that `twin` makes, which serves nobody, has it.
    """

    twin: "Callable[[], Documented] | None" = None

    def about(self, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The options of a route that tell of its answers and its body."""
        return {} if self.twin else make()

    def openapi(self) -> dict[str, Any]:
        """As of all routes; made once."""
        if self.twin:
            self.openapi_schema = self.openapi_schema or self.twin().openapi()
            return self.openapi_schema
        document = super().openapi()
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["responses"].pop("422", None)
                if path.startswith(_GUARDED):
                    operation["security"] = [{"bearer": []}]
        document["components"]["securitySchemes"] = _BEARER
        for schema in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(schema, None)
        return document
