"""``vpcalc model``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import (
    CheckOption,
    ColumnsOption,
    ExactOption,
    Format,
    FormatOption,
    OutputOption,
    SetOption,
    settings,
)
from .output import emit, finish, show, working


def model(
    name: Annotated[str, typer.Argument(help="A model's id or alias; see vpcalc models.", metavar="NAME")],
    input: Annotated[
        str | None, typer.Option("--input", help="Image side S, or HxW, in pixels.", metavar="S|HxW")
    ] = None,
    tokens: Annotated[str | None, typer.Option("--tokens", help="Length of a sequence.", metavar="N")] = None,
    src: Annotated[str | None, typer.Option("--src", help="Length of the source sequence.", metavar="N")] = None,
    tgt: Annotated[str | None, typer.Option("--tgt", help="Length of the target sequence.", metavar="N")] = None,
    set: SetOption = None,
    batch: Annotated[str, typer.Option("--batch", help="Images or sequences.", metavar="N")] = "1",
    check: CheckOption = True,
    exact: ExactOption = False,
    columns: ColumnsOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Show one architecture: stages, operators, closed form, published figures, and fvcore's count.

    Examples:  vpcalc model swin_t --input 224
               vpcalc model swin_t --set C=128 --set depths=2,2,18,2 --set heads=4,8,16,32
    """
    from ..answers.model import model as ask

    result = ask(name, input=input, tokens=tokens, src=src, tgt=tgt, set=settings(set), batch=batch, check=False)
    if not check:
        emit(result, format, output, exact, columns)
        return
    at_once = format is Format.TABLE and output is None and columns is None
    if at_once:
        show(result.tables()[:1], exact)
        print(flush=True)
    with working("counting with fvcore …"):
        result = result.checked()
    if at_once:
        show(result.tables()[1:], exact)
        finish(result)
    else:
        emit(result, format, output, exact, columns)
