"""``vpcalc reproduce``."""

from __future__ import annotations

from ..optional import counts
from . import completion
from .options import CheckOption, ColumnsOption, Format, FormatOption, OutputOption, argument
from .output import counting, emit


def reproduce(
    family: str | None = argument(
        "[FAMILY]", "Only this family, such as swin or pvt_v2.", completion.families, default=None
    ),
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
