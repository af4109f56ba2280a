"""``vpcalc macros``."""

from __future__ import annotations

from .options import Format, FormatOption, OutputOption, argument, option
from .output import deliver, emit


def macros(
    list: str = argument("LIST.toml", "A TOML file with sections [formulas], [figures], [symbols]."),
    trust: bool = option(False, "--trust", "Run code that the list names (net.py:make): for a list of your own."),
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
