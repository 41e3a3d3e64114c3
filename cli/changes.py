"""A status change of an order, as the WebSocket tells it and as the timeline has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.text import Text

from sluice.orders.model import OrderStatus

FINAL: Final = frozenset(status for status in OrderStatus if status.final)
STYLES: Final[Mapping[str, str]] = {
    OrderStatus.PENDING: "cyan",
    OrderStatus.ROUTING: "blue",
    OrderStatus.SUBMITTED: "yellow",
    OrderStatus.CONFIRMED: "green",
    OrderStatus.FAILED: "red",
    OrderStatus.EXPIRED: "red",
    OrderStatus.CANCELLED: "magenta",
}
STATUS_WIDTH = max(map(len, OrderStatus))


@dataclass(frozen=True, slots=True)
class Change:
    """One status change; prices and amounts stay the strings that they came as."""

    order_id: str
    seq: int
    status: str
    at: str
    tx_hash: str | None = None
    execution_price: str | None = None
    venue: str | None = None
    reason: str | None = None

    @property
    def final(self) -> bool:
        """Whether nothing comes after it."""
        return self.status in FINAL

    @property
    def moment(self) -> datetime:
        """When it happened, by the service's clock."""
        return datetime.fromisoformat(self.at)

    def rendered(self) -> dict[str, Any]:
        """For a program to read, as the WebSocket tells it."""
        return {
            "orderId": self.order_id,
            "seq": self.seq,
            "status": self.status,
            "txHash": self.tx_hash,
            "executionPrice": self.execution_price,
            "venue": self.venue,
            "reason": self.reason,
            "at": self.at,
        }


def from_frame(frame: Mapping[str, Any]) -> Change | None:
    """What a message of the WebSocket tells; None when it tells of something else."""
    if frame.get("type") != "order":
        return None
    return Change(
        order_id=str(frame["orderId"]),
        seq=int(frame["seq"]),
        status=str(frame["status"]),
        at=str(frame["at"]),
        **_outcome(frame),
    )


def from_timeline(timeline: Mapping[str, Any]) -> list[Change]:
    """All of an order, in order."""
    return [
        Change(
            order_id=str(timeline["orderId"]),
            seq=int(event["seq"]),
            status=str(event["status"]),
            at=str(event["at"]),
            **_outcome(event["detail"]),
        )
        for event in timeline["events"]
    ]


def _outcome(told: Mapping[str, Any]) -> dict[str, str | None]:
    return {
        "tx_hash": told.get("txHash"),
        "execution_price": told.get("executionPrice"),
        "venue": told.get("venue"),
        "reason": told.get("reason"),
    }


def coloured(status: str) -> Text:
    """A status, as wide as the longest."""
    return Text(f"{status:<{STATUS_WIDTH}}", STYLES.get(status, ""))


def line(change: Change, began: datetime) -> Text:
    """A status change in one line, with the time since `began`."""
    millis = round((change.moment - began).total_seconds() * 1000)
    text = Text.assemble(f"{millis:>8,} ms  ", coloured(change.status))
    if change.reason is not None:
        text.append(f"  {change.reason}", "red")
    for told in (change.venue, change.execution_price, change.tx_hash):
        if told is not None:
            text.append(f"  {told}")
    return text
