"""``vpcalc memory``."""

from __future__ import annotations

from ..optional import counts
from . import completion
from .options import (
    ArgOption,
    AttentionOption,
    BackboneOption,
    BatchOption,
    CheckOption,
    NameArgument,
    SetOption,
    Sizes,
    bundled,
    changes,
    option,
    standing,
)
from .output import Shown, working

TRAINING = "Training"
BUDGET = "A budget, a device"


@bundled
def memory(
    name: NameArgument,
    sizes: Sizes,
    backbone: BackboneOption = None,
    set: SetOption = None,
    arg: ArgOption = None,
    batch: BatchOption = "1",
    dtype: str = option("float32", "--dtype", "Type of weights and activations.", complete=completion.dtypes),
    attention: AttentionOption = "eager",
    train: bool = option(False, "--train", "Train instead of infer.", TRAINING),
    optimizer: str = option(
        "adamw",
        "--optimizer",
        "sgd, adamw, lion, adafactor, adamw8bit …",
        TRAINING,
        complete=completion.optimizers,
    ),
    master_weights: bool = option(False, "--master-weights", "The optimizer works in float32.", TRAINING),
    grad_dtype: str = option(
        "weights", "--grad-dtype TYPE", "Gradients for master weights: weights, float32 or both.", TRAINING
    ),
    trained: str | None = option(None, "--trained NAMES", "Train these modules only: head,blocks.11 …", TRAINING),
    lora: str | None = option(None, "--lora RANK", "Layers of this rank beside frozen ones.", TRAINING),
    lora_on: str | None = option(None, "--lora-on NAMES", "Beside these linear layers: q,v …", TRAINING),
    recompute: str = option(
        "none", "--recompute", "Forget and compute again: none, block or attention.", TRAINING
    ),
    amp: str | None = option(None, "--amp TYPE", "Autocast to float16 or bfloat16.", TRAINING),
    fit: str | None = option(None, "--fit SIZE", "The largest that fits: 24GiB, 80GB …", BUDGET),
    solve: str | None = option(None, "--solve", "Of what: batch, input or tokens.", BUDGET),
    device: str | None = option(
        None, "--device ID", "Bound the time on this device.", BUDGET, complete=completion.devices
    ),
    devices: str | None = option(None, "--devices FILE", "A CSV file of devices.", BUDGET),
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
        **changes(standing(set, backbone), arg),
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
