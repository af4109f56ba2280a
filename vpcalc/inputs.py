"""Reading what users give: numbers, never code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .algebra.polynomial import Polynomial
from .algebra.traced import Traced, is_divided, quotient
from .dims import Dim
from .errors import InputError, unknown

LARGEST = 1_000_000
"""Upper end of every size and setting: far beyond any network, and safe from absurd input."""

MOST_SIZE = 1 << 20
"""The largest size that a range of sizes may reach to."""

WHOLE = ("long", "int", "int64", "int32", "int16", "int8")
"""Element types of indices and other whole numbers."""

DTYPES = (
    *("float", "double", "half", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    *WHOLE,
    *("uint8", "bool"),
)
"""Element types that an input may have."""

NUMBER = "number"
"""In their place: the input is no tensor but a whole number."""

LITERALS: Mapping[str, object] = {"none": None, "true": True, "false": False}
"""The same for inputs that are no tensors and no numbers."""


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


def read_ranges(
    given: Mapping[str, object], known: Sequence[str], highest: int = MOST_SIZE
) -> dict[str, tuple[int, int]]:
    """``{"H": "1:4096"}`` as numbers.

    Raises:
        InputError: a letter that is not known, or no two whole numbers in order.
    """
    found = {}
    for name, text in given.items():
        if name not in known:
            raise unknown("symbol of --range", name, known)
        low, colon, high = str(text).partition(":")
        if not colon:
            raise InputError(f"--range {name}={text}: must be FROM:TO, such as {name}=1:4096")
        first, last = (whole(f"--range {name}", end, high=highest) for end in (low, high))
        if first > last:
            raise InputError(f"--range {name}={text}: {first} is more than {last}")
        found[name] = (first, last)
    return found


@dataclass(frozen=True, slots=True)
class GridTerm:
    """A setting that depends on a grid: as it was given, and as a form of the sides h and w."""

    text: str
    form: Polynomial

    def __str__(self) -> str:
        return self.text


def grid_term(option: str, text: str) -> GridTerm:
    """An expression of the grid such as ``h/8`` or ``2*w``, refused where it is anything else.

    It is one term: a closed form divides by the window, and a polynomial can be divided by a single term only.

    Raises:
        InputError: it does not parse, is a sum, or uses other symbols than h and w.
    """
    from .algebra.parser import parse

    refusal = (
        f"{option} {text[:40]!r}: must be a whole number, or one term in the grid's sides h and w such as h/8"
    )
    try:
        form = parse(text)
    except InputError:
        raise InputError(refusal) from None
    if len(form.terms) != 1 or not form.symbols or form.symbols - {"h", "w"}:
        raise InputError(refusal)
    return GridTerm(text.strip(), form)


def on_grid(option: str, value: Dim | GridTerm, h: Dim, w: Dim) -> Dim:
    """A size as it is; a term of the grid at the grid h x w, where it has to be whole.

    Raises:
        InputError: it is no positive whole number there.
    """
    if not isinstance(value, GridTerm):
        return value
    grid = {"h": h, "w": w}
    if isinstance(h, Polynomial) or isinstance(w, Polynomial):
        return value.form.subs(grid)
    from .algebra.parser import parts_of

    above, below = (part.at(grid) for part in parts_of(value.form))
    traced = isinstance(above, Traced) or isinstance(below, Traced)
    if is_divided(above, below) and above >= below:
        return quotient(above, below) if traced else above // below
    from fractions import Fraction

    said = f"{above}/{below} on this grid" if traced else f"{Fraction(above, below)} on a grid of {h}x{w}"
    raise InputError(f"{option} {value}: is {said}; must be whole and positive on every grid")
