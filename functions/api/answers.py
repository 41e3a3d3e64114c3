"""The envelope of every answer that is no error."""

from http import HTTPStatus
from typing import Generic, Literal, TypeVar

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class View(BaseModel):
    """Base of what is sent."""

    # Most processes build few of them.
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, defer_build=True)


Data = TypeVar("Data")


class Success(View, Generic[Data]):
    """The envelope of every answer that is no error."""

    status: Literal["success"] = "success"
    message: str | None = None
    data: Data


class _Rendered(JSONResponse):
    """Of content that is JSON already."""

    def render(self, content: bytes) -> bytes:
        return content


def answer(
    view: View, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> JSONResponse:
    """`view` as the HTTP answer; a message that says nothing is left out."""
    silent = {"message"} if getattr(view, "message", None) is None else None
    content = view.model_dump_json(by_alias=True, exclude=silent)
    return _Rendered(content.encode(), status, headers)
