"""``vpcalc figure``."""

from __future__ import annotations

from enum import Enum

from . import completion
from .options import (
    ArgOption,
    BatchOption,
    ExactOption,
    Format,
    OutputOption,
    QuantityOption,
    SetOption,
    Sizes,
    argument,
    bundled,
    by_suffix,
    changes,
    option,
)
from .output import aside, deliver, emit


class Writing(str, Enum):
    """How a figure is written."""

    TEXT = "text"
    LATEX = "latex"
    SIUNITX = "siunitx"
    JSON = "json"
    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"


@bundled
def figure(
    name: str = argument(
        "NAME", "A model (swin_t …), a layer (msa …), or code: net.py:make(width=64).", completion.targets
    ),
    quantity: QuantityOption = "macs",
    *,
    sizes: Sizes,
    set: SetOption = None,
    arg: ArgOption = None,
    batch: BatchOption = "1",
    digits: str = option("4", "--digits NUMBER", "Significant digits."),
    exact: ExactOption = False,
    format: Writing = option(Writing.TEXT, "--format -f", "How to write the figure."),
    output: OutputOption = None,
) -> None:
    """Print one number, alone, ready to stand in a sentence.

    Examples:  vpcalc figure swin_t --quantity params
               vpcalc figure msa --set h=56 --set w=56 --set C=96 --set heads=3 --exact
    """
    from ..answers.figure import WRITINGS
    from ..answers.figure import figure as ask

    format = by_suffix(format, output)
    result = ask(
        name, quantity=quantity, **sizes._asdict(), **changes(set, arg), batch=batch, digits=digits, exact=exact
    )
    if format.value in WRITINGS:
        deliver(result.write(format.value), output)
        aside(result.assumptions)
    else:
        emit(result, Format(format.value), output)
