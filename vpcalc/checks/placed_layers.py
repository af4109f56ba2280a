"""A module of the reader's as a layer on one grid of tokens: its arguments and its input in the grid's symbols."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import InputError
from ..placing import TOKENS, Placed
from ..symbolic import SYMBOL_OF
from .ran import NotRunError, Ran, once
from .shapes import Letter, letters, read_argument
from .targets import Target, find_target, settled

GRID = ("h", "w")


def place(row: Placed, dims: Mapping[str, int]) -> Ran:
    """Run a row on a grid, its symbols bound to the grid's numbers.

    Args:
        row: what was asked for.
        dims: every dimension of the comparison by name, its batch among them.

    Raises:
        InputError: it cannot be built or executed, an argument is not bound, or it refuses this grid.
    """
    if isinstance(row.target, str) and ":" not in row.target:
        raise InputError(
            f"--rows {row.text}: {row.target} is no code; a layer's id stands alone, and code is file.py:X"
        )
    values = {SYMBOL_OF.get(name, name): size for name, size in dims.items() if name != "batch"}
    arguments = {name: _bound(row, value, values) for name, value in row.arguments.items()}
    layout = _spelled(row, values)
    target = settled(row.target)
    try:
        one = find_target(target, layout, arguments)
    except InputError as error:
        raise InputError(str(error).replace("--input, --arg:", f"--rows {row.text}:")) from error
    _all_bound(row, one)
    used = {v.name for v in one.variables}
    point = {letter: size for letter, size in values.items() if letter in used}
    try:
        execution, program = once(one, point)
        batched = execution
        if dims.get("batch", 1) != 1:
            batched, program = once(find_target(target, _batch_of(layout, dims["batch"]), arguments), point)
    except NotRunError as error:
        raise InputError(f"--rows {row.text}: {error}{_hint(row, values, str(error))}") from error
    return Ran(row.name, GRID, execution, batched, program)


def _hint(row: Placed, values: Mapping[str, int], error: str) -> str:
    """How a row is written whose module takes numbers only, as torch's recurrent layers do."""
    if "SymInt" not in error:
        return ""
    named = {name: SYMBOL_OF.get(str(value).strip(), str(value).strip()) for name, value in row.arguments.items()}
    found = {name: letter for name, letter in named.items() if letter in values}
    layout = ",".join(str(values[side]) if side in found.values() else side for side in row.layout.split(","))
    given = ",".join(f"{name}={values[found[name]] if name in found else row.arguments[name]}" for name in named)
    target = row.target if isinstance(row.target, str) else row.name
    return f"; give its numbers in place of symbols: {target}({given})@{layout}"


def _bound(row: Placed, value: object, values: Mapping[str, int]) -> object:
    """An argument's value, a name of the grid as its symbol."""
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and SYMBOL_OF.get(text, text) in values:
        return Letter(SYMBOL_OF.get(text, text))
    read = read_argument("", text)
    if (
        isinstance(read, str)
        and any(map(values.__contains__, re.findall(r"[A-Za-z]+", read)))
        and re.search("[-+/]", read)
    ):
        raise InputError(f"--rows {row.text}: {read} is no product of symbols such as 4*C; give its number")
    for letter in letters(read):
        if letter not in values:
            raise _no_symbol(row, letter, values)
    return read


def _spelled(row: Placed, values: Mapping[str, int]) -> str:
    """The shape of its inputs, in symbols of the grid."""
    parts = []
    for part in row.layout.split(";"):
        keyword, equals, shape = part.rpartition("=")
        shape, colon, kind = shape.partition(":")
        sides = ["*".join(_factor(row, f.strip(), values) for f in side.split("*")) for side in shape.split(",")]
        parts.append(keyword + equals + ",".join(sides) + colon + kind)
    return ";".join(parts)


def _factor(row: Placed, factor: str, values: Mapping[str, int]) -> str:
    if factor.isdecimal():
        return factor
    found = TOKENS.get(factor, SYMBOL_OF.get(factor, factor))
    if found not in values and found not in TOKENS.values():
        raise _no_symbol(row, factor, values)
    return found


def _no_symbol(row: Placed, letter: str, values: Mapping[str, int]) -> InputError:
    known = ", ".join(sorted(values, key=str.lower))
    return InputError(f"--rows {row.text}: {letter!r} is no symbol of the grid; these are {known}, and hw")


def _batch_of(layout: str, batch: int) -> str:
    """The same shapes of so many images."""
    return ";".join(
        f"{keyword}{equals}{batch}{shape[1:]}" if shape.startswith("1,") else part
        for part in layout.split(";")
        for keyword, equals, shape in [part.rpartition("=")]
    )


def _all_bound(row: Placed, target: Target) -> None:
    """Refuse a factory whose arguments are not all given, by name.

    Raises:
        InputError: naming them.
    """
    missing = [name for name in target.required if name not in row.arguments]
    if missing:
        named, are = " and ".join(missing), "are" if len(missing) > 1 else "is"
        such = ", ".join(f"{name}={'heads' if 'head' in name else 'C'}" for name in missing)
        raise InputError(f"--rows {row.text}: {named} {are} not bound; give a symbol or a number, such as {such}")
