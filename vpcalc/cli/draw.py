"""``vpcalc draw``."""

from __future__ import annotations

from .options import ArgOption, SetOption, bundled, changes
from .pictures import ModelArgument, Picture, Sizes


@bundled
def draw(
    model: ModelArgument, sizes: Sizes, set: SetOption = None, arg: ArgOption = None, *, picture: Picture
) -> None:
    """Draw an architecture: its stages as blocks, with resolution, width, depth and cost to scale.

    Example:  vpcalc draw swin_t -o swin_t.pdf
    """
    from ..answers.draw import draw as ask

    picture.deliver(ask(model, **sizes._asdict(), **changes(set, arg)))
