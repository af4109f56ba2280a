"""Where a result goes: standard output or a file, in the format that was asked for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

import typer

from .. import files
from ..errors import InputError, unwritable
from .options import ColumnsOption, ExactOption, Format, FormatOption, OutputOption, by_suffix

if TYPE_CHECKING:
    from ..answers.result import Result
    from ..report import Table
    from ..report.listing import Entry


class Shown(NamedTuple):
    """How a result with figures is shown, and where."""

    exact: ExactOption = False
    columns: ColumnsOption = None
    format: FormatOption = Format.TABLE
    output: OutputOption = None

    @property
    def at_once(self) -> bool:
        """Whether a part may be shown before the rest is known."""
        return self.format is Format.TABLE and self.output is None and self.columns is None

    def emit(self, result: Result) -> None:
        """Write a result and end with status 1 where one of its checks did not hold."""
        emit(result, self.format, self.output, self.exact, self.columns)


IN_A_DOCUMENT: ContextVar[bool] = ContextVar("in_a_document", default=False)
"""Whether what is written stands in a document's marker, and so in a float of the document's own."""


def emit(
    result: Result, format: Format, output: Path | None = None, exact: bool = False, columns: str | None = None
) -> None:
    """Write a result and end with status 1 where one of its checks did not hold."""
    format = by_suffix(format, output)
    if format is Format.TABLE and output is None:
        show(chosen(result.tables(), columns), exact)
    else:
        deliver(written(result, format, exact, columns), output)
        if format is Format.CSV and columns is None and (others := result.beside_the_sheet()):
            left = "; ".join(table.title for table in others)
            aside([f"CSV holds one table, and not: {left} (--format json has them)"])
    finish(result)


def chosen(tables: tuple[Table, ...], columns: str | None) -> tuple[Table, ...]:
    """The tables, or of the first that has these columns, by their keys, these columns alone."""
    if columns is None:
        return tables
    keys = [key.strip() for key in columns.split(",") if key.strip()]
    for table in tables:
        if keys and set(keys) <= {column.key for column in table.columns}:
            return (table.pick(keys),)
    known = "; or ".join(", ".join(column.key for column in table.columns) for table in tables)
    raise InputError(f"--columns {columns!r}: must be some of {known}")


def finish(result: Result) -> None:
    """End with status 1 where a check did not hold."""
    if not result.ok:
        raise typer.Exit(1)


def show(tables: tuple[Table, ...], exact: bool) -> None:
    """Tables to standard output, through rich."""
    tables = tuple(table.without_twins() for table in tables) if exact else tables
    from rich.console import Console

    from ..report.terminal import View

    console = Console()
    console.print(View(tables, exact))


def written(result: Result, format: Format, exact: bool = False, columns: str | None = None) -> str:
    """A result as text in a format."""
    if format is Format.JSON:
        utf8 = (sys.stdout.encoding or "").lower().startswith("utf")
        return json.dumps(result.to_dict(), ensure_ascii=not utf8, indent=2)
    from ..report import markup

    if format is Format.CSV:
        return markup.csv_text(chosen((result.sheet(), *result.beside_the_sheet()), columns)[0])
    tables = chosen(result.tables(), columns)
    tables = tuple(table.without_twins() for table in tables) if exact and columns is None else tables
    if format is Format.TABLE:
        from ..report.terminal import plain

        return plain(tables, exact)
    if format in (Format.LATEX, Format.SIUNITX):
        from ..report.floats import floats

        lasting = [table.lasting() for table in tables]
        inside = IN_A_DOCUMENT.get()
        return floats(lasting, result.label, format.value, exact, columns is not None, inside)
    write = {
        Format.MARKDOWN: markup.markdown,
        Format.HTML: markup.html,
        Format.TYPST: markup.typst,
    }[format]
    return "\n\n".join(write(table.lasting(), exact) for table in tables)


def deliver(text: str, output: Path | None) -> None:
    """Text to standard output or, whole or not at all, to a file."""
    if output is None:
        print(text)
        sys.stdout.flush()
        return
    try:
        files.replace(output, (text + "\n").encode())
    except OSError as error:
        raise unwritable("--output", output, error) from None
    aside([f"wrote {output}"])


_INKS = {"proved": "green", "identified": "cyan", "checked": "cyan", "corrected": "yellow", "refuted": "red"}


def columns_here() -> int:
    """How wide the terminal is; 80 columns where there is none, or what COLUMNS says."""
    from shutil import get_terminal_size

    return get_terminal_size().columns


def listed(heading: str, entries: Sequence[Entry], footing: Iterable[str]) -> None:
    """A list on standard output, as wide as the terminal; verdicts are coloured where a person looks."""
    from ..report.listing import listing

    width = columns_here()
    inked = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(*wrap(heading, width, break_on_hyphens=False), sep="\n")
    for name, word, (first, *rest) in listing(entries, width):
        said = f"{typer.style(word, fg=_INKS.get(word.strip())) if inked else word}  " if word else ""
        print(f"{typer.style(name, bold=True) if inked else name}  {said}{first}".rstrip())
        print(*rest, sep="\n", end="\n" if rest else "")
    print(*(line for note in footing for line in wrap(note, width, break_on_hyphens=False)), sep="\n")
    sys.stdout.flush()


def aside(notes: Iterable[str]) -> None:
    """What belongs to a result that stands alone on standard output."""
    for note in notes:
        print(f"vpcalc: {note}", file=sys.stderr)


COUNTING = "counting with fvcore …"
"""What is said while modules are counted."""


@contextmanager
def working(message: str) -> Iterator[None]:
    """A note on standard error that something takes time, if a person is looking."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(message):
        yield


TIMES = 32
"""Columns of what stands beside the bar and the words: parts, time spent, time left."""

Progress = Callable[..., None]
"""Called with how many parts are done, of how many, and which was the last, if that has a name."""


@contextmanager
def counting(what: str) -> Iterator[Progress]:
    """A progress bar on standard error, if a person is looking: parts done, time spent and time left."""
    if not sys.stderr.isatty():
        yield lambda done, all, part="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    console = Console(stderr=True)
    room = max(console.width - TIMES, 8)
    whole = Column(no_wrap=True)
    columns = (
        BarColumn(bar_width=min(30, room // 3)),
        MofNCompleteColumn(table_column=whole),
        TimeElapsedColumn(table_column=whole),
        TextColumn("left", table_column=whole),
        TimeRemainingColumn(compact=True, table_column=whole),
        TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", width=room // 2)),
    )
    with Bar(*columns, console=console, transient=True, speed_estimate_period=600) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, all, part="": bar.update(
            task, completed=done, total=all, description=f"{what}: {part}" if part else what
        )
