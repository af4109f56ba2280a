"""Tables in the terminal, through rich. The only file of this room that imports it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from .table import Column, Kind, Table, write

NARROW = 100
"""Below this many columns, wide columns are left out."""

_VERDICTS = {
    "agrees": "green",
    "differs": "bold red",
    "not comparable": "yellow",
    "proved": "green",
    "checked": "cyan",
    "corrected": "yellow",
    "refuted": "bold red",
}


class View:
    """Renders tables to the width that there is."""

    def __init__(self, tables: Iterable[Table], exact: bool = False) -> None:
        self.tables = tuple(tables)
        self.exact = exact

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for number, table in enumerate(self.tables):
            if number:
                yield ""
            narrow = options.max_width < NARROW
            yield _render(table.narrow() if narrow else table, self.exact, narrow)


def _render(table: Table, exact: bool, narrow: bool) -> Group:
    padding = (0, 0) if narrow else (0, 1, 0, 0)
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=padding, show_edge=False)
    for column in table.columns:
        justify: Literal["left", "right"] = "right" if column.kind.numeric else "left"
        fixed = column.kind not in (Kind.TEXT, Kind.FORMULA)
        grid.add_column(column.header, justify=justify, no_wrap=fixed, overflow="fold")
    for number, row in enumerate(table.rows):
        if table.total and number == len(table.rows) - 1:
            grid.add_section()
        grid.add_row(*(_cell(value, column, exact) for value, column in zip(row, table.columns, strict=True)))
    notes = [Text(note, style="dim") for note in table.notes]
    return Group(Text(table.title, style="bold"), grid, *notes)


def _cell(value: object, column: Column, exact: bool) -> Text:
    text = write(value, column.kind, exact)
    if column.kind is Kind.VERDICT:
        style = next((style for start, style in _VERDICTS.items() if text.startswith(start)), "")
        return Text(text, style=style)
    return Text(text)
