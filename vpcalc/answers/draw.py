"""``vpcalc draw``: an architecture as the figure that one would draw by hand."""

from __future__ import annotations

from collections.abc import Mapping

from ..cost import Quantity
from ..pictures import Block, BlockChart
from ..pictures.data import Bar
from .model import sized
from .plot import Plot
from .plot_models import by_operator, dearest


def draw(
    name: str,
    *,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    set: Mapping[str, object] | None = None,
    args: Mapping[str, object] | None = None,
) -> Plot:
    """A model as a row of stages: resolution, width, depth and cost to scale.

    Args:
        name: what :func:`vpcalc.model` takes.
        input, tokens, src, tgt: the input's size, as for :func:`vpcalc.model`.
        set: changes to the architecture's settings.
        args: arguments of the factory of a module of your own.

    Raises:
        InputError: an unknown name, or a value that is not usable.
    """
    found = sized(name, input=input, tokens=tokens, src=src, tgt=tgt, set=set, args=args)
    blocks = []
    for node in found.cost.stages():
        stage = node.stage
        assert stage is not None
        cost = Bar(node.name, by_operator(node, Quantity.MACS))
        blocks.append(Block(node.name, stage.resolution or (1,), stage.channels, stage.depth, cost))
    finding = dearest([block.cost for block in blocks], Quantity.MACS)
    title = f"{found.id} at {found.size}: {finding}"
    grid = any(len(block.resolution) > 1 for block in blocks)
    subtitle = (
        f"to scale: {'height and depth the grid' if grid else 'height the tokens'}, thickness the channels, "
        "one square a block, bars the MACs"
    )
    inputs = {"model": found.id, "input": found.shape}
    chart = BlockChart(title, subtitle, tuple(blocks))
    return Plot("stages", inputs, chart, found.tables()[0], command="draw")
