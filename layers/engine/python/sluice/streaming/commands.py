"""What a WebSocket client may say (`docs/asyncapi.yaml`)."""

import json
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from .cursor import Cursor, CursorInvalid, parsed
from .frames import StreamError

MESSAGE_BYTES: Final = 4096
"""As long may a message be."""
COMMANDS_PER_SECOND: Final = 10
COMMANDS_BURST: Final = 20
SUBSCRIPTIONS: Final = 100
"""So many orders may a connection follow, and so many may it have left out."""


class CommandInvalid(Exception):
    """A message that is no command of ours."""

    def __init__(self, code: StreamError, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ping(_Command):
    """Asks for a sign of life, and keeps the connection from idling."""

    action: Literal["ping"]


class Subscribe(_Command):
    """Asks for the events of an order behind `afterSeq`, or of the account since a cursor.

    Of neither: for those of the account from now on.
    """

    action: Literal["subscribe"]
    order_id: UUID | None = Field(default=None, alias="orderId")
    after_seq: int = Field(default=0, ge=0, le=2**31 - 1, strict=True, alias="afterSeq")
    after: str | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> "Subscribe":
        given = self.model_fields_set
        if "order_id" in given and "after" in given:
            raise ValueError("after: goes without orderId, which has afterSeq")
        if "after_seq" in given and "order_id" not in given:
            raise ValueError("afterSeq: goes with orderId")
        return self

    @property
    def cursor(self) -> Cursor | None:
        """Raises `CommandInvalid`."""
        try:
            return None if self.after is None else parsed(self.after)
        except CursorInvalid as error:
            message = "after: no cursor that was given out here"
            raise CommandInvalid(StreamError.CURSOR_INVALID, message) from error


class Unsubscribe(_Command):
    """Has the events of an order stop, or, of none, those of the account that are not asked for."""

    action: Literal["unsubscribe"]
    order_id: UUID | None = Field(default=None, alias="orderId")


Command = Ping | Subscribe | Unsubscribe

_ACTIONS: Final = ("ping", "subscribe", "unsubscribe")
_commands: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="action")])


def command_of(body: str) -> Command:
    """What a message asks for; raises `CommandInvalid`."""
    if len(body.encode(errors="replace")) > MESSAGE_BYTES:
        message = f"a message has at most {MESSAGE_BYTES} bytes"
        raise CommandInvalid(StreamError.MESSAGE_TOO_LARGE, message)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        message = "a command is a JSON object"
        raise CommandInvalid(StreamError.INVALID_JSON, message) from error
    if not isinstance(content, dict) or content.get("action") not in _ACTIONS:
        message = f"known actions: {', '.join(_ACTIONS)}"
        raise CommandInvalid(StreamError.UNKNOWN_ACTION, message)
    for name, value in content.items():
        if value is None:
            raise CommandInvalid(StreamError.INVALID_FIELD, f"{name}: null is no value of it")
    try:
        command = _commands.validate_python(content)
    except ValidationError as error:
        raise CommandInvalid(StreamError.INVALID_FIELD, _told(error)) from error
    if isinstance(command, Subscribe):
        _ = command.cursor
    return command


def _told(error: ValidationError) -> str:
    """The first fault, with its field named."""
    fault = error.errors(include_url=False, include_input=False)[0]
    message = fault["msg"].removeprefix("Value error, ")
    # The first place is the action.
    field = ".".join(map(str, fault["loc"][1:]))
    return f"{field}: {message}" if field else message
