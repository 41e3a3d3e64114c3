"""Parameters of path and query, read here: to have FastAPI read them costs each cold start all of
pydantic.v1, and schemas of what few requests have.
"""

from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Path, Query, Request
from fastapi.params import Depends
from pydantic import BaseModel, ValidationError

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
        # Which of the repeated ones it was is no name of a parameter.
        faults = [
            FieldFault(str(fault["loc"][0]), fault["msg"].removeprefix("Value error, "))
            for fault in error.errors(include_url=False)
        ]
        raise not_valid(faults) from error


def documented_id() -> Depends:
    """Tells OpenAPI of the parameter that `order_id_of` reads."""

    def asks(order_id: Annotated[UUID, Path(alias=_ID)]) -> None: ...

    return Depends(asks)


def documented_query(model: type[BaseModel]) -> Depends:
    """Tells OpenAPI of the parameters that `query_of` reads."""

    def asks(query: Annotated[model, Query()]) -> None: ...  # type: ignore[valid-type]

    return Depends(asks)
