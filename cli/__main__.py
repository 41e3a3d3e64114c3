"""`python -m cli`."""

from .app import main

main()
