"""``vpcalc plot``: one command a chart."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import typer

from . import completion
from .crossover import AtOption, RangeOption, SideArgument
from .options import (
    LAYERS,
    ArgOption,
    AttentionOption,
    BatchOption,
    DimensionOption,
    ImageOption,
    PoolOption,
    SetOption,
    WhereOption,
    WindowOption,
    argument,
    bundled,
    changes,
    described,
    dimensions,
    ids,
    named,
    option,
    settings,
)
from .output import aside
from .pictures import ModelArgument, Picture, Sizes
from .written import Command

app = typer.Typer(
    help="Plot costs: -o FILE.svg, .pdf or .png, or in the terminal.",
    epilog="Try:  vpcalc plot crossover   or   vpcalc plot stages swin_t -o stages.svg",
    no_args_is_help=False,
)

SHEET = "Sheet"
FRONT = "A Pareto front"

FromOption = Annotated[str, described("--from TOKENS", "Side of the smallest grid.", SHEET)]
ToOption = Annotated[str, described("--to TOKENS", "Side of the largest grid.", SHEET)]
QuantityOption = Annotated[
    str,
    described(
        "--quantity -q QUANTITY", "macs, flops, fvcore, params or activations.", complete=completion.quantities
    ),
]
ModelsArgument = Annotated[
    list[str] | None, argument("[MODEL …]", "Models; a few well-known ones if none.", completion.models)
]


class Layers(NamedTuple):
    """The layers of a sheet, and their dimensions."""

    C: str = option("96", "--C CHANNELS", "Channels of a token.", LAYERS)
    M: WindowOption = "7"
    R: str = option("8", "--R RATIO", "Spatial reduction ratio of SRA.", LAYERS)
    P: PoolOption = "7"
    heads: str | None = option(None, "--heads HEADS", "C/32 where that is whole, else 1.", LAYERS)
    chunk: str | None = option(None, "--chunk TOKENS", "Tokens of a chunk of retention.", LAYERS)
    set: DimensionOption = None
    rows: str | None = option(
        None,
        "--rows ROW,ROW…",
        "Layers, by id: msa,wmsa …, or code as compare takes it: ours=attn.py:X(dim=C)@1,hw,C.",
        LAYERS,
        complete=completion.rows,
    )

    def chosen(self) -> dict[str, Any]:
        """The same with the ids of the rows and their other dimensions apart."""
        return {**self._asdict(), "rows": ids(self.rows), "set": dimensions(self.set)}


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    """Plot costs: -o FILE.svg, .pdf or .png, or in the terminal."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(cls=Command)
@bundled
def crossover(layers: Layers, low: FromOption = "4", high: ToOption = "512", *, picture: Picture) -> None:
    """Cost of attention against resolution, with the points where the curves cross.

    Example:  vpcalc plot crossover --C 96 --M 7 -o crossover.svg
    """
    from ..answers.plot import plot_crossover

    picture.deliver(plot_crossover(**layers.chosen(), low=low, high=high))


@app.command(cls=Command)
@bundled
def region(
    first: SideArgument,
    second: SideArgument,
    quantity: str = option("macs", "--quantity -q QUANTITY", "What formula knows."),
    at: AtOption = None,
    range: RangeOption = None,
    *,
    picture: Picture,
) -> None:
    """Who costs less over two symbols: those that --at leaves.

    Example:  vpcalc plot region msa wmsa --at C=96 --at heads=3 --at w=h --range h=2:64 --range M=2:16
    """
    from ..answers.plot_region import plot_region

    sizes = named("--range", range, "--range h=1:64")
    found = plot_region(first, second, quantity=quantity, at=named("--at", at, "--at C=96"), range=sizes)
    picture.deliver(found)
    if picture.format is None:  # numbers have them below
        aside(found.data.notes)


@app.command(cls=Command)
@bundled
def memory(
    layers: Layers,
    dtype: str = option(
        "float32", "--dtype TYPE", "Element type of the maps.", LAYERS, complete=completion.dtypes
    ),
    fit: str = option("24GiB", "--fit SIZE", "A device's memory, as a line.", SHEET),
    low: FromOption = "4",
    high: ToOption = "512",
    *,
    picture: Picture,
) -> None:
    """Bytes of attention maps against resolution, and where they fill a device.

    Example:  vpcalc plot memory --fit 80GiB -o memory.pdf
    """
    from ..answers.plot import plot_memory

    picture.deliver(plot_memory(**layers.chosen(), dtype=dtype, fit=fit, low=low, high=high))


