"""How inputs are passed on: one by one, by name, or within lists, tuples and dictionaries.

``1,N,8;mask=1,N:bool`` is a tensor and a tensor by name. ``[1,4,H,W;1,6,H,W]`` is a list of two, ``(…;…)`` a tuple
and ``{x=1,N,8;y=1,N,6}`` a dictionary. ``8:number`` and ``H:number`` are whole numbers, ``none``, ``true`` and
``false`` what they are in Python, and ``()`` is a tensor without sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .shapes import InputShape, Point, parse_input, split_keyword

if TYPE_CHECKING:
    from ..counters.given import Arguments, TensorShape

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_NESTS: Mapping[str, Callable[[list[tuple[str, Any]]], Any]] = {
    "[": lambda parts: [value for _, value in parts],
    "(": lambda parts: tuple(value for _, value in parts),
    "{": dict,
}


@dataclass(frozen=True, slots=True)
class Nest:
    """A list, tuple or dictionary by its opening bracket; parts with their names, leaves by their numbers."""

    bracket: str
    parts: tuple[tuple[str, int | Nest], ...]

    def filled(self, leaves: Sequence[Any]) -> Any:
        """The nest with values in the place of its leaves."""
        return _NESTS[self.bracket]([(name, _filled(part, leaves)) for name, part in self.parts])


@dataclass(frozen=True, slots=True)
class Layout:
    """Arguments, each a number of a leaf or a nest; ``""`` is the name of those that are passed by position."""

    parts: tuple[tuple[str, int | Nest], ...]

    @property
    def is_flat(self) -> bool:
        """Whether every leaf is an argument of its own."""
        return not any(isinstance(part, Nest) for _, part in self.parts)

    def pack(self, leaves: Sequence[Any]) -> Arguments:
        """What a forward pass is called with."""
        values = [(name, _filled(part, leaves)) for name, part in self.parts]
        return tuple(value for name, value in values if not name), {name: value for name, value in values if name}

    def named(self, leaves: Sequence[InputShape]) -> Layout:
        """The same where leaves have got keywords."""
        return Layout(
            tuple((leaves[part].keyword if isinstance(part, int) else name, part) for name, part in self.parts)
        )

    def spelled(self, leaves: Sequence[InputShape]) -> str:
        """As a user writes it."""
        return ";".join(_spelled(name, part, leaves) for name, part in self.parts)


def flat(leaves: Sequence[InputShape]) -> Layout:
    """Every leaf an argument of its own."""
    return Layout(tuple((leaf.keyword, place) for place, leaf in enumerate(leaves)))


def parse_layout(text: str) -> tuple[tuple[InputShape, ...], Layout]:
    """Leaves in order, and where they go.

    Raises:
        InputError: naming what cannot be read and what is allowed.
    """
    if not text.strip():
        raise InputError("--input '': give a shape such as 1,3,H,W (letters are symbols) or 1,N:long")
    leaves: list[InputShape] = []
    parts = tuple(_parsed(part, leaves, 0) for part in _split(text))
    return tuple(leaves), Layout(parts)


def tensor_shapes(leaves: Sequence[InputShape], point: Point) -> list[TensorShape]:
    """The leaves at a point."""
    from ..counters.given import TensorShape

    return [TensorShape(leaf.at(point), leaf.dtype or "float32", leaf.keyword) for leaf in leaves]


def _parsed(text: str, leaves: list[InputShape], depth: int) -> tuple[str, int | Nest]:
    if depth > 8:
        raise InputError(f"--input {text.strip()[:60]!r}: more than 8 brackets within each other")
    keyword, rest = split_keyword(text)
    body = rest.strip()
    bracket = body[:1]
    if bracket in _CLOSING and body.endswith(_CLOSING[bracket]) and (bracket == "{" or ";" in body):
        inner = list(_split(body[1:-1]))
        if len(inner) > 1 and not inner[-1].strip():
            inner.pop()  # as in Python, a list of one ends in a separator
        parts = tuple(_parsed(part, leaves, depth + 1) for part in inner)
        names = [name for name, _ in parts]
        if bracket == "{" and not (all(names) and len(set(names)) == len(names)):
            said = "each part must have a name of its own, as in {x=1,N,8;y=1,N,6}"
            raise InputError(f"--input {body[:60]!r}: {said}")
        if bracket != "{" and any(names):
            raise InputError(f"--input {body[:60]!r}: only parts of {{…}} have names")
        return keyword, Nest(bracket, parts)
    leaves.append(parse_input(body, keyword))
    return keyword, len(leaves) - 1


def _split(text: str) -> Iterator[str]:
    """Parts between semicolons that stand in no bracket.

    Raises:
        InputError: a bracket that does not close.
    """
    open_, begin = [], 0
    for place, letter in enumerate(text):
        if letter in _CLOSING:
            open_.append(_CLOSING[letter])
        elif letter in _CLOSING.values():
            if not open_ or open_.pop() != letter:
                raise InputError(f"--input {text.strip()[:60]!r}: {letter!r} closes nothing")
        elif letter == ";" and not open_:
            yield text[begin:place]
            begin = place + 1
    if open_:
        raise InputError(f"--input {text.strip()[:60]!r}: {open_[-1]!r} is missing")
    yield text[begin:]


def _filled(part: int | Nest, leaves: Sequence[Any]) -> Any:
    return leaves[part] if isinstance(part, int) else part.filled(leaves)


def _spelled(name: str, part: int | Nest, leaves: Sequence[InputShape]) -> str:
    if isinstance(part, int):
        return str(leaves[part])
    inner = ";".join(_spelled(below, each, leaves) for below, each in part.parts)
    alone = ";" if len(part.parts) == 1 and part.bracket != "{" else ""
    keyword = f"{name}=" if name else ""
    return f"{keyword}{part.bracket}{inner}{alone}{_CLOSING[part.bracket]}"
