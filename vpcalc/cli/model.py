"""``vpcalc model``."""

from __future__ import annotations

from typing import Any

from ..optional import counts
from .options import (
    ArgOption,
    BackboneOption,
    BatchOption,
    CheckOption,
    NamesArgument,
    SetOption,
    Sizes,
    bundled,
    changes,
    standing,
)
from .output import COUNTING, Shown, finish, show, working


@bundled
def model(
    names: NamesArgument,
    sizes: Sizes,
    backbone: BackboneOption = None,
    set: SetOption = None,
    arg: ArgOption = None,
    batch: BatchOption = "1",
    check: CheckOption = None,
    *,
    shown: Shown,
) -> None:
    """Show one architecture: stages, operators, closed form, published figures, and fvcore's count; or several.

    Examples:  vpcalc model swin_t --input 224
               vpcalc model swin_t convnext_t resnet50 --input 800x1280
               vpcalc model swin_t --set C=128 --set depths=2,2,18,2 --set heads=4,8,16,32
               vpcalc model semantic_fpn --backbone pvt_tiny --input 512
               vpcalc model transformers:bert --tokens 128
    """
    from ..answers.model import model as ask

    asked: Any = {**sizes._asdict(), **changes(standing(set, backbone), arg), "batch": batch, "check": False}
    if len(names) > 1:
        _beside(names, asked, check, shown)
        return
    result = ask(names[0], **asked)
    if not counts(check):
        shown.emit(result)
        return
    if shown.at_once:
        show(result.tables()[:1], shown.exact)
        print(flush=True)
    with working(COUNTING):
        result = result.checked()
    if shown.at_once:
        show(result.tables()[1:], shown.exact)
        finish(result)
    else:
        shown.emit(result)


def _beside(names: list[str], asked: Any, check: bool | None, shown: Shown) -> None:
    """Several of them, a column each."""
    from ..answers.side_by_side import side_by_side

    result = side_by_side(names, **asked)
    if counts(check):
        with working(COUNTING):
            result = result.checked()
    shown.emit(result)
