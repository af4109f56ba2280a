"""``vpcalc draw``: an architecture as the figure that one would draw by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..abstract.flow import INPUT, Step, between
from ..cost import Cost, Quantity
from ..pictures import Block, BlockChart
from ..pictures.data import Bar
from .draw_block import draw_block, steps_of
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
    block: bool = False,
    part: str | None = None,
) -> Plot:
    """A model as a row of stages: resolution, width, blocks and cost to scale; or one of its blocks.

    Stages stand in the order in which they run; one that reads from others than the one before it says from which.

    Args:
        name: what :func:`vpcalc.model` takes.
        input, tokens, src, tgt: the input's size, as for :func:`vpcalc.model`.
        set: changes to the architecture's settings.
        args: arguments of the factory of a module of your own.
        block: whether to draw what the first block with a residual does, instead of all stages.
        part: the module to draw instead of that block, by its path, such as ``"stages.2"``.

    Raises:
        InputError: an unknown name, or a value that is not usable.
    """
    found = sized(name, input=input, tokens=tokens, src=src, tgt=tgt, set=set, args=args)
    if block or part is not None:
        return draw_block(found, part)
    stages = list(found.cost.stages())
    steps: list[Step] = []
    inputs: tuple[tuple[str, str], ...] = ()
    flow: Mapping[str, tuple[str, ...]]
    if isinstance(found, Model):
        steps, inputs = steps_of(found), _inputs(found)
        flow = _between_stages(steps, stages)
    else:
        flow = found.flow
    order = {path: place for place, path in enumerate(flow)}
    blocks: list[Block] = []
    for node in sorted(stages, key=lambda node: order.get(node.name, len(order))):
        stage = node.stage
        assert stage is not None
        cost = Bar(node.name, by_operator(node, Quantity.MACS))
        read = flow.get(node.name, ())
        given = tuple(words for source, words in inputs if source in read)
        sources = tuple(source for source in read if source not in dict(inputs)) if blocks else ()
        through = _through(steps, node.name, sources) if given and len(sources) == 1 else ()
        sources = () if blocks and sources == (blocks[-1].name,) else sources
        resolution = stage.resolution or (1,)
        parts = _parts(node) if stage.depth else ()
        blocks.append(
            Block(node.name, resolution, stage.channels, stage.depth, cost, sources, through, given, parts)
        )
    finding = dearest(found.id, [block.cost for block in blocks], Quantity.MACS)
    title = f"{found.id} at {found.size}: {finding}"
    grid = any(len(block.resolution) > 1 for block in blocks)
    each = " of a block" if any(block.depth for block in blocks) else ""
    subtitle = (
        f"to scale: {'height and depth the grid' if grid else 'height the tokens'}, thickness the channels"
        f"{each}, bars the MACs"
    )
    if not isinstance(found, Model) and found.unknown:
        subtitle += f"; {unpriced_words(found.unknown)}"
    chart = BlockChart(title, subtitle, tuple(blocks))
    return Plot("stages", {"model": found.id, "input": found.shape}, chart, found.tables()[0], command="draw")


def _stage_of(step: Step, names: Mapping[str, object]) -> str | None:
    return next((title for title in step.titles if title in names), None)


def _between_stages(steps: list[Step], stages: list[Cost]) -> dict[str, tuple[str, ...]]:
    """For each stage the stages that it reads, and the inputs."""
    names = {stage.name: stage for stage in stages}
    inputs = max((-source for step in steps for source in step.sources), default=1)
    return between(steps, lambda step: _stage_of(step, names), max(inputs, 1))


def _inputs(found: Model) -> tuple[tuple[str, str], ...]:
    """What a model with several inputs is given: the name of each in the flow, and in words."""
    names = {"src": "source", "tgt": "target"}
    options = found.architecture.family.axes.options
    if len(options) == 1 or len(found.sizes) != len(options) or found.config.get("part", "both") != "both":
        return ()
    sizes = zip(options, found.sizes, strict=True)
    return tuple(
        (f"{INPUT} {place}", f"{names.get(option, option)}: {size} tokens")
        for place, (option, size) in enumerate(sizes, start=1)
    )


def _through(steps: list[Step], stage: str, sources: tuple[str, ...]) -> tuple[str, ...]:
    """By what a stage reads another one, and how often: ``cross attention``, ``×6``."""
    readers = {
        (step.modules[-2] if len(step.modules) > 1 else step.path): step.titles[-1]
        for step in steps
        if stage in step.titles
        and any(source >= 0 and set(sources) & set(steps[source].titles) for source in step.sources)
    }
    times = Counter(title.replace("_", " ") for title in readers.values())
    if len(times) != 1:
        return ()
    ((title, number),) = times.items()
    return (*title.split(" "), *([f"×{number}"] if number > 1 else []))


def _parts(node: Cost) -> tuple[Bar, ...]:
    """What a stage's cost is made of: its blocks, each on its own, and what stands before and after them."""
    found: list[Bar] = []
    own = Cost("", node.ops)
    for child in (own, *node.children):
        bar = Bar(child.name, by_operator(Cost(child.name, child.ops, child.children), Quantity.MACS))
        if bar.total:
            found += [bar] * int(child.times)
    return tuple(found)
