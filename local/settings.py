"""What a stack is asked to be."""

import json
from dataclasses import dataclass, field

from .home import Home
from .ports import Ports

EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of `make up`; a stack with other ones is another stack."""

    ports: Ports = field(default_factory=Ports)
    backends: str = EMBEDDED
    rpc_url: str = ""
    """A real RPC; empty for the simulated market."""
    auth: bool = True
    """Whether callers have to say who they are."""

    @classmethod
    def read(cls, home: Home) -> "Settings | None":
        """Those of the stack that runs, or that was left behind."""
        try:
            saved = json.loads(home.settings.read_text())
        except FileNotFoundError:
            return None
        return cls(**saved | {"ports": Ports(**saved["ports"])})
