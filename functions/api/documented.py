"""How routes tell OpenAPI what FastAPI cannot see."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from .views import ErrorView


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """A route's body that is parsed by `json_object`, number by number, not by FastAPI."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def errors(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The errors that a route answers with."""
    return {int(status): {"model": ErrorView} for status in statuses}
