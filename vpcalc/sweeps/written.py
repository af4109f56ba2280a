"""Rows as text and as tables of Arrow, each number whole and exact."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy

from ..architectures.registry import listed
from ..arrays.forms import MOST, Array, whole_numbers
from ..optional import optional
from .axes import Axis, Grid
from .choosing import Rows

DIGITS = 38
"""The most that a decimal number of Arrow has."""


def header(grid: Grid, columns: Sequence[str]) -> bytes:
    """The first line of CSV."""
    return (",".join([*(axis.name for axis in grid.axes), *columns]) + "\n").encode()


def lines(rows: Rows, grid: Grid, columns: Sequence[str]) -> bytes:
    """Rows as lines of CSV."""
    texts = [_texts(axis, rows.at[axis.name]) for axis in grid.axes]
    texts += [list(map(str, rows.figures[name].tolist())) for name in columns]
    return "".join(f"{line}\n" for line in map(",".join, zip(*texts, strict=True))).encode()


def _texts(axis: Axis, at: Array) -> list[str]:
    if axis.numbers:
        return list(map(str, values_at(axis, at).tolist()))
    texts = [_cell(text) for text in axis.texts]
    return [texts[place] for place in at.tolist()]


def _cell(text: str) -> str:
    """As CSV writes a text: in quotes where it has commas."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([text])
    return out.getvalue()


def values_at(axis: Axis, at: Array) -> Array:
    """The numbers of an axis at some places."""
    if isinstance(axis.values, range):
        return axis.values.start + axis.values.step * at
    return numpy.asarray(axis.values, dtype=numpy.int64)[at]


def cells(axis: Axis, at: Array) -> Any:
    """The values of an axis at some places, of one kind: numbers, truths, or texts of words and lists."""
    if axis.numbers:
        return values_at(axis, at)
    truths = all(isinstance(value, bool) for value in axis.values)
    each = axis.values if truths else axis.texts
    return [each[place] for place in at.tolist()]


def places(rows: Rows) -> bytes:
    """Rows as numbers alone: places and figures, for :func:`read_places`."""
    arrays = [*rows.at.values(), *rows.figures.values()]
    return "".join(
        f"{line}\n" for line in map(",".join, zip(*(map(str, a.tolist()) for a in arrays), strict=True))
    ).encode()


def read_places(text: bytes, names: Sequence[str], figures: Sequence[str]) -> Rows:
    """What :func:`places` wrote."""
    table = [list(map(int, line.split(b","))) for line in text.splitlines()]
    arrays = [whole_numbers(list(column)) for column in zip(*table, strict=True)] or [
        numpy.zeros(0, numpy.int64)
    ] * (len(names) + len(figures))
    return Rows(dict(zip(names, arrays, strict=False)), dict(zip(figures, arrays[len(names) :], strict=True)))


def records(rows: Rows, grid: Grid, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as dictionaries of Python's values."""
    values = [
        values_at(axis, rows.at[axis.name]).tolist()
        if axis.numbers
        else [listed(axis.values[place]) for place in rows.at[axis.name].tolist()]
        for axis in grid.axes
    ]
    values += [rows.figures[name].tolist() for name in columns]
    names = [*(axis.name for axis in grid.axes), *columns]
    return [dict(zip(names, line, strict=True)) for line in zip(*values, strict=True)]


# -- Arrow --------------------------------------------------------------------------------------------------


def arrow(needs: str) -> Any:
    """pyarrow, or an InputError that says what needs it."""
    return optional("pyarrow", needs, "pip install 'vpcalc[sweep]'")


def arrow_table(rows: Rows, grid: Grid, columns: Sequence[str], needs: str) -> Any:
    """Rows as a table of Arrow: 64-bit integers; beyond them decimals; beyond 38 digits text."""
    pyarrow = arrow(needs)
    found: dict[str, Any] = {}
    for axis in grid.axes:
        kind = pyarrow.array(cells(axis, numpy.zeros(1, numpy.int64))).type  # of its first value, without rows too
        found[axis.name] = pyarrow.array(cells(axis, rows.at[axis.name]), kind)
    for name in columns:
        found[name] = _arrow_numbers(rows.figures[name], pyarrow)
    return pyarrow.table(found)


def _arrow_numbers(figures: Array, pyarrow: Any) -> Any:
    if figures.dtype != object:
        return pyarrow.array(figures, pyarrow.int64())
    values = figures.tolist()
    most = max(map(abs, values), default=0)
    if most <= MOST:
        return pyarrow.array(values, pyarrow.int64())
    if most < 10**DIGITS:
        from decimal import Context

        exactly = Context(prec=DIGITS + 1)
        return pyarrow.array([exactly.create_decimal(value) for value in values], pyarrow.decimal128(DIGITS, 0))
    return pyarrow.array(list(map(str, values)), pyarrow.string())


def one_schema(schemas: Sequence[Any], needs: str) -> Any:
    """What holds the columns of several tables: the widest type of each."""
    pyarrow = arrow(needs)
    order = [pyarrow.bool_(), pyarrow.int64(), pyarrow.decimal128(DIGITS, 0), pyarrow.string()]
    fields = []
    for place, name in enumerate(schemas[0].names):
        kinds = [schema.field(place).type for schema in schemas]
        fields.append((name, max(kinds, key=order.index)))
    return pyarrow.schema(fields)
