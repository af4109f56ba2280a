"""``vpcalc theory``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from . import completion
from .options import ColumnsOption, Format, FormatOption, OutputOption, argument, described, option
from .output import columns_here, counting, deliver, emit, finish, listed, show

if TYPE_CHECKING:
    from ..answers.theory import Theory

PlotOption = Annotated[Path | None, described("--plot FILE", "Draw the plot into this .png, .svg or .pdf.")]


def theory(
    name: list[str] | None = argument(
        "[NAME|WORDS]",
        "A statement, a family of them, or words to look for; all of them if left out.",
        completion.statements,
        default=None,
    ),
    plot: PlotOption = None,
    check: bool | None = option(
        None, "--check/--no-check", "Carry the proofs out again, or show what is on record."
    ),
    columns: ColumnsOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Show statements about sequences and gradients, each with its derivation and its proof.

    Examples:  vpcalc theory
               vpcalc theory shifted window
               vpcalc theory rnn_gradient --format latex
               vpcalc theory receptive_field --plot reach.svg
    """
    from ..answers.theory import proves, require_plot
    from ..answers.theory import theory as ask

    asked = " ".join(name) if name else None
    if plot is not None:
        require_plot(asked, plot)
    with counting("proving") if proves(asked, check) else nullcontext() as progress:
        result = ask(asked, check=check, progress=progress)
    if plot is not None:
        result.save(plot)
    if result.alone and columns is None and format in (Format.LATEX, Format.MARKDOWN):
        deliver(result.passage(format.value), output)
        finish(result)
        return
    if format is Format.TABLE and output is None and columns is None and not result.alone:
        listed(result.heading(), result.entries(), result.footing())
        finish(result)
        return
    if format is Format.TABLE and output is None and columns is None:
        if plot is None and (picture := result.terminal(min(80, columns_here()))):
            deliver(picture + "\n", None)
        _read(result)
        finish(result)
        return
    emit(result, format, output, columns=columns)


def _read(result: Theory) -> None:
    """One statement in a terminal: its data as tables, then its derivation and its evidence as they are read."""
    settled = result.statements[0]
    if settled.demonstration is None:
        listed(result.heading(), result.entries(), result.footing())
        return
    if settled.demonstration.tables:
        show(settled.demonstration.tables, exact=False)
        print()
    derivation, evidence = result.passages()
    listed(*derivation, ())
    print()
    listed(*evidence, result.footing())
