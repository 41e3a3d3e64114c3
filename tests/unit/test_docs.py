"""What the documents say is so: the API's description, its errors, commands, targets and links."""

from pathlib import Path

from local import openapi

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_committed_openapi_document_is_that_of_the_code() -> None:
    assert (DOCS / "openapi.json").read_text() == openapi.document(), "run `make openapi`"
