"""What Lambda tells a function of its invocation."""

from tests.http import Context


class Invocation(Context):
    """One with 20 seconds left, in full: the log names function and memory."""

    SECONDS = 20

    def __init__(self) -> None:
        super().__init__()
        self._invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:bench"
        self._memory_limit_in_mb = 1024

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return Invocation.SECONDS * 1000
