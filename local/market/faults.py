"""What a real RPC does on a bad day, on demand, so that tests and people can see how it is borne.

curl -d '{"jsonrpc":"2.0","id":1,"method":"market_setFaults","params":[{"status":429}]}' URL
"""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

MAX_LAG_SLOTS = 100


class Faults(BaseModel):
    """What is wrong at the moment; `Faults()` is a good day."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )

    delay_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    """Every answer takes so much longer."""
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    """Answers have this HTTP status and nothing else."""
    retry_after: Annotated[int, Field(ge=0)] | None = None
    """The seconds in their Retry-After header."""
    lag_slots: Annotated[int, Field(ge=0, le=MAX_LAG_SLOTS)] = 0
    """Accounts are as they were so many slots ago."""
    drop: frozenset[str] = frozenset()
    """Addresses at which there is nothing."""


@dataclass
class Weather:
    """The faults of a running server."""

    faults: Faults = field(default_factory=Faults)
