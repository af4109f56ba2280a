"""Tables in the terminal, through rich. The only file of this room that imports it."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable
from dataclasses import replace
from textwrap import wrap
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from .table import Column, Kind, Table, write

READABLE = 24
"""Text is wrapped, but never to less than this many columns if there is any way around it."""

CRAMPED, FOLDED = 18, 12
"""Texts and formulas make do with so many before a column is left out, and before one is that should stay."""

WRAPPED = (Kind.TEXT, Kind.FORMULA, Kind.WORD, Kind.SYMBOLS)
"""Cells that may take several lines: words as far as they are long."""

BAR, SHARE = 10, 7
"""Columns of a full bar and of the share beside it: drawn where a person looks at a terminal that has room."""

_VERDICTS = {
    "agrees": "green",
    "explained": "cyan",
    "differs": "bold red",
    "not comparable": "yellow",
    "proved": "green",
    "executed": "green",
    "identified": "cyan",
    "checked": "cyan",
    "corrected": "yellow",
    "refuted": "bold red",
    "unsettled": "bold red",
}


def plain(tables: Iterable[Table], exact: bool = False, width: int = 120) -> str:
    """Tables as text without colour, as a file holds them."""
    page = io.StringIO()
    Console(file=page, width=width, no_color=True, force_terminal=False, force_jupyter=False).print(
        View(tables, exact)
    )
    return page.getvalue().rstrip("\n")


class View:
    """Renders tables to the width that there is."""

    def __init__(self, tables: Iterable[Table], exact: bool = False) -> None:
        self.tables = tuple(tables)
        self.exact = exact

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for number, table in enumerate(self.tables):
            if number:
                yield ""
            fitting = _fitting(table, self.exact, options.max_width)
            yield _render(fitting, self.exact, options.max_width, options.is_terminal)


def _as_word(header: str) -> str:
    """A header within a sentence; symbols keep their capitals."""
    return header.lower() if header.isalpha() and header[1:].islower() else header


_FIRST_OUT = (
    *(Kind.PICTURE, Kind.SHARE, Kind.RATIO, Kind.NUMBER, Kind.BYTES, Kind.CHANGE),
    *(Kind.SYMBOLS, Kind.WORD, Kind.COUNT, Kind.TEXT),
)
"""Columns that are left out where there is no room, the first first; verdicts never, formulas beside kept ones."""


def _fitting(table: Table, exact: bool, width: int) -> Table:
    """The table without its wide columns where it is narrow, and without others that would cut numbers off."""
    if _needed(table, exact) <= width:
        return table
    table, left = table.narrow(), []

    def is_too_wide() -> bool:
        return len(table.columns) > 2 and _needed(table, exact, _TIGHT, WRAPPED, CRAMPED) > width

    def without(place: int) -> Table:
        column = table.columns[place]
        left.append(_as_word(column.header))
        return table.pick([each.key for each in table.columns if each is not column])

    while is_too_wide() and (ranked := _ranked(table)):
        table = without(ranked[0])
    if _needed(table, exact, _TIGHT, WRAPPED, CRAMPED) > width:
        table = _stacked(table)
    while len(table.columns) > 2 and _least(table, exact) > width:
        kept = [place for place, each in enumerate(table.columns) if place and each.kept]
        if not kept:
            break
        formulas = [place for place, each in enumerate(table.columns) if place and each.kind is Kind.FORMULA]
        table = without((formulas or kept)[-1])  # even what should stay goes before a number is cut
    if not left:
        return table
    return replace(table, notes=(*table.notes, f"no room in {width} columns for: {', '.join(reversed(left))}"))


def _stacked(table: Table) -> Table:
    """The table with the text that it is for below the words of its first column, where it has no room beside."""
    first, *others = table.columns
    below = [place for place, column in enumerate(others, 1) if column.kept and column.kind is Kind.TEXT]
    if first.kind is not Kind.WORD or len(below) != 1:
        return table
    (place,) = below
    header = f"{first.header}, {_as_word(table.columns[place].header)}"
    rows = [
        ("\n".join([row[0], *wrap(row[place], CRAMPED, initial_indent="  ", subsequent_indent="  ")]), *row[1:])
        for row in table.rows
    ]
    stacked = replace(table, columns=(first._replace(header=header), *others), rows=tuple(rows))
    return stacked.pick([column.key for column in table.columns if column.key != table.columns[place].key])


def _ranked(table: Table) -> list[int]:
    """Places of columns that may be left out, the first first: those that are empty in most rows before others."""
    places = [place for place in range(len(table.columns) - 1, 0, -1) if not table.columns[place].kept]
    filled = {place: sum(row[place] not in (None, "") for row in table.rows) for place in places}
    chosen = any(column.kept and column.kind is Kind.FORMULA for column in table.columns)
    kinds = (*_FIRST_OUT, Kind.FORMULA) if chosen else _FIRST_OUT
    ranked = [place for kind in kinds for place in places if table.columns[place].kind is kind]
    return sorted(ranked, key=lambda place: 2 * filled[place] >= len(table.rows))


_EASY, _TIGHT = 2, 1
"""Columns of the terminal between those of a table."""


def _needed(
    table: Table,
    exact: bool,
    between: int = _EASY,
    wrapped: Collection[Kind] = frozenset({Kind.TEXT}),
    least: int = READABLE,
) -> int:
    """Columns of the terminal that the table needs to be read with ease, where some kinds are wrapped."""
    return sum(_widths(table, exact, wrapped, least)) + between * (len(table.columns) - 1)


def _least(table: Table, exact: bool) -> int:
    """Columns of the terminal without which a cell that is not wrapped is cut off."""
    words = WRAPPED[2:]
    widths = [
        min(wide, FOLDED) if column.kind in WRAPPED and (column.kind not in words or wide >= READABLE) else wide
        for column, wide in zip(table.columns, _widths(table, exact, ()), strict=True)
    ]
    return sum(widths) + _TIGHT * (len(widths) - 1)


def _widths(table: Table, exact: bool, wrapped: Collection[Kind], least: int = READABLE) -> list[int]:
    """For each column what its longest cell takes; what is wrapped is content with less, words with READABLE."""
    widths = []
    for index, column in enumerate(table.columns):
        cells = [column.header, *(write(row[index], column.kind, exact) for row in table.rows)]
        longest = max(cell_len(line) for cell in cells for line in cell.split("\n"))
        enough = least if column.kind in WRAPPED[:2] else READABLE
        widths.append(min(longest, enough) if column.kind in wrapped else longest)
    return widths


def _barred(table: Table, exact: bool) -> int:
    """Columns of the terminal that a bar beside each share takes on top."""
    widths = zip(table.columns, _widths(table, exact, ()), strict=True)
    return sum(max(BAR + 1 + SHARE - width, 0) for column, width in widths if column.kind is Kind.SHARE)


def _render(table: Table, exact: bool, width: int, bars: bool = False) -> Group:
    padding = (0, 1, 0, 0) if _needed(table, exact) <= width else (0, 0)
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=padding, show_edge=False)
    bars = bars and _needed(table, exact) + _barred(table, exact) <= width
    whole = WRAPPED[:2] if _needed(table, exact, _TIGHT, WRAPPED[:2]) <= width else WRAPPED
    for column, least in zip(table.columns, _widths(table, exact, whole), strict=True):
        justify: Literal["left", "right"] = "right" if column.kind.numeric else "left"
        no_wrap = column.kind not in whole or (column.kind in WRAPPED[2:] and least < READABLE)
        grid.add_column(column.header, justify=justify, no_wrap=no_wrap, overflow="fold")
    for number, row in enumerate(table.rows):
        if table.total and number == len(table.rows) - 1:
            grid.add_section()
        total = table.total and number == len(table.rows) - 1
        cells = zip(row, table.columns, strict=True)
        grid.add_row(*(_cell(value, column, exact, bars and not total) for value, column in cells))
    notes = [Text(note, style="dim") for note in table.notes]
    return Group(Text(table.title, style="bold"), *([grid] if table.rows else []), *notes)


def _cell(value: object, column: Column, exact: bool, bars: bool = False) -> Text:
    text = write(value, column.kind, exact)
    if column.kind is Kind.SHARE and isinstance(value, (int, float)):
        return Text.assemble((bar(value), "blue"), f" {text:>{SHARE}}") if bars else Text(text)
    if column.kind is Kind.VERDICT:
        style = next((style for start, style in _VERDICTS.items() if text.startswith(start)), "")
        return Text(text, style=style)
    return Text(text)


def bar(share: float, width: int = BAR) -> str:
    """A share as a bar, to an eighth of a character, filled up with spaces."""
    whole, eighths = divmod(round(8 * width * min(max(share, 0.0), 1.0)), 8)
    return ("█" * whole + " ▏▎▍▌▋▊▉"[eighths] * (eighths > 0)).ljust(width)
