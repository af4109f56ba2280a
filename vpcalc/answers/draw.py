"""``vpcalc draw``: an architecture as the figure that one would draw by hand."""

from __future__ import annotations

from collections.abc import Mapping

from ..cost import Quantity
from ..pictures import Block, BlockChart
from ..pictures.data import Bar
from .model import Model, sized
from .plot import Plot
from .plot_models import by_operator, dearest
from .priced import unpriced_words


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

    The stages of a module of your own stand in the order in which they run; one that reads from others than the
    one before it says from which.

    Args:
        name: what :func:`vpcalc.model` takes.
        input, tokens, src, tgt: the input's size, as for :func:`vpcalc.model`.
        set: changes to the architecture's settings.
        args: arguments of the factory of a module of your own.

    Raises:
        InputError: an unknown name, or a value that is not usable.
    """
    found = sized(name, input=input, tokens=tokens, src=src, tgt=tgt, set=set, args=args)
    flow = {} if isinstance(found, Model) else found.flow  # a model of ours is a row of stages
    order = {path: place for place, path in enumerate(flow)}
    blocks: list[Block] = []
    for node in sorted(found.cost.stages(), key=lambda node: order.get(node.name, len(order))):
        stage = node.stage
        assert stage is not None
        cost = Bar(node.name, by_operator(node, Quantity.MACS))
        sources = flow.get(node.name, ()) if blocks else ()
        sources = () if blocks and sources == (blocks[-1].name,) else sources
        blocks.append(Block(node.name, stage.resolution or (1,), stage.channels, stage.depth, cost, sources))
    finding = dearest(found.id, [block.cost for block in blocks], Quantity.MACS)
    title = f"{found.id} at {found.size}: {finding}"
    grid = any(len(block.resolution) > 1 for block in blocks)
    square = "one square a block, " if any(block.depth for block in blocks) else ""
    subtitle = (
        f"to scale: {'height and depth the grid' if grid else 'height the tokens'}, thickness the channels, "
        f"{square}bars the MACs"
    )
    if not isinstance(found, Model) and found.unknown:
        subtitle += f"; {unpriced_words(found.unknown)}"
    inputs = {"model": found.id, "input": found.shape}
    chart = BlockChart(title, subtitle, tuple(blocks))
    return Plot("stages", inputs, chart, found.tables()[0], command="draw")
