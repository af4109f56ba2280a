"""``vpcalc memory``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..optional import counts
from . import completion
from .options import (
    ArgOption,
    AttentionOption,
    BatchOption,
    CheckOption,
    NameArgument,
    SetOption,
    Sizes,
    bundled,
    changes,
)
from .output import Shown, working

TRAINING = "Training"
BUDGET = "A budget, a device"


@bundled
def memory(
    name: NameArgument,
    sizes: Sizes,
    set: SetOption = None,
    arg: ArgOption = None,
    batch: BatchOption = "1",
    dtype: Annotated[
        str, typer.Option("--dtype", help="Type of weights and activations.", autocompletion=completion.dtypes)
    ] = "float32",
    attention: AttentionOption = "eager",
    train: Annotated[
        bool, typer.Option("--train", help="Train instead of infer.", rich_help_panel=TRAINING)
    ] = False,
    optimizer: Annotated[
        str,
        typer.Option(
            "--optimizer",
            help="sgd, adamw, lion, adafactor, adamw8bit …",
            autocompletion=completion.optimizers,
            rich_help_panel=TRAINING,
        ),
    ] = "adamw",
    master_weights: Annotated[
        bool,
        typer.Option("--master-weights", help="The optimizer works in float32.", rich_help_panel=TRAINING),
    ] = False,
    grad_dtype: Annotated[
        str,
        typer.Option(
            "--grad-dtype",
            help="Gradients for master weights: weights, float32 or both.",
            metavar="TYPE",
            rich_help_panel=TRAINING,
        ),
    ] = "weights",
    trained: Annotated[
        str | None,
        typer.Option(
            "--trained",
            help="Train these modules only: head,blocks.11 …",
            metavar="NAMES",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    lora: Annotated[
        str | None,
        typer.Option(
            "--lora", help="Layers of this rank beside frozen ones.", metavar="RANK", rich_help_panel=TRAINING
        ),
    ] = None,
    lora_on: Annotated[
        str | None,
        typer.Option(
            "--lora-on", help="Beside these linear layers: q,v …", metavar="NAMES", rich_help_panel=TRAINING
        ),
    ] = None,
    recompute: Annotated[
        str,
        typer.Option(
            "--recompute", help="Forget and compute again: none, block or attention.", rich_help_panel=TRAINING
        ),
    ] = "none",
    amp: Annotated[
        str | None,
        typer.Option("--amp", help="Autocast to float16 or bfloat16.", metavar="TYPE", rich_help_panel=TRAINING),
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option("--fit", help="The largest that fits: 24GiB, 80GB …", metavar="SIZE", rich_help_panel=BUDGET),
    ] = None,
    solve: Annotated[
        str | None, typer.Option("--solve", help="Of what: batch, input or tokens.", rich_help_panel=BUDGET)
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            help="Bound the time on this device.",
            autocompletion=completion.devices,
            metavar="ID",
            rich_help_panel=BUDGET,
        ),
    ] = None,
    devices: Annotated[
        str | None,
        typer.Option("--devices", help="A CSV file of devices.", metavar="FILE", rich_help_panel=BUDGET),
    ] = None,
    check: CheckOption = None,
    *,
    shown: Shown,
) -> None:
    """Show what it takes to run or to train an architecture, to the byte, and what fits into a budget.

    Examples:  vpcalc memory swin_t --input 224 --batch 128 --train
               vpcalc memory vit_b_16 --train --fit 24GiB
    """
    from ..answers.memory import memory as ask

    result = ask(
        name,
        **sizes._asdict(),
        **changes(set, arg),
        batch=batch,
        dtype=dtype,
        train=train,
        optimizer=optimizer,
        master_weights=master_weights,
        grad_dtype=grad_dtype,
        trained=trained,
        lora=lora,
        lora_on=lora_on,
        attention=attention,
        recompute=recompute,
        amp=amp,
        fit=fit,
        solve=solve,
        device=device,
        devices=devices,
        check=False,
    )
    if counts(check):
        with working("running it in PyTorch, without memory …"):
            result = result.checked()
    shown.emit(result)
