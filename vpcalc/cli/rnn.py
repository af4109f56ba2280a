"""``vpcalc rnn``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import ColumnsOption, ExactOption, Format, FormatOption, OutputOption
from .output import deliver, emit, finish, working
from .theory import PlotOption


def rnn(
    T: Annotated[str, typer.Option("--T", help="Time steps.", metavar="STEPS")] = "100",
    n: Annotated[str, typer.Option("--n", help="Hidden size.", metavar="SIZE")] = "64",
    d: Annotated[str, typer.Option("--d", help="Input size.", metavar="SIZE")] = "32",
    sigma: Annotated[str, typer.Option("--sigma", help="Largest singular value of W.", metavar="NUMBER")] = "1.1",
    activation: Annotated[
        str, typer.Option("--activation", help="tanh, sigmoid, relu or identity.", metavar="NAME")
    ] = "tanh",
    weights: Annotated[
        str, typer.Option("--weights", help="W is gaussian or orthogonal, scaled to sigma.", metavar="NAME")
    ] = "gaussian",
    clip: Annotated[str, typer.Option("--clip", help="Clip the gradient at this norm.", metavar="NUMBER")] = "1",
    dtype: Annotated[str, typer.Option("--dtype", help="float64 or float32.", metavar="TYPE")] = "float64",
    seed: Annotated[str, typer.Option("--seed", help="Of weights and inputs.", metavar="NUMBER")] = "0",
    plot: PlotOption = None,
    columns: ColumnsOption = None,
    exact: ExactOption = False,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Show whether a recurrent network's gradient vanishes or explodes, next to the bound, and what it costs.

    Examples:  vpcalc rnn --T 100 --n 64 --d 32 --sigma 1.1 --activation tanh
               vpcalc rnn --sigma 0.9 --plot norms.svg
    """
    from ..answers.rnn import rnn as ask
    from ..report.markup import csv_text
    from ..report.plots_theory import format_of

    if plot is not None:
        format_of(plot)
    with working("propagating …"):
        result = ask(T, n, d, sigma, activation, seed, dtype, weights=weights, clip=clip)
    if plot is not None:
        result.save(plot)
    if format is Format.CSV and columns is None:
        deliver(csv_text(result.by_lag()), output)
        finish(result)
    else:
        emit(result, format, output, exact, columns)
