"""``vpcalc theory``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from .options import ColumnsOption, Format, FormatOption, OutputOption
from .output import counting, deliver, emit, finish

PlotOption = Annotated[
    Path | None, typer.Option("--plot", help="Draw the plot into this .png, .svg or .pdf.", metavar="FILE")
]


def theory(
    name: Annotated[
        str | None,
        typer.Argument(help="A statement, or a family of them; all of them if left out.", metavar="[NAME]"),
    ] = None,
    plot: PlotOption = None,
    check: Annotated[
        bool | None,
        typer.Option("--check/--no-check", help="Carry the proofs out, as for one statement, or show the record."),
    ] = None,
    columns: ColumnsOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Show statements about sequences and gradients, each with its derivation and its proof.

    Examples:  vpcalc theory
               vpcalc theory rnn_gradient --format latex
               vpcalc theory receptive_field --plot reach.svg
    """
    from ..answers.theory import proves, require_plot
    from ..answers.theory import theory as ask

    if plot is not None:
        require_plot(name, plot)
    with counting("proving …") if proves(name, check) else nullcontext() as progress:
        result = ask(name, check=check, progress=progress)
    if plot is not None:
        result.save(plot)
    if result.alone and columns is None and format in (Format.LATEX, Format.MARKDOWN):
        deliver(result.passage(format.value), output)
        finish(result)
        return
    if format is Format.TABLE and output is None and plot is None and (picture := result.terminal()):
        deliver(picture + "\n", None)
    emit(result, format, output, columns=columns)
