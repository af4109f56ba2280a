"""``vpcalc design``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import CHOICE, AttentionOption, SetOption, Sizes, bundled, settings
from .output import Shown, working

BUDGETS = "Budgets"


@bundled
def design(
    name: Annotated[str, typer.Argument(help="A model's id or alias (vpcalc models).", metavar="MODEL")],
    *,
    macs: Annotated[
        str | None,
        typer.Option(
            "--macs", metavar="N", help="At most so many MACs of one input: 4.5G.", rich_help_panel=BUDGETS
        ),
    ] = None,
    params: Annotated[
        str | None,
        typer.Option("--params", metavar="N", help="At most so many parameters: 28M.", rich_help_panel=BUDGETS),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="At most so much memory at --batch: 24GiB; see --train.",
            rich_help_panel=BUDGETS,
        ),
    ] = None,
    free: Annotated[
        list[str] | None,
        typer.Option(
            "--free",
            metavar="NAMES",
            help="What may change, with values or without: C,depths,M or C=32:256:32; else width and depths.",
        ),
    ] = None,
    set: SetOption = None,
    sizes: Sizes,
    batch: Annotated[
        str, typer.Option("--batch", help="Images or sequences that memory is for.", metavar="N")
    ] = "1",
    train: Annotated[bool, typer.Option("--train", help="Memory for training instead of inference.")] = False,
    dtype: Annotated[str, typer.Option("--dtype", help="Type of weights and activations.")] = "float32",
    attention: AttentionOption = "eager",
    optimizer: Annotated[str, typer.Option("--optimizer", help="sgd, momentum, adam or adamw.")] = "adamw",
    pareto: Annotated[
        str | None,
        typer.Option(
            "--pareto",
            metavar="KEY,KEY…",
            help="The Pareto front under the budgets: macs,-params wants few MACs, many parameters.",
            rich_help_panel=CHOICE,
        ),
    ] = None,
    top: Annotated[
        str | None,
        typer.Option("--top", metavar="N", help="So many rows, else 5 or the front.", rich_help_panel=CHOICE),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Why nothing better was left out; what one more step costs.")
    ] = False,
    shown: Shown,
) -> None:
    """Find the configurations nearest to a budget, and prove that none is nearer.

    Examples:  vpcalc design swin_t --macs 4.5G --params 28M --free C,depths_3,M
               vpcalc design vit_s_16 --macs 4.5G --memory 24GiB --batch 64 --train --explain
               vpcalc design resnet50 --macs 4G --pareto macs,-params --top 10
    """
    from ..answers.design import design as ask

    with working("searching …"):
        result = ask(
            name,
            macs=macs,
            params=params,
            memory=memory,
            free=free,
            set=settings(set),
            **sizes._asdict(),
            batch=batch,
            train=train,
            dtype=dtype,
            attention=attention,
            optimizer=optimizer,
            pareto=pareto,
            top=top,
            explain=explain,
        )
    shown.emit(result)
