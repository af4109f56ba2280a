"""``vpcalc draw``."""

from __future__ import annotations

from .options import ArgOption, SetOption, bundled, changes, option
from .pictures import ModelArgument, Picture, Sizes


@bundled
def draw(
    model: ModelArgument,
    sizes: Sizes,
    set: SetOption = None,
    arg: ArgOption = None,
    block: bool = option(False, "--block", "Draw what its first block with a residual does, box by box."),
    part: str | None = option(None, "--part PATH", "That module instead of the first block: stages.2."),
    *,
    picture: Picture,
) -> None:
    """Draw an architecture: its stages as blocks, with resolution, width, depth and cost to scale.

    Examples:  vpcalc draw swin_t -o swin_t.pdf
               vpcalc draw swin_t --block -o block.tikz
    """
    from ..answers.draw import draw as ask

    picture.deliver(ask(model, **sizes._asdict(), **changes(set, arg), block=block, part=part))
