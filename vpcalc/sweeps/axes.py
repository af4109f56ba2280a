"""What is varied: values of a setting, a size or the batch, and the grid of all configurations in order.

h=14:224:7        14, 21 … 224: both ends, and a step that is 1 unless given
C=64,96,128:512:32
depths=2,2,6,2;2,2,18,2     lists stand apart by ';'
depths_3=2:24:2             one entry of a list, the first being 1
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from ..architectures.registry import spelled
from ..errors import InputError, unknown
from ..inputs import whole

OPTION = "--vary"

MOST_LISTED = 1_000_000
"""Values of one axis that are not one range."""

MOST_TYPED = 1_000
"""So many are looked at one by one: of more, those that stand twice count once."""


class Name(NamedTuple):
    """Something that may be varied: how one value is read, and what kind of values it has."""

    read: Callable[[Any], Any]
    kind: str
    """``whole`` numbers, ``list`` of such, or ``word`` for words and truths."""
    low: int = 1
    high: int = 0


@dataclass(frozen=True)
class Axis:
    """A name and its values in order."""

    name: str
    values: Sequence[Any]

    @property
    def numbers(self) -> bool:
        """Whether all values are whole numbers."""
        return isinstance(self.values, range) or all(type(value) is int for value in self.values)

    @property
    def sizes(self) -> bool:
        """Whether they are above 0, too, which a form may have as a letter."""
        return self.numbers and (self.values[0] if isinstance(self.values, range) else min(self.values)) > 0

    @property
    def texts(self) -> list[str]:
        """The values as they are written."""
        return [spelled(value) for value in self.values]

    def __str__(self) -> str:
        if isinstance(self.values, range):
            found = self.values
            return f"{self.name}={found[0]}:{found[-1]}:{found.step}"
        mark = ";" if any(isinstance(value, tuple) for value in self.values) else ","
        return f"{self.name}={mark.join(self.texts)}"


def read_axes(
    given: Mapping[str, object] | Iterable[str],
    names: Mapping[str, Name],
    option: str = OPTION,
    hint: Callable[[str, object], str] = lambda name, values: "",
) -> tuple[Axis, ...]:
    """``NAME=VALUES`` texts, or values by name, as axes; ``hint`` says more of a name that is not known.

    Raises:
        InputError: a name that is not known or stands twice, no values, or values that are not usable.
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else [_pair(text) for text in given]
    if not pairs:
        raise InputError(
            f"{option}: give what to vary, such as {option} {next(iter(names), 'C')}=64,96,128:512:32"
        )
    found: dict[str, Axis] = {}
    for name, values in pairs:
        if name not in names:
            raise unknown(f"{option}: name", name, names, hint=hint(name, values))
        if name in found:
            raise InputError(f"{option} {name}: is given twice; put all its values into one, apart by commas")
        found[name] = Axis(name, _values(f"{option} {name}", name, values, names[name]))
    return tuple(found.values())


def _pair(text: str) -> tuple[str, str]:
    name, equals, values = str(text).partition("=")
    if not equals or not name.strip():
        raise InputError(f"{OPTION} {str(text)[:40]!r}: must be NAME=VALUES, such as C=64,96,128:512:32")
    return name.strip(), values


def _values(option: str, name: str, given: object, known: Name) -> Sequence[Any]:
    if isinstance(given, range) and known.kind == "whole":
        return _range(option, given, known)
    if isinstance(given, str):
        pieces: list[Any] = [piece.strip() for piece in given.split(";" if known.kind == "list" else ",")]
    else:
        pieces = list(given) if isinstance(given, Iterable) else [given]
    if not any(str(piece) for piece in pieces):
        raise InputError(f"{option}={given}: no values; must be such as {name}=2:8 or {name}=2,4,8")
    if known.kind != "whole":
        try:
            return _once(option, [known.read(piece) for piece in pieces])
        except InputError as refused:  # of a setting, in the words of --set
            raise InputError(str(refused).replace(f"--set {name}", option, 1)) from None
    ranges = [_piece(option, piece, known) for piece in pieces]
    if len(ranges) == 1:
        return ranges[0]
    if sum(map(len, ranges)) > MOST_LISTED:
        raise InputError(f"{option}: more than {MOST_LISTED} values that are not one range")
    return _once(option, [value for each in ranges for value in each])


def _piece(option: str, piece: object, known: Name) -> range:
    """One number, or FROM:TO:STEP."""
    parts = str(piece).split(":")
    if len(parts) > 3:
        raise InputError(f"{option} {str(piece)[:40]!r}: must be a number or FROM:TO:STEP, such as 64:512:32")
    first, *others = (whole(option, part, known.low, known.high) for part in parts[:2])
    last, step = (others[0] if others else first), (whole(option, parts[2]) if len(parts) == 3 else 1)
    return _range(f"{option}={piece}", range(first, last + 1, step), known)


def _range(option: str, values: range, known: Name) -> range:
    if not values:
        raise InputError(f"{option}: is empty; FROM must be at most TO")
    if values.step < 0:
        values = values[::-1]
    for end in (values[0], values[-1]):
        whole(option, end, known.low, known.high)
    return range(values[0], values[-1] + 1, values.step)


def _once(option: str, values: list[Any]) -> tuple[Any, ...]:
    if len(values) > MOST_TYPED:
        return tuple(dict.fromkeys(values))
    for place, value in enumerate(values):
        if type(value) in (int, bool, str, tuple) and value in values[:place]:
            raise InputError(f"{option}: {spelled(value)} stands twice")
    return tuple(values)


# -- the grid -----------------------------------------------------------------------------------------------

Box = tuple[slice, ...]
"""A stretch of each axis."""


@dataclass(frozen=True)
class Grid:
    """All combinations of the values of some axes, in order: the last one runs first."""

    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def size(self) -> int:
        """How many configurations there are."""
        return prod(self.shape)

    def stride(self, about: int) -> int:
        """A number of configurations near ``about`` whose stretches are few boxes: whole trailing axes."""
        inner = 1
        for side in reversed(self.shape):
            if inner * side > about:
                return inner * max(1, about // inner)
            inner *= side
        return max(inner, 1)

    def boxes(self, start: int, stop: int) -> Iterator[Box]:
        """The configurations from ``start`` up to ``stop`` as boxes, in order."""
        return _boxes(self.shape, start, stop)


def _boxes(shape: tuple[int, ...], start: int, stop: int) -> Iterator[Box]:
    if start >= stop:
        return
    if len(shape) <= 1:
        yield (slice(start, stop),) if shape else ()
        return
    inner = prod(shape[1:])
    first, last = start // inner, (stop - 1) // inner
    if first == last:
        rest = _boxes(shape[1:], start - first * inner, stop - first * inner)
        yield from ((slice(first, first + 1), *box) for box in rest)
        return
    if start % inner:
        yield from _boxes(shape, start, (first + 1) * inner)
        first += 1
    end = stop // inner
    if first < end:
        yield (slice(first, end), *(slice(0, side) for side in shape[1:]))
    yield from _boxes(shape, max(end, first) * inner, stop)
