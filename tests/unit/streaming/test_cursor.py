"""What clients are given as cursors, and what is made of what they send."""

import pytest

from sluice.streaming.cursor import BEGINNING, CursorInvalid, known, parsed, settled, written


@pytest.mark.parametrize("cursor", [BEGINNING, 0x3F2A, 2**64 - 1])
def test_a_cursor_is_read_as_it_was_written(cursor: int) -> None:
    assert parsed(written(cursor)) == cursor


def test_the_beginning_is_before_the_first_transaction_that_postgres_knows() -> None:
    assert parsed("0") == BEGINNING


@pytest.mark.parametrize("text", ["", "x", "-1", " 1", "1\n", "3F", "1" * 17])
def test_what_was_never_given_out_is_no_cursor(text: str) -> None:
    with pytest.raises(CursorInvalid):
        parsed(text)


def test_a_snapshot_settles_what_had_ended_and_knows_what_had_begun() -> None:
    snapshot = "90:100:90,95"

    assert settled(snapshot) == 90
    assert [known(cursor, snapshot) for cursor in (90, 100, 101)] == [True, True, False]
