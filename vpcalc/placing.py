"""A module of the reader's on a grid of tokens: ``attn.py:X(dim=C,window=M)@1,hw,C``.

In brackets stand the arguments of its factory, after the sign the shape of its input, both in the symbols of the
grid. Nothing is evaluated, and nothing is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

from .errors import InputError, is_code, require_file_of

LAYOUT = "1,hw,C"
"""The shape of an input of which nothing is said: a sequence of the grid's tokens."""

TOKENS: Mapping[str, str] = {"hw": "h*w", "N": "h*w", "T": "h*w", "d": "C", "n": "C"}
"""The grid read as a sequence: its tokens and their channels."""

_SIDE = re.compile(r"(?:[0-9]+|[A-Za-z]|hw)(?:\*(?:[A-Za-z]|hw))*(?::[a-z0-9]+)?")


@dataclass(frozen=True, eq=False)
class Placed:
    """A target with the arguments of its factory and the shape of its input, as texts in the grid's symbols.

    ``target`` is a name, or in Python a module or a function that makes one. ``text`` is how it is written.
    """

    text: str
    target: object
    arguments: Mapping[str, object] = field(default_factory=dict)
    layout: str = LAYOUT

    @property
    def behind(self) -> str:
        """What is written behind the target."""
        return self.text.removeprefix(str(self.target))

    @property
    def name(self) -> str:
        """What it is called in a table: the factory's own name."""
        if isinstance(self.target, str):
            return self.target.rpartition(":")[2]
        return getattr(self.target, "__name__", type(self.target).__name__)


def is_placed(row: object) -> bool:
    """Whether a row is a module of the reader's, and not the id of a layer."""
    return not isinstance(row, str) or bool(re.search(r"[:(@]", row))


_BRACKETS = re.compile(r"(^|:)[^:/\\]*[(@]")
"""Brackets or a layout behind a name; a folder may have such signs in its own."""


def as_placed(target: object, option: str) -> Placed:
    """A target as a row, whatever it is: an id, code with or without brackets and a layout, an object.

    Raises:
        InputError: brackets that do not close, or an argument without a value.
    """
    if isinstance(target, str):
        return read_placed(target, option) if _BRACKETS.search(target) else Placed(target, target)
    if isinstance(target, Placed):
        return target
    found = Placed("", target)
    return Placed(found.name, target)


P = ParamSpec("P")
R = TypeVar("R")


