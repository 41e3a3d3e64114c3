"""Parameters of path and query, read here: to have FastAPI read them costs each cold start all of
pydantic.v1, and schemas of what few requests have.
"""

from typing import TypeVar
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .errors import FieldFault, not_valid

Model = TypeVar("Model", bound=BaseModel)

_ID = "id"


def order_id_of(request: Request) -> UUID:
    """The order that the path names; raises `ApiError` where that is no UUID."""
    try:
        return UUID(request.path_params[_ID])
    except ValueError as error:
        raise not_valid([FieldFault(_ID, "must be a UUID")]) from error


def query_of(request: Request, model: type[Model]) -> Model:
    """The query as `model`, what stands there repeatedly as a list.

    Raises `ApiError` naming each faulty parameter.
    """
    asked: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        asked.setdefault(name, []).append(value)
    try:
        return model.model_validate(
            {name: values if len(values) > 1 else values[0] for name, values in asked.items()}
        )
    except ValidationError as error:
        faults = [_fault(fault) for fault in error.errors(include_url=False)]
        raise not_valid(faults) from error


def _fault(fault: ErrorDetails) -> FieldFault:
    # Where in a list it was is no part of a parameter's name.
    name = str(fault["loc"][0])
    if isinstance(fault["input"], list) and fault["type"] != "extra_forbidden":
        return FieldFault(name, "must be given once")
    return FieldFault(name, fault["msg"].removeprefix("Value error, "))
