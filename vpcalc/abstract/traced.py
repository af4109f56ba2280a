"""Sizes that are a number and a symbol at once.

A description of a network decides by numbers (is this reshape a view, does the window fit) and is paid in
bytes. Run on ints it gives bytes. Run on :class:`Traced` sizes it takes the very same decisions, by their
values, and gives the closed form beside the number. So a form holds at the point where it was traced by
construction, and around it as far as the same tensors are copied, kept and freed.
"""

from __future__ import annotations

from typing import Any, Union

from ..algebra.polynomial import Polynomial, as_polynomial, symbol

Number = Union[int, "Traced"]


class Traced:
    """``value`` decides, ``form`` is carried along. Division is exact; a remainder is a plain int."""

    __slots__ = ("form", "value")

    def __init__(self, value: int, form: Polynomial) -> None:
        self.value = value
        self.form = form

    def __add__(self, other: Number) -> Traced:
        return Traced(self.value + value(other), self.form + form(other))

    __radd__ = __add__

    def __sub__(self, other: Number) -> Traced:
        return Traced(self.value - value(other), self.form - form(other))

    def __rsub__(self, other: Number) -> Traced:
        return Traced(value(other) - self.value, form(other) - self.form)

    def __neg__(self) -> Traced:
        return Traced(-self.value, -self.form)

    def __mul__(self, other: Number) -> Traced:
        return Traced(self.value * value(other), self.form * form(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Traced:
        quotient, rest = divmod(self.value, value(other))
        if rest:
            raise ValueError(f"{self} is not a multiple of {other}")
        return Traced(quotient, self.form / form(other))

    __floordiv__ = __truediv__

    def __mod__(self, other: Number) -> int:
        return self.value % value(other)

    def __rmod__(self, other: int) -> int:
        return other % self.value

    def __rfloordiv__(self, other: int) -> Traced:
        return Traced(other, as_polynomial(other)) / self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (int, Traced)) and self.value == value(other)

    def __lt__(self, other: Number) -> bool:
        return self.value < value(other)

    def __le__(self, other: Number) -> bool:
        return self.value <= value(other)

    def __gt__(self, other: Number) -> bool:
        return self.value > value(other)

    def __ge__(self, other: Number) -> bool:
        return self.value >= value(other)

    def __bool__(self) -> bool:
        return self.value != 0

    def __hash__(self) -> int:
        return hash(self.value)

    def __str__(self) -> str:
        return f"{self.form} = {self.value}"


def traced(name: str, number: int) -> Traced:
    """A symbol with the number that stands for it."""
    return Traced(number, symbol(name))


def value(number: Any) -> int:
    """The number, whichever it is."""
    return number.value if isinstance(number, Traced) else int(number)


def form(number: Any) -> Polynomial:
    """The closed form, whichever it is."""
    return number.form if isinstance(number, Traced) else as_polynomial(number)


def tiles(size: Any, tile: Any) -> Any:
    """How many tiles cover a size; where they do not fit, the form is that of sizes with the same remainder."""
    rest = -size % tile
    if rest and isinstance(tile, Traced):
        raise ValueError(f"{tile} does not divide {size}")
    return (size + rest) // tile


class UnrolledError(TypeError):
    """A loop runs as often as a symbol says: the form of one size says nothing about others."""


def count(number: Any) -> int:
    """A number of rounds.

    Raises:
        UnrolledError: it is a symbol.
    """
    if isinstance(number, Traced) and number.form.symbols:
        raise UnrolledError(f"as many rounds as {number.form}")
    return value(number)
