"""``vpcalc page``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from . import completion
from .options import ArgOption, BatchOption, Format, OutputOption, SetOption, Sizes, bundled, ids, named
from .output import deliver, emit, working


class Shape(str, Enum):
    """What is written."""

    HTML = "html"
    JSON = "json"
    TABLE = "table"
    MARKDOWN = "markdown"


@bundled
def page(
    target: Annotated[
        str,
        typer.Argument(
            help="compare, a layer (msa …), a model (swin_t …), or code: net.py:make.",
            metavar="TARGET",
            autocompletion=completion.pages,
        ),
    ] = "compare",
    rows: Annotated[
        str | None,
        typer.Option(
            "--rows",
            metavar="ROW,ROW…",
            help="Of a comparison the layers, and modules of your own: msa,wmsa,attn.py:X(dim=C,window=M)@1,hw,C.",
            autocompletion=completion.rows,
        ),
    ] = None,
    set: SetOption = None,
    *,
    sizes: Sizes,
    batch: BatchOption = "1",
    arg: ArgOption = None,
    range: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="NAME=FROM:TO", help="Sizes at which code is explored. May be repeated."),
    ] = None,
    format: Annotated[
        Shape, typer.Option("--format", "-f", help="html is the page; the others say what is on it.")
    ] = Shape.HTML,
    output: OutputOption = None,
) -> None:
    """Write one page that one can play with: sliders, exact figures, formulas whose terms light up, a chart.

    It is one file that needs no network. What it begins with is set here: --set h=14 of a comparison, --input of a
    model; the rest is for the reader.

    Examples:  vpcalc page compare -o page.html
               vpcalc page swin_t -o swin_t.html
               vpcalc page model.py:make --input 1,N,C --arg dim=C --arg num_heads=3 -o page.html
    """
    from ..answers.page import page as ask

    with working("deriving the forms …"):
        result = ask(
            target,
            rows=ids(rows),
            set=named("--set", set, "--set C=128"),
            **sizes._asdict(),
            batch=batch,
            args=named("--arg", arg, "--arg dim=C"),
            range=named("--range", range, "--range N=1:4096"),
        )
    if format is Shape.HTML:
        deliver(result.html.removesuffix("\n"), output)
    else:
        emit(result, Format(format.value), output)
