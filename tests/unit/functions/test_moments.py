"""Moments as clients write them."""

from datetime import UTC, datetime

import pytest

from api.moments import moment


@pytest.mark.parametrize(
    ("text", "second", "microsecond"),
    [
        ("2026-11-23T12:00:07Z", 7, 0),
        ("2026-11-23T14:00:07+02:00", 7, 0),
        ("2026-11-23T00:30:07.25-11:30", 7, 250_000),
        ("2026-11-23T12:00:07.123456789Z", 7, 123_456),
    ],
)
def test_a_moment_is_read_with_its_offset(text: str, second: int, microsecond: int) -> None:
    assert moment(text) == datetime(2026, 11, 23, 12, 0, second, microsecond, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T12:00:00",
        "2026-11-23",
        "2026-11-23T12:00Z",
        "2026-11-23 12:00:00Z",
        "2026-11-23T12:00:00+0100",
        "2026-W48-1T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-11-23T24:00:01Z",
        "2026-11-23T12:00:00+25:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "٢026-11-23T12:00:00Z",
        "2026-11-23T12:00:00Z\n",
        "tomorrow",
        "",
        1_790_000_000,
        None,
        True,
        ["2026-11-23T12:00:00Z"],
    ],
)
def test_what_names_no_one_moment_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="moment"):
        moment(text)
