"""``vpcalc formula``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from .options import Format, OutputOption, SetOption, settings
from .output import deliver, emit


class Spelling(str, Enum):
    """How a formula is written."""

    TEXT = "text"
    LATEX = "latex"
    TYPST = "typst"
    MATHML = "mathml"
    PYTHON = "python"
    JSON = "json"
    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"


def formula(
    name: Annotated[str, typer.Argument(help="A layer (msa, wmsa, sra …) or a model (swin_t …).", metavar="NAME")],
    quantity: Annotated[
        str,
        typer.Option(
            "--quantity",
            "-q",
            metavar="QUANTITY",
            help="macs, flops, fvcore, params, activations or attention_elements.",
        ),
    ] = "macs",
    format: Annotated[Spelling, typer.Option("--format", "-f", help="How to write the formula.")] = Spelling.TEXT,
    steps: Annotated[bool, typer.Option("--steps", help="Show how it adds up, operator by operator.")] = False,
    set: SetOption = None,
    output: OutputOption = None,
) -> None:
    """Print one closed form, alone, ready to paste.

    Examples:  vpcalc formula msa --format latex
               vpcalc formula wmsa --steps
    """
    from ..answers.formula import formula as ask

    result = ask(name, quantity=quantity, set=settings(set))
    tabular = {Spelling.JSON, Spelling.TABLE, Spelling.CSV, Spelling.MARKDOWN}
    if format in tabular or steps:
        spelled = Format(format.value) if format in tabular or format is Spelling.LATEX else Format.TABLE
        emit(result, spelled, output)
    else:
        deliver(result.spell(format.value), output)
