"""Where a result goes: standard output or a file, in the format that was asked for."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..errors import InputError
from .options import Format

if TYPE_CHECKING:
    from ..answers.result import Result
    from ..report import Table


def emit(result: Result, format: Format, output: Path | None = None, exact: bool = False) -> None:
    """Write a result and end with status 1 where one of its checks did not hold."""
    if format is Format.TABLE and output is None:
        show(result.tables(), exact)
    else:
        deliver(written(result, format, exact), output)
    finish(result)


def finish(result: Result) -> None:
    """End with status 1 where a check did not hold."""
    if not result.ok:
        raise typer.Exit(1)


def show(tables: tuple[Table, ...], exact: bool) -> None:
    """Tables to standard output, through rich."""
    from rich.console import Console

    from ..report.terminal import View

    console = Console()
    console.print(View(tables, exact))


def written(result: Result, format: Format, exact: bool = False) -> str:
    """A result as text in a format."""
    if format is Format.JSON:
        utf8 = (sys.stdout.encoding or "").lower().startswith("utf")
        return json.dumps(result.to_dict(), ensure_ascii=not utf8, indent=2)
    from ..report import markup

    if format is Format.CSV:
        return markup.csv_text(result.tables()[0])
    if format is Format.TABLE:
        from rich.console import Console

        from ..report.terminal import View

        page = io.StringIO()
        Console(file=page, width=120, no_color=True).print(View(result.tables(), exact))
        return page.getvalue().rstrip("\n")
    write = markup.markdown if format is Format.MARKDOWN else markup.latex
    return "\n\n".join(write(table, exact) for table in result.tables())


def deliver(text: str, output: Path | None) -> None:
    """Text to standard output or, whole or not at all, to a file."""
    if output is None:
        print(text)
        sys.stdout.flush()
        return
    try:
        _replace(output, text + "\n")
    except OSError as error:
        raise InputError(f"--output {str(output)!r}: cannot be written: {error.strerror or error}") from None


def _replace(path: Path, text: str) -> None:
    """Write beside the file and rename: nobody ever sees half of it. A link keeps pointing where it did."""
    path = path.resolve()
    if path.is_dir():
        raise IsADirectoryError(0, "is a directory")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


@contextmanager
def working(message: str) -> Iterator[None]:
    """A note on standard error that something takes time, if a person is looking."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(message):
        yield


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, if a person is looking; yields ``update(done, all)``."""
    if not sys.stderr.isatty():
        yield lambda done, all: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, all: bar.update(task, completed=done, total=all)
