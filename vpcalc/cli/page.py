"""``vpcalc page``."""

from __future__ import annotations

import sys
from enum import Enum

from ..errors import InputError
from . import completion
from .options import (
    ArgOption,
    BatchOption,
    Format,
    OutputOption,
    SetOption,
    Sizes,
    argument,
    bundled,
    ids,
    named,
    option,
)
from .output import deliver, emit, working


class Shape(str, Enum):
    """What is written."""

    HTML = "html"
    JSON = "json"
    TABLE = "table"
    MARKDOWN = "markdown"


@bundled
def page(
    target: str = argument(
        "TARGET",
        "compare, a layer (msa …), a model (swin_t …), or code: net.py:make(width=64).",
        completion.pages,
        "compare",
    ),
    rows: str | None = option(
        None,
        "--rows ROW,ROW…",
        "Of a comparison the layers, and modules of your own: msa,wmsa,attn.py:X(dim=C,window=M)@1,hw,C.",
        complete=completion.rows,
    ),
    set: SetOption = None,
    *,
    sizes: Sizes,
    batch: BatchOption = "1",
    arg: ArgOption = None,
    range: list[str] | None = option(
        None, "--range NAME=FROM:TO", "Sizes at which code is explored. May be repeated."
    ),
    format: Shape = option(Shape.HTML, "--format -f", "html is the page; the others say what is on it."),
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

    if format is Shape.HTML and output is None and sys.stdout.isatty():
        raise InputError("--output: a page is for a browser, not for a terminal: -o page.html")
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
