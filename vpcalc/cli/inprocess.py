"""A command of vpcalc run within this process, its output kept: for markers in documents.

What a document may ask for is what a reader may ask for who trusts nobody: no file is written but pictures beside
the document, by the document itself, and nothing but vpcalc's own code is run.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import typer

from ..embedding.commands import Picture, Printed
from ..errors import InputError, unknown
from ..optional import LIBRARIES
from ..placing import is_placed, read_placed, titled
from .loading import accepting, loading
from .options import ids, named
from .output import IN_A_DOCUMENT
from .pictures import Drawn, kept

REFUSED = {"embed": "fills documents itself"}
"""Commands that a marker cannot hold, and why."""

WIDTH = "80"
"""Columns of a table that is embedded as text."""

TARGETS = ("target", "model", "models", "name", "names", "against", "base", "head")
"""Parameters of commands that may name code, or a revision of it."""

SIDES = ("first", "second")
"""Those that may name it with its arguments in brackets, as rows of a comparison do."""

_SAFE = tuple(f"{library}:" for library in LIBRARIES)
_OWN = "a marker runs no code but vpcalc's own"
_SET_ASIDE = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


def run(arguments: list[str], folder: Path, trusted: bool = False) -> Printed:
    """Run ``vpcalc ARGUMENTS`` in a folder; only where the document is ``trusted`` with code that it names.

    Raises:
        InputError: there is no such command, it may not stand in a document, its input is unusable, or it ended
            with another status than 0.
    """
    from .app import COMMANDS, application

    name, *rest = arguments
    if name in REFUSED:
        raise InputError(f"{name} cannot stand in a marker: it {REFUSED[name]}")
    if name not in COMMANDS:
        raise unknown("command", name, [known for known in COMMANDS if known not in REFUSED])
    buffer = io.BytesIO()
    page = io.TextIOWrapper(buffer, encoding="utf-8", newline="\n")
    values: dict[str, Any] = {}
    status = 0
    with redirect_stdout(page), _settled(folder), loading() as load, kept() as pictures:
        group: Any = accepting(typer.main.get_command(application([name])), load if trusted else _refuse)
        command, words = _innermost(group.commands[name], rest)
        try:
            context = command.make_context(command.name, words)
            values = context.params
            if name != "theory" and values.get("check", False) is None:
                values["check"] = True  # what a document shows does not depend on what is installed
            _writes_nothing(values)
            if "trust" in values:  # of the list that a marker names, as of the document
                values["trust"] = values["trust"] or trusted
            if not trusted:
                _no_functions(command.params, values)
                _no_code(name, values)
            with context:
                command.invoke(context)
        except typer.TyperException as error:
            raise InputError(error.format_message()) from None
        except typer.Exit as end:
            status = end.exit_code
    page.flush()
    text = buffer.getvalue().decode("utf-8")
    if status:
        raise InputError(f"{' '.join(arguments)}: ended with status {status}: a check does not hold")
    if pictures:
        (drawn,) = pictures
        return Printed(drawn.plot.chart.title, "plain", _picture(drawn))
    if name == "plot" and values.get("format") is None:
        raise InputError(f"{' '.join(arguments)}: give -o FILE.svg for a picture, or --format for its numbers")
    if not values or not text.strip():
        raise InputError(f"{' '.join(arguments)}: prints no result")
    return Printed(text, _kind(name, values))


def _innermost(command: Any, words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and the rest of them: ``plot crossover`` is one within ``plot``.

    Raises:
        InputError: they name a command that has others within it, and none of these.
    """
    while hasattr(command, "commands"):
        if not words or words[0] not in command.commands:
            raise unknown(f"what follows {command.name}", words[0] if words else "", command.commands)
        command, words = command.commands[words[0]], words[1:]
    return command, words


def _picture(drawn: Drawn) -> Picture:
    """A picture that is to be written, for the document to hold against its file."""
    from ..pictures import format_of
    from ..pictures.seal import shown

    format = format_of(drawn.output)
    return Picture(
        drawn.output.as_posix(),
        shown(drawn.plot.chart, format, drawn.width, drawn.title, drawn.dark),
        lambda: drawn.plot.draw(format, width=drawn.width, title=drawn.title, dark=drawn.dark),
    )


