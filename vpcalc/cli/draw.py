"""``vpcalc draw``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import SetOption, settings
from .pictures import DataOption, PictureOption, TerminalOption, TitleOption, WidthOption, deliver_plot


def draw(
    model: Annotated[str, typer.Argument(help="A model's id or alias; see vpcalc models.", metavar="MODEL")],
    input: Annotated[
        str | None, typer.Option("--input", help="Image side S, or HxW, in pixels.", metavar="S|HxW")
    ] = None,
    tokens: Annotated[str | None, typer.Option("--tokens", help="Length of a sequence.", metavar="N")] = None,
    src: Annotated[str | None, typer.Option("--src", help="Length of the source.", metavar="N")] = None,
    tgt: Annotated[str | None, typer.Option("--tgt", help="Length of the target.", metavar="N")] = None,
    set: SetOption = None,
    output: PictureOption = None,
    terminal: TerminalOption = False,
    format: DataOption = None,
    width: WidthOption = "6.9",
    title: TitleOption = True,
) -> None:
    """Draw an architecture: its stages as blocks, with resolution, width, depth and cost to scale.

    Example:  vpcalc draw swin_t -o swin_t.pdf
    """
    from ..answers.draw import draw as ask

    found = ask(model, input=input, tokens=tokens, src=src, tgt=tgt, set=settings(set))
    deliver_plot(found, output, terminal, format, width, title)
