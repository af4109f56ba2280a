"""``vpcalc plot``: one command a chart."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import SetOption, settings
from .pictures import DataOption, PictureOption, TerminalOption, TitleOption, WidthOption, deliver_plot

app = typer.Typer(
    help="Plot costs: -o FILE.svg, .pdf or .png, or in the terminal.",
    epilog="Try:  vpcalc plot crossover   or   vpcalc plot stages swin_t -o stages.svg",
    no_args_is_help=False,
)

LAYER, SHEET = "Layers", "Sheet"

ChannelsOption = Annotated[
    str, typer.Option("--C", help="Channels of a token.", metavar="CHANNELS", rich_help_panel=LAYER)
]
WindowOption = Annotated[
    str, typer.Option("--M", help="Side of an attention window.", metavar="TOKENS", rich_help_panel=LAYER)
]
RatioOption = Annotated[
    str, typer.Option("--R", help="Spatial reduction ratio of SRA.", metavar="RATIO", rich_help_panel=LAYER)
]
PoolOption = Annotated[
    str,
    typer.Option("--P", help="Side of the pooled grid of linear SRA.", metavar="TOKENS", rich_help_panel=LAYER),
]
HeadsOption = Annotated[
    str | None,
    typer.Option("--heads", help="C/32 where that is whole, else 1.", metavar="HEADS", rich_help_panel=LAYER),
]
ChunkOption = Annotated[
    str | None,
    typer.Option("--chunk", help="Tokens of a chunk of retention.", metavar="TOKENS", rich_help_panel=LAYER),
]
RowsOption = Annotated[
    str | None, typer.Option("--rows", help="Layers, by id: msa,wmsa …", metavar="ID,ID…", rich_help_panel=LAYER)
]
FromOption = Annotated[
    str, typer.Option("--from", help="Side of the smallest grid.", metavar="TOKENS", rich_help_panel=SHEET)
]
ToOption = Annotated[
    str, typer.Option("--to", help="Side of the largest grid.", metavar="TOKENS", rich_help_panel=SHEET)
]
QuantityOption = Annotated[
    str,
    typer.Option("--quantity", "-q", metavar="QUANTITY", help="macs, flops, fvcore, params or activations."),
]
ImageOption = Annotated[
    str | None, typer.Option("--input", help="Image side S, or HxW, in pixels.", metavar="S|HxW")
]
ModelsArgument = Annotated[
    list[str] | None, typer.Argument(help="Models; a few well-known ones if none.", metavar="[MODEL …]")
]


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    """Plot costs: -o FILE.svg, .pdf or .png, or in the terminal."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def crossover(
    C: ChannelsOption = "96",
    M: WindowOption = "7",
    R: RatioOption = "8",
    P: PoolOption = "7",
    heads: HeadsOption = None,
    chunk: ChunkOption = None,
    rows: RowsOption = None,
    low: FromOption = "4",
    high: ToOption = "512",
    output: PictureOption = None,
    terminal: TerminalOption = False,
    format: DataOption = None,
    width: WidthOption = "6.9",
    title: TitleOption = True,
) -> None:
    """Cost of attention against resolution, with the points where the curves cross.

    Example:  vpcalc plot crossover --C 96 --M 7 -o crossover.svg
    """
    from ..answers.plot import plot_crossover

    found = plot_crossover(C, M, R=R, P=P, heads=heads, chunk=chunk, rows=_ids(rows), low=low, high=high)
    deliver_plot(found, output, terminal, format, width, title)


@app.command()
def memory(
    C: ChannelsOption = "96",
    M: WindowOption = "7",
    R: RatioOption = "8",
    P: PoolOption = "7",
    heads: HeadsOption = None,
    chunk: ChunkOption = None,
    rows: RowsOption = None,
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="TYPE", help="Element type of the maps.", rich_help_panel=LAYER)
    ] = "float32",
    fit: Annotated[
        str, typer.Option("--fit", metavar="SIZE", help="A device's memory, as a line.", rich_help_panel=SHEET)
    ] = "24GiB",
    low: FromOption = "4",
    high: ToOption = "512",
    output: PictureOption = None,
    terminal: TerminalOption = False,
    format: DataOption = None,
    width: WidthOption = "6.9",
    title: TitleOption = True,
) -> None:
    """Bytes of attention maps against resolution, and where they fill a device.

    Example:  vpcalc plot memory --fit 80GiB -o memory.pdf
    """
    from ..answers.plot import plot_memory

    found = plot_memory(
        C, M, R=R, P=P, heads=heads, chunk=chunk, rows=_ids(rows), dtype=dtype, fit=fit, low=low, high=high
    )
    deliver_plot(found, output, terminal, format, width, title)