def _refuse(files: Sequence[str]) -> None:
    """In the place of loading, for a document of which nobody says that it is his own."""
    for file in files:
        raise InputError(f"--load {file}: {_OWN}; --trust allows it, if the document is yours")


def _no_functions(options: Sequence[Any], values: Mapping[str, Any]) -> None:
    """Refuse every option that takes a function of somebody's file, as its metavar says."""
    for option in options:
        given = values.get(option.name)
        if given and str(option.metavar).endswith(":FUNCTION"):
            text = given if isinstance(given, str) else given[0]
            raise InputError(f"{option.opts[0]} {text}: {_OWN}; --trust allows it, if the document is yours")


def _writes_nothing(values: Mapping[str, Any]) -> None:
    """Refuse options that write a file, other than a picture, or start something elsewhere."""
    draws = "terminal" in values and values.get("format") is None
    if values.get("output") is not None and not draws:
        raise InputError(f"--output {values['output']}: a marker writes no file but its own")
    if values.get("plot") is not None:
        raise InputError(f"--plot {values['plot']}: a marker writes no file but its own")
    if values.get("backend") is not None:
        raise InputError(f"--backend {values['backend']}: a marker starts nothing on other machines")


def _no_code(name: str, values: Mapping[str, Any]) -> None:
    """Refuse targets and counters that are other people's code, and a marker that would trust itself."""
    if values.get("trust"):
        raise InputError(f"{name} --trust: {_OWN}; --trust of embed allows it, if the document is yours")
    for target, arguments in _named_targets(name, values):
        if isinstance(target, str) and (":" in target or "/" in target) and not target.startswith(_SAFE):
            said = "NAME, ".join(_SAFE[:-1]) + f"NAME or {_SAFE[-1]}NAME"
            raise InputError(
                f"{name} {target}: {_OWN}; must be an id, or {said}; --trust allows code, if the document is yours"
            )
        if isinstance(target, str) and target.startswith(_SAFE):
            from ..checks.arguments import refuse_in_document

            refuse_in_document(target, arguments)
    for counter in values.get("counter") or ():
        if ":" in counter:
            raise InputError(f"--counter {counter}: {_OWN}; must be a counter's name")


def _named_targets(name: str, values: Mapping[str, Any]) -> Iterator[tuple[Any, dict[str, str]]]:
    """What may be code, with its arguments: a command's target, and rows of a comparison."""
    given = named("--arg", [*(values.get("arg") or ()), *(values.get("set") or ())])
    rows: list[str] = []
    for place in TARGETS:
        found = values.get(place)
        for each in found if isinstance(found, (list, tuple)) else [found]:
            yield titled(each, name)[1] if isinstance(each, str) else each, given
            if isinstance(each, str) and "(" in each:  # swept, as a row is written
                rows.append(each)
    sides = [text for text in map(values.get, SIDES) if text is not None]
    for row in filter(is_placed, [*(ids(values.get("rows")) or ()), *sides, *rows]):
        read = read_placed(row)
        yield read.target, {name: str(value) for name, value in read.arguments.items()}


def _kind(name: str, values: Mapping[str, Any]) -> str:
    """As what the output is to be set."""
    format = getattr(values.get("format"), "value", values.get("format"))
    if name == "formula" and not values.get("steps"):
        if format == "latex" and not values.get("legend"):
            return "math"
        if format == "text" and not values.get("legend"):
            return "plain"
    if name == "figure" and format == "text":
        return "plain"
    return _KINDS.get(str(format), str(format))


_KINDS = {"None": "table", "text": "table", "siunitx": "latex", "mathml": "html", "function": "python"}


@contextmanager
def _settled(folder: Path) -> Iterator[None]:
    """In a document's folder, and with a terminal of which nothing is known but its width."""
    before, place = dict(os.environ), Path.cwd()
    for name in _SET_ASIDE:
        os.environ.pop(name, None)
    os.environ.update(COLUMNS=WIDTH, NO_COLOR="1", TERM="dumb")
    os.chdir(folder)
    token = IN_A_DOCUMENT.set(True)
    try:
        yield
    finally:
        IN_A_DOCUMENT.reset(token)
        os.chdir(place)
        os.environ.clear()
        os.environ.update(before)
