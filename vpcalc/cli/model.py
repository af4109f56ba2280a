"""``vpcalc model``."""

from __future__ import annotations

from .options import BatchOption, CheckOption, NameArgument, SetOption, Sizes, bundled, settings
from .output import Shown, finish, show, working


@bundled
def model(
    name: NameArgument,
    sizes: Sizes,
    set: SetOption = None,
    batch: BatchOption = "1",
    check: CheckOption = True,
    *,
    shown: Shown,
) -> None:
    """Show one architecture: stages, operators, closed form, published figures, and fvcore's count.

    Examples:  vpcalc model swin_t --input 224
               vpcalc model swin_t --set C=128 --set depths=2,2,18,2 --set heads=4,8,16,32
    """
    from ..answers.model import model as ask

    result = ask(name, **sizes._asdict(), set=settings(set), batch=batch, check=False)
    if not check:
        shown.emit(result)
        return
    if shown.at_once:
        show(result.tables()[:1], shown.exact)
        print(flush=True)
    with working("counting with fvcore …"):
        result = result.checked()
    if shown.at_once:
        show(result.tables()[1:], shown.exact)
        finish(result)
    else:
        shown.emit(result)
