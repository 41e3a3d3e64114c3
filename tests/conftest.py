"""What holds for tests of every kind."""

import os
from collections import Counter

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuses tests of one id: pytest-xdist would run one, and say nothing of the others."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        ids = Counter(item.nodeid for item in session.items)
        if twice := [id_ for id_, count in ids.items() if count > 1]:
            raise RuntimeError(f"more than one test has the id {', '.join(twice)}")
