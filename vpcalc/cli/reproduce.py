"""``vpcalc reproduce``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..optional import counts
from . import completion
from .options import CheckOption, ColumnsOption, Format, FormatOption, OutputOption
from .output import counting, emit


def reproduce(
    family: Annotated[
        str | None,
        typer.Argument(
            help="Only this family, such as swin or pvt_v2.",
            metavar="[FAMILY]",
            autocompletion=completion.families,
        ),
    ] = None,
    check: CheckOption = None,
    columns: ColumnsOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Set published figures beside the derived and the counted ones.

    Example:  vpcalc reproduce swin
    """
    from ..answers.reproduce import reproduce as ask

    if not counts(check):
        emit(ask(family, check=False), format, output, columns=columns)
        return
    with counting("counting models") as progress:
        result = ask(family, progress=progress)
    emit(result, format, output, columns=columns)
