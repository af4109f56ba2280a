"""``vpcalc figure``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from .options import ExactOption, Format, OutputOption, SetOption, settings
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


def figure(
    name: Annotated[str, typer.Argument(help="A model (swin_t …) or a layer (msa …).", metavar="NAME")],
    quantity: Annotated[
        str,
        typer.Option(
            "--quantity",
            "-q",
            metavar="QUANTITY",
            help="macs, flops, fvcore, params, activations or attention_elements.",
        ),
    ] = "macs",
    input: Annotated[
        str | None, typer.Option("--input", help="Image side S, or HxW, in pixels.", metavar="S|HxW")
    ] = None,
    tokens: Annotated[str | None, typer.Option("--tokens", help="Length of a sequence.", metavar="N")] = None,
    src: Annotated[str | None, typer.Option("--src", help="Length of the source sequence.", metavar="N")] = None,
    tgt: Annotated[str | None, typer.Option("--tgt", help="Length of the target sequence.", metavar="N")] = None,
    set: SetOption = None,
    batch: Annotated[str, typer.Option("--batch", help="Images or sequences.", metavar="N")] = "1",
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

    result = ask(
        name,
        quantity=quantity,
        input=input,
        tokens=tokens,
        src=src,
        tgt=tgt,
        set=settings(set),
        batch=batch,
        digits=digits,
        exact=exact,
    )
    if format.value in WRITINGS:
        deliver(result.write(format.value), output)
        aside(result.assumptions)
    else:
        emit(result, Format(format.value), output)
