"""`python -m local`."""

from .cli import app

app(prog_name="python -m local")
