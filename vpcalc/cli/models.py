"""``vpcalc models``."""

from __future__ import annotations

from typing import Annotated

import typer

from . import completion
from .options import CHOICE, SetOption, Sizes, WhereOption, bundled, settings
from .output import Shown

TRAINING = "What it takes to train: shown where one of these is given"


@bundled
def models(
    family: Annotated[
        str | None,
        typer.Option("--family", help="Only this family, such as swin.", autocompletion=completion.families),
    ] = None,
    *,
    sizes: Sizes,
    set: SetOption = None,
    where: WhereOption = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort",
            metavar="KEY,KEY…",
            help="By these, the smallest first; -top1: the largest.",
            rich_help_panel=CHOICE,
        ),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option("--batch", metavar="N", help="Images or sequences, else 1.", rich_help_panel=TRAINING),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype",
            metavar="TYPE",
            help="Of weights and activations, else float32.",
            autocompletion=completion.dtypes,
            rich_help_panel=TRAINING,
        ),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(
            "--optimizer",
            metavar="NAME",
            help="As for memory; else adamw.",
            autocompletion=completion.optimizers,
            rich_help_panel=TRAINING,
        ),
    ] = None,
    attention: Annotated[
        str | None,
        typer.Option(
            "--attention",
            metavar="WAY",
            help="fused, else eager.",
            autocompletion=completion.attentions,
            rich_help_panel=TRAINING,
        ),
    ] = None,
    shown: Shown,
) -> None:
    """List the architectures that vpcalc knows, and choose among them.

    Examples:  vpcalc models --family swin
               vpcalc models --input 800x1280 --where "macs < 100G and params < 60M" --sort macs
               vpcalc models --input 512 --batch 16 --where "training_bytes < 24GiB" --sort=-top1
    """
    from ..answers.models import models as ask
    from ..answers.models import shown_by

    result = ask(
        family,
        **sizes._asdict(),
        set=settings(set),
        batch=batch,
        dtype=dtype,
        optimizer=optimizer,
        attention=attention,
        where=where,
        sort=sort,
        show=shown_by(shown.columns),
    )
    shown.emit(result)
