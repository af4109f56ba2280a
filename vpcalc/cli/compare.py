"""``vpcalc compare``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError, either
from ..optional import counts
from . import completion
from .options import LAYERS, CheckOption, DimensionOption, PoolOption, WindowOption, bundled, dimensions, ids
from .output import COUNTING, Shown, finish, show, working

if TYPE_CHECKING:
    from ..answers.compare import Comparison


@bundled
def compare(
    h: Annotated[str, typer.Option("--h", help="Height of the token grid.", metavar="TOKENS")],
    w: Annotated[str, typer.Option("--w", help="Width of the token grid.", metavar="TOKENS")],
    C: Annotated[str, typer.Option("--C", help="Channels of a token.", metavar="CHANNELS")] = "96",
    heads: Annotated[
        str | None,
        typer.Option("--heads", help="Attention heads: C/32 where that is whole, else 1.", metavar="HEADS"),
    ] = None,
    batch: Annotated[str, typer.Option("--batch", help="Images.", metavar="IMAGES")] = "1",
    dtype: Annotated[
        str,
        typer.Option(
            "--dtype", help="Element type of the attention maps.", metavar="TYPE", autocompletion=completion.dtypes
        ),
    ] = "float32",
    rows: Annotated[
        str | None,
        typer.Option(
            "--rows",
            help="Layers to compare, by id: msa,wmsa,ffn …, and modules of your own, their arguments and the "
            "shape of their input in the grid's symbols: attn.py:X(dim=C,window=M)@1,hw,C.",
            metavar="ROW,ROW…",
            autocompletion=completion.rows,
            rich_help_panel=LAYERS,
        ),
    ] = None,
    M: WindowOption = "7",
    R: Annotated[
        str | None,
        typer.Option(
            "--R",
            help="Spatial reduction ratio of SRA: 8, or what the grid allows.",
            metavar="RATIO",
            rich_help_panel=LAYERS,
        ),
    ] = None,
    P: PoolOption = "7",
    k: Annotated[
        str,
        typer.Option("--k", help="Kernel side, for convolution rows.", metavar="TOKENS", rich_help_panel=LAYERS),
    ] = "3",
    r: Annotated[
        str, typer.Option("--r", help="Expansion, for feed-forward rows.", metavar="RATIO", rich_help_panel=LAYERS)
    ] = "4",
    chunk: Annotated[
        str | None,
        typer.Option(
            "--chunk",
            help="Tokens of a chunk, for chunkwise retention.",
            metavar="TOKENS",
            rich_help_panel=LAYERS,
        ),
    ] = None,
    set: DimensionOption = None,
    check: CheckOption = None,
    *,
    shown: Shown,
) -> None:
    """Compare kinds of attention on one grid of tokens: cost, closed form, and where they cross.

    Example:  vpcalc compare --h 56 --w 56 --C 96 --M 7
    """
    from ..answers.compare import compare as ask

    others = {"R": R, "P": P, "heads": heads, "k": k, "r": r, "chunk": chunk}
    result = ask(h, w, C, M, **others, set=dimensions(set), batch=batch, dtype=dtype, rows=ids(rows), check=False)
    _refuse_idle({"M": M, **others}, result)
    counted = counts(check)
    if counted and shown.at_once and sys.stdout.isatty():
        result = _filling_in(result, shown.exact)
        show(result.tables()[1:], shown.exact)
        finish(result)
        return
    if counted:
        with working(COUNTING):
            result = result.checked()
    shown.emit(result)


USUAL = {"M": "7", "P": "7", "k": "3", "r": "4"}
"""Defaults of options that are dimensions of some layers; others have none, or one that depends."""


def _refuse_idle(given: Mapping[str, str | None], result: Comparison) -> None:
    """Refuse a dimension that none of the rows has."""
    from ..layers import LAYERS

    for name, value in given.items():
        if value != USUAL.get(name) and not any(name in row.layer.dims for row in result.rows):
            having = [id for id, layer in LAYERS.items() if name in layer.dims]
            raise InputError(f"--{name} {value}: no row depends on it; --rows {either(having[:3])} would")


def _filling_in(result: Comparison, exact: bool) -> Comparison:
    """The table at once, its verdicts as they come; one display holds the spinner too, as two would overwrite."""
    from rich.console import Group
    from rich.live import Live
    from rich.spinner import Spinner

    from ..report.terminal import View

    def view(now: Comparison) -> View:
        return View(now.tables()[:1], exact)

    spinner = Spinner("dots", COUNTING)
    with Live(Group(view(result), spinner)) as live:
        result = result.checked(lambda now: live.update(Group(view(now), spinner), refresh=True))
        live.update(view(result), refresh=True)
    print()
    return result
