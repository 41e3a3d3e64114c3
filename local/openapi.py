"""`make openapi`: the OpenAPI document as the code has it, for docs/openapi.json."""

import json
import sys
from typing import NoReturn

from api.app import create_app


def document() -> str:
    """As text, which changes with the document alone."""
    return json.dumps(create_app(_no_services).openapi(), indent=2, ensure_ascii=False) + "\n"


def _no_services() -> NoReturn:
    raise AssertionError("the document needs none")


if __name__ == "__main__":
    sys.stdout.write(document())
