"""One house for all crash tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.home import Home

from .servers import House, house


@pytest.fixture(scope="package")
def crash_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(Home(Path(tmp_path_factory.mktemp("crash")))) as started:
        yield started
