"""``vpcalc models``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Format, FormatOption, OutputOption
from .output import emit


def models(
    family: Annotated[str | None, typer.Option("--family", help="Only this family, such as swin.")] = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """List the architectures that vpcalc knows.

    Example:  vpcalc models --family swin
    """
    from ..answers.models import models as ask

    emit(ask(family), format, output)
