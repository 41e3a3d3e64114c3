"""How a function begins."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.start import handler_of


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("begins_well", "begins_badly"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield tmp_path
    gc.unfreeze()


def test_no_garbage_is_looked_for_while_a_function_is_imported(modules: Path) -> None:
    lines = ("import gc", "looked = gc.isenabled()", "def handler(*_): return looked")
    (modules / "begins_well.py").write_text("\n".join(lines))

    handler = handler_of("begins_well")

    assert handler({}, None) is False


def test_what_was_imported_is_not_looked_through_again(modules: Path) -> None:
    (modules / "begins_well.py").write_text("kept = [[]]\ndef handler(*_): return kept")

    kept = handler_of("begins_well")({}, None)

    assert gc.isenabled()
    assert not any(each is kept for each in gc.get_objects())


def test_a_function_that_cannot_be_imported_says_so_and_garbage_is_looked_for_again(
    modules: Path,
) -> None:
    (modules / "begins_badly.py").write_text("raise LookupError('no such thing')")

    with pytest.raises(LookupError, match="no such thing"):
        handler_of("begins_badly")

    assert gc.isenabled()
