"""``vpcalc figure``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from . import completion
from .options import (
    ArgOption,
    BatchOption,
    ExactOption,
    Format,
    OutputOption,
    QuantityOption,
    SetOption,
    Sizes,
    bundled,
    by_suffix,
    changes,
)
from .output import aside, deliver, emit


class Writing(str, Enum):
    """How a figure is written."""

    TEXT = "text"
    LATEX = "latex"
    SIUNITX = "siunitx"
    JSON = "json"
    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"


@bundled
def figure(
    name: Annotated[
        str,
        typer.Argument(
            help="A model (swin_t …), a layer (msa …), or code: net.py:make.",
            metavar="NAME",
            autocompletion=completion.targets,
        ),
    ],
    quantity: QuantityOption = "macs",
    *,
    sizes: Sizes,
    set: SetOption = None,
    arg: ArgOption = None,
    batch: BatchOption = "1",
    digits: Annotated[str, typer.Option("--digits", help="Significant digits.", metavar="NUMBER")] = "4",
    exact: ExactOption = False,
    format: Annotated[Writing, typer.Option("--format", "-f", help="How to write the figure.")] = Writing.TEXT,
    output: OutputOption = None,
) -> None:
    """Print one number, alone, ready to stand in a sentence.

    Examples:  vpcalc figure swin_t --quantity params
               vpcalc figure msa --set h=56 --set w=56 --set C=96 --set heads=3 --exact
    """
    from ..answers.figure import WRITINGS
    from ..answers.figure import figure as ask

    format = by_suffix(format, output)
    result = ask(
        name,
        quantity=quantity,
        **sizes._asdict(),
        **changes(set, arg),
        batch=batch,
        digits=digits,
        exact=exact,
    )
    if format.value in WRITINGS:
        deliver(result.write(format.value), output)
        aside(result.assumptions)
    else:
        emit(result, Format(format.value), output)
