"""``vpcalc macros``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Format, FormatOption, OutputOption
from .output import deliver, emit


def macros(
    list: Annotated[
        str,
        typer.Argument(help="A TOML file with sections [formulas], [figures], [symbols].", metavar="LIST.toml"),
    ],
    trust: Annotated[
        bool, typer.Option("--trust", help="Run code that the list names (net.py:make): for a list of your own.")
    ] = False,
    format: FormatOption = Format.LATEX,
    output: OutputOption = None,
) -> None:
    r"""Write a LaTeX command for every formula and figure that a list names, to be read by \input.

    A list:  [formulas]   MsaCost = "msa"
             [figures]    SwinMacs = { of = "swin_t", input = 224 }

    Example:  vpcalc macros paper.toml -o vpcalc.tex
    """
    from ..answers.macros import macros as ask

    result = ask(list, trust=trust)
    if format is Format.LATEX:
        deliver(result.latex, output)
    else:
        emit(result, format, output)
