"""What a user writes of a model's inputs and arguments: ``1,3,H,W`` and ``dim=C``.

Letters are symbols, whole numbers are themselves. Nothing is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import prod
from typing import Any, NamedTuple

from ..errors import InputError, unknown
from ..inputs import DTYPES, LITERALS, NUMBER, WHOLE, whole

Point = Mapping[str, int]
"""A value for each symbol."""

_SYMBOL = re.compile(r"[A-Za-z](?:_[A-Za-z0-9]{1,10})?")
_KEYWORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")
_WORDS: dict[str, object] = {"true": True, "false": False, "none": None}


class Kind(IntEnum):
    """What a symbol measures, which decides where it is first tried. The later kind wins where two apply."""

    BATCH = 1
    SEQUENCE = 2
    ARGUMENT = 3
    IMAGE = 4


class Multiple(NamedTuple):
    """A side that is so many times a symbol, or symbols: ``7*a``, ``h*w``, ``a*a``."""

    factor: int
    letters: tuple[str, ...]

    def __str__(self) -> str:
        return "*".join((*((str(self.factor),) if self.factor != 1 else ()), *self.letters))


Dim = int | str | Multiple
"""A side of an input: a number, a symbol, or a product of them."""


def side_at(dim: Dim, point: Mapping[str, Any]) -> Any:
    """A side where symbols have values."""
    if isinstance(dim, Multiple):
        return prod((point[letter] for letter in dim.letters), start=dim.factor)
    return point[dim] if isinstance(dim, str) else dim


def with_numbers(dim: Dim, values: Mapping[str, int]) -> Dim:
    """A side where some symbols have numbers."""
    if not isinstance(dim, Multiple):
        return values.get(dim, dim) if isinstance(dim, str) else dim
    left = tuple(letter for letter in dim.letters if letter not in values)
    factor = prod((values[letter] for letter in dim.letters if letter in values), start=dim.factor)
    return Multiple(factor, left) if left else factor


def letters_of(dim: Dim) -> tuple[str, ...]:
    """The symbols of a side, as often as they occur."""
    return dim.letters if isinstance(dim, Multiple) else (dim,) if isinstance(dim, str) else ()


@dataclass(frozen=True, slots=True)
class Letter:
    """An argument whose value is a symbol."""

    name: str


@dataclass(frozen=True, slots=True)
class InputShape:
    """One input: its dimensions (a name is a symbol), its element type (empty: float32), its keyword."""

    dims: tuple[Dim, ...]
    dtype: str = ""
    keyword: str = ""

    def at(self, point: Point) -> tuple[int, ...]:
        """The shape at a point."""
        return tuple(side_at(dim, point) for dim in self.dims)

    @property
    def letters(self) -> tuple[str, ...]:
        """The symbols of its sides, as often as they occur."""
        return tuple(letter for dim in self.dims for letter in letters_of(dim))

    @property
    def grid(self) -> tuple[int, ...]:
        """The places of height and width of an image: channels first, or last if those are a number."""
        if len(self.dims) < 4 or self.dtype in (*WHOLE, "bool"):
            return ()
        last = len(self.dims) - 1
        channels_last = len(self.dims) == 4 and letters_of(self.dims[1]) and isinstance(self.dims[3], int)
        return (1, 2) if channels_last else (last - 1, last)

    def __str__(self) -> str:
        keyword = f"{self.keyword}=" if self.keyword else ""
        if self.dtype in LITERALS:
            return keyword + self.dtype
        return keyword + (",".join(map(str, self.dims)) or "()") + (f":{self.dtype}" if self.dtype else "")


@dataclass(frozen=True, slots=True)
class Variable:
    """A symbol of the closed form. ``limit`` is the largest value that the model takes, where it says so.

    ``default`` is a value at which a model is known to be buildable, ``argument`` the factory's that has it.
    """

    name: str
    kind: Kind
    degree: int
    limit: int | None = None
    default: int | None = None
    argument: str = ""


def parse_inputs(text: str) -> tuple[InputShape, ...]:
    """``1,3,H,W``; several inputs apart by ``;``; ``1,N:long`` for integers; ``mask=1,N:bool`` by keyword.

    Raises:
        InputError: naming what cannot be read and what is allowed.
    """
    if not text.strip():
        raise InputError("--input '': give a shape such as 1,3,H,W (letters are symbols) or 1,N:long")
    found = []
    for part in text.split(";"):
        keyword, rest = split_keyword(part)
        found.append(parse_input(rest, keyword))
    return tuple(found)


def split_keyword(text: str) -> tuple[str, str]:
    """``mask=1,N:bool`` as ``mask`` and the rest.

    Raises:
        InputError: what stands before the sign is no name.
    """
    head = re.split(r"[(\[{]", text, maxsplit=1)[0]
    if "=" not in head:
        return "", text
    keyword, _, rest = text.partition("=")
    keyword = keyword.strip()
    if not _KEYWORD.fullmatch(keyword):
        raise InputError(f"--input {text.strip()[:60]!r}: the part before '=' must be the name of an input")
    return keyword, rest


def parse_input(text: str, keyword: str = "") -> InputShape:
    """One input without its keyword: ``1,N:long``, ``()``, ``H:number``, ``none``.

    Raises:
        InputError: naming what cannot be read and what is allowed.
    """
    if text.strip().lower() in LITERALS:
        return InputShape((), text.strip().lower(), keyword)
    shape, colon, dtype = text.partition(":")
    shape, dtype = shape.strip(), dtype.strip()
    if colon and dtype not in (*DTYPES, NUMBER):
        raise unknown("element type of --input", dtype, (*DTYPES, NUMBER))
    dims = [] if shape == "()" else [dim.strip() for dim in shape.strip("()[]").split(",")]
    if len(dims) > 8:
        raise InputError(f"--input {text.strip()[:60]!r}: {len(dims)} dimensions; must be at most 8")
    if dtype == NUMBER and len(dims) != 1:
        raise InputError(f"--input {text.strip()[:60]!r}: must be one whole number or symbol, such as H:number")
    return InputShape(tuple(_parse_dim(dim, text) for dim in dims), dtype, keyword)


def _parse_dim(dim: str, text: str) -> Dim:
    if _SYMBOL.fullmatch(dim):
        return dim
    if dim.isascii() and dim.isdecimal():
        return whole("--input", dim)
    if (product := _product(dim, "--input")) is not None:
        return product
    raise InputError(
        f"--input {text.strip()[:60]!r}: {dim[:20]!r} is neither a whole number nor a symbol (H, N, d_k) nor a "
        "product of these (7*a, h*w)"
    )


def _product(text: str, option: str) -> Multiple | None:
    """``7*a``, ``h*w``: a number first, if there is one."""
    factors = [part.strip() for part in text.split("*")]
    factor = whole(option, factors.pop(0)) if factors[0].isascii() and factors[0].isdecimal() else 1
    return Multiple(factor, tuple(factors)) if factors and all(map(_SYMBOL.fullmatch, factors)) else None


def is_symbol(text: str) -> bool:
    """Whether a text is a symbol, such as N or d_k."""
    return _SYMBOL.fullmatch(text) is not None


def read_argument(name: str, value: object) -> object:
    """An argument's value: a number, true, false, none, a symbol, a product, a list of those, or a word.

    Products are ``G*D``, ``2*D``; lists ``2,2,6,2``. A single letter is a symbol; in quotes it is a word.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if "," in text:
        return [read_argument(name, part) for part in text.strip("()[]").split(",") if part.strip()]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if re.fullmatch(r"-?[0-9]{1,12}", text):
        return int(text)
    if re.fullmatch(r"-?[0-9]{0,12}\.?[0-9]{1,12}(?:[eE]-?[0-9]{1,3})?", text):
        return float(text)
    if _SYMBOL.fullmatch(text):
        return Letter(text)
    return _product(text, f"--arg {name}") or text


