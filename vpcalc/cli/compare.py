"""``vpcalc compare``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import InputError, either
from ..optional import counts
from . import completion
from .options import (
    LAYERS,
    CheckOption,
    DimensionOption,
    PoolOption,
    WindowOption,
    bundled,
    dimensions,
    ids,
    option,
)
from .output import COUNTING, Shown, finish, show, working

if TYPE_CHECKING:
    from ..answers.compare import Comparison


@bundled
def compare(
    h: str = option(..., "--h TOKENS", "Height of the token grid."),
    w: str = option(..., "--w TOKENS", "Width of the token grid."),
    C: str = option("96", "--C CHANNELS", "Channels of a token."),
    heads: str | None = option(None, "--heads HEADS", "Attention heads: C/32 where that is whole, else 1."),
    batch: str = option("1", "--batch IMAGES", "Images."),
    dtype: str = option(
        "float32", "--dtype TYPE", "Element type of the attention maps.", complete=completion.dtypes
    ),
    rows: str | None = option(
        None,
        "--rows ROW,ROW…",
        "Layers to compare, by id: msa,wmsa,ffn …, and modules of your own, their arguments and the "
        "shape of their input in the grid's symbols: attn.py:X(dim=C,window=M)@1,hw,C; with ours= in front "
        "it is called ours.",
        LAYERS,
        complete=completion.rows,
    ),
    M: WindowOption = "7",
    R: str | None = option(
        None, "--R RATIO", "Spatial reduction ratio of SRA: 8, or what the grid allows.", LAYERS
    ),
    P: PoolOption = "7",
    k: str = option("3", "--k TOKENS", "Kernel side, for convolution rows.", LAYERS),
    r: str = option("4", "--r RATIO", "Expansion, for feed-forward rows.", LAYERS),
    chunk: str | None = option(None, "--chunk TOKENS", "Tokens of a chunk, for chunkwise retention.", LAYERS),
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
