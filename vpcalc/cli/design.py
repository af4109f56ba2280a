"""``vpcalc design``."""

from __future__ import annotations

from .options import CHOICE, AttentionOption, SetOption, Sizes, argument, bundled, option, settings
from .output import Shown, working

BUDGETS = "Budgets"


@bundled
def design(
    name: str = argument("MODEL", "A model's id or alias (vpcalc models)."),
    *,
    macs: str | None = option(None, "--macs N", "At most so many MACs of one input: 4.5G.", BUDGETS),
    params: str | None = option(None, "--params N", "At most so many parameters: 28M.", BUDGETS),
    memory: str | None = option(
        None, "--memory SIZE", "At most so much memory at --batch: 24GiB; see --train.", BUDGETS
    ),
    free: list[str] | None = option(
        None,
        "--free NAMES",
        "What may change, with values or without: C,depths,M or C=32:256:32; else width and depths.",
    ),
    set: SetOption = None,
    sizes: Sizes,
    batch: str = option("1", "--batch N", "Images or sequences that memory is for."),
    train: bool = option(False, "--train", "Memory for training instead of inference."),
    dtype: str = option("float32", "--dtype", "Type of weights and activations."),
    attention: AttentionOption = "eager",
    optimizer: str = option("adamw", "--optimizer", "sgd, momentum, adam or adamw."),
    amp: str | None = option(None, "--amp TYPE", "Autocast to float16 or bfloat16."),
    pareto: str | None = option(
        None,
        "--pareto KEY,KEY…",
        "The Pareto front under the budgets: macs,-params wants few MACs, many parameters.",
        CHOICE,
    ),
    top: str | None = option(None, "--top N", "So many rows, else 5 or the front.", CHOICE),
    explain: bool = option(False, "--explain", "Why nothing better was left out; what one more step costs."),
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
            amp=amp,
            pareto=pareto,
            top=top,
            explain=explain,
        )
    shown.emit(result)