def resolve(value: object, point: Point) -> Any:
    """An argument with its symbols replaced."""
    if isinstance(value, Letter):
        return point[value.name]
    if isinstance(value, Multiple):
        return side_at(value, point)
    return [resolve(part, point) for part in value] if isinstance(value, list) else value


def letters(value: object) -> list[str]:
    """The symbols of an argument."""
    if isinstance(value, Letter):
        return [value.name]
    if isinstance(value, Multiple):
        return list(value.letters)
    return [name for part in value for name in letters(part)] if isinstance(value, list) else []


def variables(
    inputs: Sequence[InputShape],
    arguments: Mapping[str, object],
    limits: Mapping[str, int] | None = None,
    defaults: Mapping[str, int] | None = None,
) -> tuple[Variable, ...]:
    """The symbols in order of appearance, with what each measures and how high its power may be.

    A product multiplies three sizes, so that a symbol which stands for one side of its input reaches its third
    power at most; one that stands for two (``1,3,S,S``) reaches its fourth where all pairs of S² tokens meet.
    """
    kinds: dict[str, Kind] = {}
    times: dict[str, int] = {}
    for shape in inputs:
        for place, dim in enumerate(shape.dims):
            for name in letters_of(dim):
                is_first = place == 0 and shape.dtype != NUMBER
                is_grid = place in shape.grid or len(letters_of(dim)) > 1  # h*w tokens are those of a grid
                kind = Kind.IMAGE if is_grid else Kind.BATCH if is_first else Kind.SEQUENCE
                kinds[name] = max(kinds.get(name, kind), kind)
                times[name] = max(times.get(name, 1), shape.letters.count(name))
    bound: dict[str, str] = {}
    for argument, value in arguments.items():
        for name in letters(value):
            kinds[name] = max(kinds.get(name, Kind.ARGUMENT), Kind.ARGUMENT)
            bound.setdefault(name, argument)

    def variable(name: str, kind: Kind) -> Variable:
        limit, default = (limits or {}).get(name), (defaults or {}).get(name)
        return Variable(name, kind, max(3, 2 * times.get(name, 1)), limit, default, bound.get(name, ""))

    return tuple(variable(name, kind) for name, kind in kinds.items())
