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
    bundled,
    changes,
    dimensions,
    ids,
    named,
    settings,
)
from .pictures import ModelArgument, Picture, Sizes
from .written import Command

app = typer.Typer(
    help="Plot costs: -o FILE.svg, .pdf or .png, or in the terminal.",
    epilog="Try:  vpcalc plot crossover   or   vpcalc plot stages swin_t -o stages.svg",
    no_args_is_help=False,
)

SHEET = "Sheet"
FRONT = "A Pareto front"

FromOption = Annotated[
    str, typer.Option("--from", help="Side of the smallest grid.", metavar="TOKENS", rich_help_panel=SHEET)
]
ToOption = Annotated[
    str, typer.Option("--to", help="Side of the largest grid.", metavar="TOKENS", rich_help_panel=SHEET)
]
QuantityOption = Annotated[
    str,
    typer.Option(
        "--quantity",
        "-q",
        metavar="QUANTITY",
        help="macs, flops, fvcore, params or activations.",
        autocompletion=completion.quantities,
    ),
]
ModelsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        help="Models; a few well-known ones if none.", metavar="[MODEL …]", autocompletion=completion.models
    ),
]


class Layers(NamedTuple):
    """The layers of a sheet, and their dimensions."""

    C: Annotated[
        str, typer.Option("--C", help="Channels of a token.", metavar="CHANNELS", rich_help_panel=LAYERS)
    ] = "96"
    M: WindowOption = "7"
    R: Annotated[
        str, typer.Option("--R", help="Spatial reduction ratio of SRA.", metavar="RATIO", rich_help_panel=LAYERS)
    ] = "8"
    P: PoolOption = "7"
    heads: Annotated[
        str | None,
        typer.Option("--heads", help="C/32 where that is whole, else 1.", metavar="HEADS", rich_help_panel=LAYERS),
    ] = None
    chunk: Annotated[
        str | None,
        typer.Option("--chunk", help="Tokens of a chunk of retention.", metavar="TOKENS", rich_help_panel=LAYERS),
    ] = None
    set: DimensionOption = None
    rows: Annotated[
        str | None,
        typer.Option(
            "--rows",
            help="Layers, by id: msa,wmsa …, or code as compare takes it: attn.py:X(dim=C)@1,hw,C.",
            metavar="ROW,ROW…",
            autocompletion=completion.rows,
            rich_help_panel=LAYERS,
        ),
    ] = None

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
    quantity: Annotated[
        str, typer.Option("--quantity", "-q", metavar="QUANTITY", help="What formula knows.")
    ] = "macs",
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
    picture.deliver(plot_region(first, second, quantity=quantity, at=named("--at", at, "--at C=96"), range=sizes))


@app.command(cls=Command)
@bundled
def memory(
    layers: Layers,
    dtype: Annotated[
        str,
        typer.Option(
            "--dtype",
            metavar="TYPE",
            help="Element type of the maps.",
            autocompletion=completion.dtypes,
            rich_help_panel=LAYERS,
        ),
    ] = "float32",
    fit: Annotated[
        str, typer.Option("--fit", metavar="SIZE", help="A device's memory, as a line.", rich_help_panel=SHEET)
    ] = "24GiB",
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
    low: Annotated[str, typer.Option("--from", metavar="PIXELS", help="Side of the smallest image.")] = "64",
    high: Annotated[str, typer.Option("--to", metavar="PIXELS", help="Side of the largest image.")] = "1280",
    step: Annotated[str, typer.Option("--step", metavar="PIXELS", help="From one side to the next.")] = "32",
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
    shares: Annotated[bool, typer.Option("--shares", help="Bars of the same length, showing shares.")] = False,
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
    family: Annotated[
        list[str] | None,
        typer.Option(
            "--family",
            metavar="FAMILY",
            help="Only this one; may be repeated.",
            autocompletion=completion.families,
        ),
    ] = None,
    pareto: Annotated[
        str | None,
        typer.Option(
            "--pareto",
            metavar="X,Y",
            help="Between two other quantities, with the front: macs,top1.",
            rich_help_panel=FRONT,
        ),
    ] = None,
    *,
    sizes: Sizes,
    set: SetOption = None,
    where: WhereOption = None,
    batch: Annotated[
        str | None,
        typer.Option("--batch", metavar="N", help="Images, else 1.", rich_help_panel=FRONT),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype",
            metavar="TYPE",
            help="Else float32.",
            autocompletion=completion.dtypes,
            rich_help_panel=FRONT,
        ),
    ] = None,
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
    }
    picture.deliver(plot_models(family or None, pareto=pareto, **asked))


@app.command(cls=Command)
@bundled
def roofline(
    model: ModelArgument,
    device: Annotated[
        str,
        typer.Option("--device", metavar="ID", help="An accelerator or CPU.", autocompletion=completion.devices),
    ] = "a100_80gb",
    devices: Annotated[
        str | None, typer.Option("--devices", metavar="FILE", help="A CSV file of devices.")
    ] = None,
    *,
    sizes: Sizes,
    set: SetOption = None,
    arg: ArgOption = None,
    batch: BatchOption = "1",
    dtype: Annotated[
        str,
        typer.Option(
            "--dtype", metavar="TYPE", help="Of weights and activations.", autocompletion=completion.dtypes
        ),
    ] = "float32",
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
