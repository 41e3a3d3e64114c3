"""The one way in which the laptop stack fails."""


class StackError(Exception):
    """One line for the developer: which part, what is wrong with it, what to do about it."""
