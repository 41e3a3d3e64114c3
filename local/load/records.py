"""What is noted of one order while the load runs. Times are seconds of the wall clock."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: when it was due, when it was sent and answered, and how."""

    number: int
    due: float
    sent: float
    answered: float
    status: int
    """Of HTTP; 0 where no answer came."""
    order_id: str | None = None
    error: str | None = None
    """What went wrong where no answer came, or what code the answer had."""

    @property
    def accepted(self) -> bool:
        """Whether the service has taken the order upon itself."""
        return self.order_id is not None

    @property
    def outcome(self) -> str:
        """What it is counted under."""
        status = str(self.status) if self.status else "none,"
        return f"{status} {self.error}" if self.error else status


@dataclass(frozen=True, slots=True)
class Heard:
    """One message of the WebSocket: a status change, and when it came."""

    order_id: str
    seq: int
    status: str
    at: float
    """When the service says that it happened."""
    heard: float

    @classmethod
    def of(cls, frame: dict[str, Any], heard: float) -> Self:
        """The message `frame` that came at `heard`; raises KeyError or ValueError for another."""
        at = datetime.fromisoformat(frame["at"]).timestamp()
        return cls(frame["orderId"], frame["seq"], frame["status"], at, heard)


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages the orders queue held, in flight and delayed ones included."""

    at: float
    messages: int