@app.command(cls=Command)
@bundled
def resolution(
    models: ModelsArgument = None,
    low: str = option("64", "--from PIXELS", "Side of the smallest image."),
    high: str = option("1280", "--to PIXELS", "Side of the largest image."),
    step: str = option("32", "--step PIXELS", "From one side to the next."),
    *,
    picture: Picture,
) -> None:
    """Cost of whole models against the image's side, padding included.

    Example:  vpcalc plot resolution swin_t vit_s_16 -o growth.svg
    """
    from ..answers.plot import plot_resolution

    options = {"low": low, "high": high, "step": step}
    picture.deliver(plot_resolution(models, **options) if models else plot_resolution(**options))


@app.command(cls=Command)
@bundled
def stages(
    model: ModelArgument,
    sizes: Sizes,
    set: SetOption = None,
    arg: ArgOption = None,
    quantity: QuantityOption = "macs",
    *,
    picture: Picture,
) -> None:
    """Cost of one model by stage, split by operator.

    Example:  vpcalc plot stages swin_t --quantity params -o stages.svg
    """
    from ..answers.plot_models import plot_stages

    picture.deliver(plot_stages(model, **sizes._asdict(), **changes(set, arg), quantity=quantity))


@app.command(cls=Command)
@bundled
def operators(
    models: ModelsArgument = None,
    input: ImageOption = None,
    quantity: QuantityOption = "macs",
    shares: bool = option(False, "--shares", "Bars of the same length, showing shares."),
    *,
    picture: Picture,
) -> None:
    """Cost of several models by operator, a stacked bar each.

    Example:  vpcalc plot operators swin_t vit_s_16 --input 384 --shares
    """
    from ..answers.plot_models import plot_operators

    picture.deliver(plot_operators(*([models] if models else []), input=input, quantity=quantity, shares=shares))


@app.command(cls=Command)
@bundled
def models(
    family: list[str] | None = option(
        None, "--family FAMILY", "Only this one; may be repeated.", complete=completion.families
    ),
    pareto: str | None = option(
        None, "--pareto X,Y", "Between two other quantities, with the front: macs,top1.", FRONT
    ),
    *,
    sizes: Sizes,
    set: SetOption = None,
    where: WhereOption = None,
    batch: str | None = option(None, "--batch N", "Images, else 1.", FRONT),
    dtype: str | None = option(None, "--dtype TYPE", "Else float32.", FRONT, complete=completion.dtypes),
    amp: str | None = option(None, "--amp TYPE", "Autocast to float16 or bfloat16.", FRONT),
    picture: Picture,
) -> None:
    """Parameters against cost of all models, with the published points; or a Pareto front.

    Examples:  vpcalc plot models --family swin --family pvt_v2 -o models.png
               vpcalc plot models --pareto macs,top1 --input 800x1280 -o front.svg
    """
    from ..answers.plot_models import plot_models

    asked: dict[str, Any] = {
        **sizes._asdict(),
        "set": settings(set),
        "where": where,
        "batch": batch,
        "dtype": dtype,
        "amp": amp,
    }
    picture.deliver(plot_models(family or None, pareto=pareto, **asked))


@app.command(cls=Command)
@bundled
def roofline(
    model: ModelArgument,
    device: str = option("a100_80gb", "--device ID", "An accelerator or CPU.", complete=completion.devices),
    devices: str | None = option(None, "--devices FILE", "A CSV file of devices."),
    *,
    sizes: Sizes,
    set: SetOption = None,
    arg: ArgOption = None,
    batch: BatchOption = "1",
    dtype: str = option("float32", "--dtype TYPE", "Of weights and activations.", complete=completion.dtypes),
    attention: AttentionOption = "eager",
    picture: Picture,
) -> None:
    """What a device can do at most, and where the operators of a model stand on it.

    Example:  vpcalc plot roofline swin_t --device a100_80gb --batch 64 -o roofline.svg
    """
    from ..answers.plot_roofline import plot_roofline

    ways: dict[str, Any] = {"dtype": dtype, "attention": attention, "device": device, "devices": devices}
    ways |= changes(set, arg)
    picture.deliver(plot_roofline(model, **sizes._asdict(), batch=batch, **ways))