def in_brackets(place: str, ours: str = "set", own: str = "args") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """An answer whose target may have its arguments in brackets and its shape behind @, as rows have them.

    Args:
        place: the parameter that is the target.
        ours: the parameter that has the settings of a layer or a model.
        own: the parameter that has the arguments of code.
    """

    def taking(ask: Callable[P, R]) -> Callable[P, R]:
        parameters = signature(ask)

        @wraps(ask)
        def answer(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = parameters.bind(*args, **kwargs)
            row = as_placed(bound.arguments.get(place, ""), "TARGET")
            require_file_of(row.target)
            if row.target is not bound.arguments.get(place, ""):
                bound.arguments |= {place: row.target, **_apart(row, bound.arguments, ours, own)}
            return ask(*bound.args, **bound.kwargs)

        return answer

    return taking


def _apart(row: Placed, given: Mapping[str, Any], ours: str, own: str) -> dict[str, Any]:
    """What stands in the brackets of a target and behind its @, by the parameters that have them elsewhere.

    Raises:
        InputError: one of them is given there, too; or a shape is that of a model of ours.
    """
    name, option = (own, "--arg") if is_code(row.target) else (ours, "--set")
    there = given.get(name) or {}
    for argument in row.arguments:
        if argument in there:
            raise InputError(f"{option} {argument}: stands in the brackets of {row.text}, too")
    own_words = {word: _lettered(value) for word, value in row.arguments.items()} if name == own else row.arguments
    found: dict[str, Any] = {name: {**own_words, **there}}
    if "@" not in row.behind:
        return found
    if not is_code(row.target):
        raise InputError(f"TARGET {row.text}: a shape behind @ is of code; {row.target} has options for its size")
    for size in ("input", "inputs", "tokens"):
        if given.get(size) is not None:
            raise InputError(f"--{size}: the input of {row.text} stands behind @; take one of the two away")
    return {**found, "input": _lettered(re.sub(r"\bhw\b", TOKENS["hw"], row.layout))}


def _lettered(value: object) -> object:
    """A size or a product with names of dimensions as the letters that they have in forms."""
    from .symbolic import SYMBOL_OF

    if not isinstance(value, str) or not re.fullmatch(r"[\w\s*,;:\[\]()]+", value):
        return value
    return re.sub(r"[A-Za-z]\w*", lambda word: SYMBOL_OF.get(word[0], word[0]), value)


def placed(target: object, layout: str = LAYOUT, **arguments: object) -> Placed:
    """A row of :func:`vpcalc.compare` from Python: a module, a function that makes one, or a target's name.

    Args:
        target: what derive takes.
        layout: the shape of its input in the grid's symbols: ``1,hw,C``, ``1,h,w,C`` or ``1,C,h,w``.
        arguments: of the factory; ``"C"`` is the grid's C.
    """
    found = Placed("", target, arguments, layout)
    given = ",".join(f"{name}={value}" for name, value in arguments.items())
    name = target if isinstance(target, str) else found.name
    return Placed(f"{name}({given})@{layout}", target, arguments, layout)


def split_rows(text: str) -> list[str]:
    """``msa,attn.py:X(dim=C)@1,hw,C,wmsa`` as three rows: the commas of brackets and of layouts part none."""
    rows: list[str] = []
    for piece in _pieces(text):
        if rows and "@" in rows[-1] and _SIDE.fullmatch(piece.partition(";")[0]):
            rows[-1] += f",{piece}"
        elif piece:
            rows.append(piece)
    return rows


def read_placed(text: str, option: str = "--rows") -> Placed:
    """One such row.

    Raises:
        InputError: brackets that do not close, an argument without a value, or nothing before them.
    """
    found = _BRACKETS.search(text)
    file, rest = (text[: found.start()], text[found.start() :]) if found else ("", text)
    before, at, layout = rest.partition("@")
    name, bracket, given = before.partition("(")
    target, given = (file + name).strip(), given.rstrip()
    if not target or (bracket and not given.endswith(")")):
        raise InputError(f"{option} {text!r}: must be TARGET(NAME=VALUE,…)@SHAPE, such as attn.py:X(dim=C)@1,hw,C")
    if at and not layout.strip():
        raise InputError(f"{option} {text!r}: give the shape of its input after @: {LAYOUT}, 1,h,w,C or 1,C,h,w")
    arguments: dict[str, object] = {}
    name = ""
    for pair in filter(None, _pieces(given[:-1])):
        if pair.isdecimal() and str(arguments.get(name, "")).replace(",", "").isdecimal():  # depths=2,2,6,2
            arguments[name] = f"{arguments[name]},{pair}"
            continue
        name, equals, value = pair.partition("=")
        if not equals or not name.strip().isidentifier() or not value.strip():
            raise InputError(
                f"{option} {text!r}: {pair!r} is no argument; must be NAME=VALUE, such as dim=C "
                "or, of a list, depths=[2,2,C,2]"
            )
        name = name.strip()
        arguments[name] = value.strip()
    return Placed(text, target, arguments, layout.strip() or LAYOUT)


def _pieces(text: str) -> Iterator[str]:
    """What commas outside of brackets and quotes part."""
    piece, depth, quote = "", 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        depth += (letter in "([") - (letter in ")]") if not quote else 0
        if letter == "," and depth <= 0 and not quote:
            yield piece.strip()
            piece = ""
        else:
            piece += letter
    yield piece.strip()
