"""Reading what users give: numbers, never code."""

from __future__ import annotations

from .errors import InputError

LARGEST = 1_000_000
"""Upper end of every size and setting: far beyond any network, and safe from absurd input."""


def whole(option: str, value: object, low: int = 1, high: int = LARGEST) -> int:
    """A whole number within bounds, from an int or its decimal digits.

    Raises:
        InputError: naming the option, the value and what is allowed.
    """
    text = str(value).strip()
    if isinstance(value, bool) or not text.isascii() or not text.isdecimal() or len(text) > 12:
        raise InputError(f"{option} {text[:40]!r}: must be a whole number from {low} to {high}")
    number = int(text)
    if not low <= number <= high:
        raise InputError(f"{option} {number}: must be a whole number from {low} to {high}")
    return number
