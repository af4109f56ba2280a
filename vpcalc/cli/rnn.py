"""``vpcalc rnn``."""

from __future__ import annotations

from .options import ColumnsOption, ExactOption, Format, FormatOption, OutputOption, option
from .output import emit, working
from .theory import PlotOption


def rnn(
    T: str = option("100", "--T STEPS", "Time steps."),
    n: str = option("64", "--n SIZE", "Hidden size."),
    d: str = option("32", "--d SIZE", "Input size."),
    sigma: str = option("1.1", "--sigma NUMBER", "Largest singular value of W."),
    activation: str = option("tanh", "--activation NAME", "tanh, sigmoid, relu or identity."),
    weights: str = option("gaussian", "--weights NAME", "W is gaussian or orthogonal, scaled to sigma."),
    clip: str = option("1", "--clip NUMBER", "Clip the gradient at this norm."),
    dtype: str = option("float64", "--dtype TYPE", "float64 or float32."),
    seed: str = option("0", "--seed NUMBER", "Of weights and inputs."),
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
    from ..report.plots_theory import format_of

    if plot is not None:
        format_of(plot)
    with working("propagating …"):
        result = ask(T, n, d, sigma, activation, seed, dtype, weights=weights, clip=clip)
    if plot is not None:
        result.save(plot)
    emit(result, format, output, exact, columns)
