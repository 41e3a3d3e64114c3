"""Faults under load: what `make chaos` does to a stack of its own, and what must hold then."""
