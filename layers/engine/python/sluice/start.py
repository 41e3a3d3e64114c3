"""How a function begins: what it imports is no garbage, so none is looked for meanwhile.

That would be some hundredths of the CPU of the API's cold start. Afterwards Python looks for garbage as
ever, but not among what was imported.
"""

import gc
from collections.abc import Callable
from importlib import import_module
from typing import Any

Handler = Callable[[dict[str, Any], Any], Any]


def handler_of(module: str) -> Handler:
    """The `handler` of a module that is imported now."""
    gc.disable()
    try:
        handler: Handler = import_module(module).handler
    finally:
        gc.freeze()
        gc.enable()
    return handler
