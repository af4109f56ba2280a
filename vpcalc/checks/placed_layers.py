"""A module of the reader's as a layer on one grid of tokens: its arguments and its input in the grid's symbols."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import InputError, is_code
from ..inputs import LITERALS
from ..placing import LAYOUT, TOKENS, Placed
from ..symbolic import SYMBOL_OF
from .ran import NotRunError, Ran, once
from .shapes import Letter, is_symbol, letters, read_argument
from .targets import Target, find_target, settled

GRID = ("h", "w")


class InLetters(NamedTuple):
    """A target, and the arguments of its factory as they were read."""

    target: Target
    arguments: Mapping[str, object]


def place(row: Placed, dims: Mapping[str, int]) -> Ran:
    """Run a row on a grid, its symbols bound to the grid's numbers.

    Args:
        row: what was asked for.
        dims: every dimension of the comparison by name, its batch among them.

    Raises:
        InputError: it cannot be built or executed, an argument is not bound, or it refuses this grid.
    """
    values = {SYMBOL_OF.get(name, name): size for name, size in dims.items() if name != "batch"}
    one = find_placed(row, "--rows", values).target
    used = {v.name for v in one.variables}
    point = {letter: size for letter, size in values.items() if letter in used}
    try:
        execution, program = once(one, point)
        batched = execution
        if dims.get("batch", 1) != 1:
            batched, program = once(find_placed(row, "--rows", values, dims["batch"]).target, point)
    except NotRunError as error:
        raise InputError(f"--rows {row.text}: {error}{_hint(row, values, str(error))}") from error
    return Ran(row.name, GRID, execution, batched, program)


def find_placed(row: Placed, option: str, values: Mapping[str, int] | None = None, batch: int = 1) -> InLetters:
    """A module of the reader's in letters, of so many images.

    Args:
        row: what was asked for.
        option: what refusals begin with.
        values: the symbols of a grid; None where every letter is one.
        batch: in the place of the 1 that shapes begin with.

    Raises:
        InputError: it cannot be built, a letter is none of the grid's, or an argument is not bound.
    """
    if isinstance(row.target, str) and not is_code(row.target):
        raise InputError(
            f"{option} {row.text}: {row.target} is no code; a layer's id stands alone, and code is file.py:X"
        )
    arguments = {name: _bound(row, option, value, values) for name, value in row.arguments.items()}
    layout = _spelled(row, option, values)
    try:
        found = find_target(settled(row.target), layout if batch == 1 else _batch_of(layout, batch), arguments)
    except InputError as error:
        raise InputError(re.sub(r"^--(input, --)?arg:", f"{option} {row.text}:", str(error))) from error
    return InLetters(found, arguments)


def _hint(row: Placed, values: Mapping[str, int], error: str) -> str:
    """How a row is written whose input lies otherwise, or that takes numbers only."""
    if "SymInt" not in error:
        return f"; its input was {LAYOUT}: for another, add @1,h,w,C or @1,C,h,w" if row.layout == LAYOUT else ""
    named = {name: SYMBOL_OF.get(str(value).strip(), str(value).strip()) for name, value in row.arguments.items()}
    found = {name: letter for name, letter in named.items() if letter in values}
    layout = ",".join(str(values[side]) if side in found.values() else side for side in row.layout.split(","))
    given = ",".join(f"{name}={values[found[name]] if name in found else row.arguments[name]}" for name in named)
    target = row.target if isinstance(row.target, str) else row.name
    return f"; give its numbers in place of symbols: {target}({given})@{layout}"


def _bound(row: Placed, option: str, value: object, values: Mapping[str, int] | None) -> object:
    """An argument's value, a name of the grid as its symbol."""
    if not isinstance(value, str):
        return value
    if letter := _symbol(value.strip(), values):
        return Letter(letter)
    text = (
        _WORD.sub(lambda word: _symbol(word[0], values) or word[0], value) if _PRODUCTS.fullmatch(value) else value
    )
    read = read_argument("", text)
    if (
        isinstance(read, str)
        and _SUM.fullmatch(text)
        and all(_symbol(word, values) for word in _WORD.findall(text))
    ):
        raise InputError(f"{option} {row.text}: {read} is no product of symbols such as 4*C; give its number")
    for letter in letters(read):
        if not _symbol(letter, values):
            raise _no_symbol(row, option, letter, values)
    return read


_WORD = re.compile(r"[A-Za-z]\w*")

_PRODUCTS = re.compile(r"[\w\s*,\[\]()]+")

_SUM = re.compile(r"[\w\s*]+(?:[-+/][\w\s*]+)+")


def _symbol(name: str, values: Mapping[str, int] | None) -> str:
    """The symbol of a name of the grid; empty where it is none."""
    found = SYMBOL_OF.get(name, name)
    return found if (is_symbol(found) if values is None else found in values) else ""


def _spelled(row: Placed, option: str, values: Mapping[str, int] | None) -> str:
    """The shape of its inputs, in symbols of the grid."""
    parts = []
    for part in row.layout.split(";"):
        keyword, equals, shape = part.rpartition("=")
        shape, colon, kind = shape.partition(":")
        if shape.strip().lower() in (*LITERALS, "()"):
            parts.append(part)
            continue
        sides = [
            "*".join(_factor(row, option, factor.strip(), values) for factor in side.split("*"))
            for side in shape.split(",")
        ]
        parts.append(keyword + equals + ",".join(sides) + colon + kind)
    return ";".join(parts)


def _factor(row: Placed, option: str, factor: str, values: Mapping[str, int] | None) -> str:
    if factor.isdecimal():
        return factor
    if factor == "hw" or (values is not None and factor in TOKENS):  # no grid, no tokens: N is a letter as others
        return TOKENS[factor]
    if not (found := _symbol(factor, values)):
        raise _no_symbol(row, option, factor, values)
    return found


def _no_symbol(row: Placed, option: str, letter: str, values: Mapping[str, int] | None) -> InputError:
    if values is None:
        return InputError(f"{option} {row.text}: {letter!r} is no symbol; must be a letter such as C, heads or hw")
    known = ", ".join(sorted(values, key=str.lower))
    return InputError(f"{option} {row.text}: {letter!r} is no symbol of the grid; these are {known}, and hw")


def _batch_of(layout: str, batch: int) -> str:
    """The same shapes of so many images."""
    return ";".join(
        f"{keyword}{equals}{batch}{shape[1:]}" if shape.startswith("1,") else part
        for part in layout.split(";")
        for keyword, equals, shape in [part.rpartition("=")]
    )
