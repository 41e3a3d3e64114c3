"""Moments as clients write them."""

import re
from datetime import UTC, datetime

EXAMPLE = "2026-11-24T12:00:00Z"

# Narrower than `fromisoformat`, which also takes week dates and times without an offset.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def moment(text: object) -> datetime:
    """A moment in UTC from ISO 8601 with an offset; raises ValueError."""
    if isinstance(text, str) and _MOMENT.fullmatch(text):
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"is no such moment: {error}") from error
    raise ValueError(f"must be a moment with an offset, such as {EXAMPLE}")