@app.command()
def resolution(
    models: ModelsArgument = None,
    low: Annotated[str, typer.Option("--from", metavar="PIXELS", help="Side of the smallest image.")] = "64",
    high: Annotated[str, typer.Option("--to", metavar="PIXELS", help="Side of the largest image.")] = "1280",
    step: Annotated[str, typer.Option("--step", metavar="PIXELS", help="From one side to the next.")] = "32",
    output: PictureOption = None,
    terminal: TerminalOption = False,
    format: DataOption = None,
    width: WidthOption = "6.9",
    title: TitleOption = True,
) -> None:
    """Cost of whole models against the image's side, padding included.

    Example:  vpcalc plot resolution swin_t vit_s_16 -o growth.svg
    """
    from ..answers.plot import plot_resolution

    options = {"low": low, "high": high, "step": step}
    found = plot_resolution(models, **options) if models else plot_resolution(**options)
    deliver_plot(found, output, terminal, format, width, title)


@app.command()
def stages(
    model: Annotated[str, typer.Argument(help="A model's id or alias; see vpcalc models.", metavar="MODEL")],
    input: ImageOption = None,
    tokens: Annotated[str | None, typer.Option("--tokens", help="Length of a sequence.", metavar="N")] = None,
    src: Annotated[str | None, typer.Option("--src", help="Length of the source.", metavar="N")] = None,
    tgt: Annotated[str | None, typer.Option("--tgt", help="Length of the target.", metavar="N")] = None,
    set: SetOption = None,
    quantity: QuantityOption = "macs",
    output: PictureOption = None,
    terminal: TerminalOption = False,
    format: DataOption = None,
    width: WidthOption = "6.9",
    title: TitleOption = True,
) -> None:
    """Cost of one model by stage, split by operator.

    Example:  vpcalc plot stages swin_t --quantity params -o stages.svg
    """
    from ..answers.plot_models import plot_stages

    found = plot_stages(model, input=input, tokens=tokens, src=src, tgt=tgt, set=settings(set), quantity=quantity)
    deliver_plot(found, output, terminal, format, width, title)


@app.command()
def operators(
    models: ModelsArgument = None,
    input: ImageOption = None,
    quantity: QuantityOption = "macs",
    shares: Annotated[bool, typer.Option("--shares", help="Bars of the same length, showing shares.")] = False,
    output: PictureOption = None,
    terminal: TerminalOption = False,
    format: DataOption = None,
    width: WidthOption = "6.9",
    title: TitleOption = True,
) -> None:
    """Cost of several models by operator, a stacked bar each.

    Example:  vpcalc plot operators swin_t vit_s_16 --input 384 --shares
    """
    from ..answers.plot_models import plot_operators

    if models:
        found = plot_operators(models, input=input, quantity=quantity, shares=shares)
    else:
        found = plot_operators(input=input, quantity=quantity, shares=shares)
    deliver_plot(found, output, terminal, format, width, title)


@app.command()
def models(
    family: Annotated[
        list[str] | None, typer.Option("--family", metavar="FAMILY", help="Only this one; may be repeated.")
    ] = None,
    output: PictureOption = None,
    terminal: TerminalOption = False,
    format: DataOption = None,
    width: WidthOption = "6.9",
    title: TitleOption = True,
) -> None:
    """Parameters against cost of all models, with the published points.

    Example:  vpcalc plot models --family swin --family pvt_v2 -o models.png
    """
    from ..answers.plot_models import plot_models

    deliver_plot(plot_models(family or None), output, terminal, format, width, title)


@app.command()
def roofline(
    model: Annotated[str, typer.Argument(help="A model's id or alias; see vpcalc models.", metavar="MODEL")],
    device: Annotated[str, typer.Option("--device", metavar="ID", help="An accelerator or CPU.")] = "a100_80gb",
    devices: Annotated[
        str | None, typer.Option("--devices", metavar="FILE", help="A CSV file of devices.")
    ] = None,
    input: ImageOption = None,
    tokens: Annotated[str | None, typer.Option("--tokens", help="Length of a sequence.", metavar="N")] = None,
    src: Annotated[str | None, typer.Option("--src", help="Length of the source.", metavar="N")] = None,
    tgt: Annotated[str | None, typer.Option("--tgt", help="Length of the target.", metavar="N")] = None,
    set: SetOption = None,
    batch: Annotated[str, typer.Option("--batch", help="Images or sequences.", metavar="N")] = "1",
    dtype: Annotated[str, typer.Option("--dtype", metavar="TYPE", help="Of weights and activations.")] = "float32",
    attention: Annotated[str, typer.Option("--attention", help="eager or fused.")] = "eager",
    output: PictureOption = None,
    terminal: TerminalOption = False,
    format: DataOption = None,
    width: WidthOption = "6.9",
    title: TitleOption = True,
) -> None:
    """What a device can do at most, and where the operators of a model stand on it.

    Example:  vpcalc plot roofline swin_t --device a100_80gb --batch 64 -o roofline.svg
    """
    from ..answers.plot_roofline import plot_roofline

    found = plot_roofline(
        model,
        device=device,
        devices=devices,
        input=input,
        tokens=tokens,
        src=src,
        tgt=tgt,
        set=settings(set),
        batch=batch,
        dtype=dtype,
        attention=attention,
    )
    deliver_plot(found, output, terminal, format, width, title)


def _ids(rows: str | None) -> list[str] | None:
    return None if rows is None else [id.strip() for id in rows.split(",") if id.strip()]
