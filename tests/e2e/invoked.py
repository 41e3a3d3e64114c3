"""One invocation of a function of the template in a process of its own, as `sam local` makes one.

The event comes by standard input, the answer is the last line of standard output.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

from samcli.yamlhelper import parse_yaml_file

from tests.http import Context

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


def main(function: str) -> None:
    """Calls the handler that the template names for this logical id."""
    properties = parse_yaml_file(str(TEMPLATE))["Resources"][function]["Properties"]
    module, _, handler = properties["Handler"].rpartition(".")
    answer = getattr(import_module(module), handler)(json.load(sys.stdin), Context())
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
