"""The integer arithmetic of the Solana programs: unsigned, bounded, rounded on purpose."""

from typing import Final

U64_MAX: Final = 2**64 - 1
U32_MAX: Final = 2**32 - 1


def ceil_div(numerator: int, denominator: int) -> int:
    """`numerator / denominator` rounded up; both non-negative, `denominator` above zero."""
    return -(-numerator // denominator)
