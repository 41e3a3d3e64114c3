"""How a function begins whose start or pauses somebody waits for.

Nothing that it imports is garbage, but Python looks for some again and again meanwhile: up to a
seventh of the imports' CPU. And ever after, each full look would go over all of it: 25 to 45 ms,
within which no order is accepted and no event delivered.
"""

import gc
from collections.abc import Callable
from importlib import import_module
from typing import Any

Handler = Callable[[dict[str, Any], Any], Any]


def handler_of(module: str) -> Handler:
    """The `handler` of a module that is imported now, and not looked through for garbage again.

    Raises what importing it does.
    """
    gc.disable()
    try:
        handler: Handler = import_module(module).handler
    finally:
        gc.freeze()
        gc.enable()
    return handler
