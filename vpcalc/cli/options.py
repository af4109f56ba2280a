"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError


class Format(str, Enum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"
    SIUNITX = "siunitx"
    HTML = "html"
    TYPST = "typst"


SHOWN = "How it is shown"
"""The heading of options that change what a result looks like, and not what it is."""

FormatOption = Annotated[
    Format,
    typer.Option("--format", "-f", metavar="FORMAT", help=f"One of {', '.join(Format)}.", rich_help_panel=SHOWN),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write to this file, whole or not at all.", rich_help_panel=SHOWN
    ),
]
CheckOption = Annotated[
    bool, typer.Option("--check/--no-check", help="Count the instantiated PyTorch modules with fvcore.")
]
ExactOption = Annotated[
    bool, typer.Option("--exact", help="Write all digits instead of 2.004 G.", rich_help_panel=SHOWN)
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns", metavar="KEY,KEY…", help="Only these columns, by their names in CSV.", rich_help_panel=SHOWN
    ),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting; may be repeated.")
]

PriceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--price",
        metavar="OPERATOR=FILE:FUNCTION",
        help="The MACs of an operator that has no price: a function of its arguments by name and of its result. "
        "May be repeated.",
    ),
]
PRICE_EXAMPLE = "--price mylib::scan=prices.py:scan"


def settings(pairs: Iterable[str] | None) -> dict[str, object]:
    """``--set NAME=VALUE`` texts as a dictionary."""
    return dict(named("--set", pairs, "--set C=128 or --set depths=2,2,18,2"))


def named(option: str, pairs: Iterable[str] | None, such_as: str = "") -> dict[str, str]:
    """The ``NAME=VALUE`` texts of an option that may be repeated."""
    found: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            example = f", such as {such_as}" if such_as else ""
            raise InputError(f"{option} {pair!r}: must be NAME=VALUE{example}")
        found[name.strip()] = value.strip()
    return found
