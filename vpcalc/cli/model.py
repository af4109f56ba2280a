"""``vpcalc model``."""

from __future__ import annotations

from .options import ArgOption, BatchOption, CheckOption, NameArgument, SetOption, Sizes, bundled, changes
from .output import Shown, finish, show, working


@bundled
def model(
    name: NameArgument,
    sizes: Sizes,
    set: SetOption = None,
    arg: ArgOption = None,
    batch: BatchOption = "1",
    check: CheckOption = True,
    *,
    shown: Shown,
) -> None:
    """Show one architecture: stages, operators, closed form, published figures, and fvcore's count.

    Examples:  vpcalc model swin_t --input 224
               vpcalc model swin_t --set C=128 --set depths=2,2,18,2 --set heads=4,8,16,32
               vpcalc model transformers:bert --tokens 128
    """
    from ..answers.model import model as ask

    result = ask(name, **sizes._asdict(), **changes(set, arg), batch=batch, check=False)
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
