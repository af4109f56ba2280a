"""``vpcalc models``."""

from __future__ import annotations

from . import completion
from .options import CHOICE, Format, SetOption, Sizes, WhereOption, bundled, by_suffix, option, settings
from .output import Shown, aside

TRAINING = "What it takes to train: shown where one of these is given"


@bundled
def models(
    family: str | None = option(None, "--family", "Only this family, such as swin.", complete=completion.families),
    *,
    sizes: Sizes,
    set: SetOption = None,
    where: WhereOption = None,
    sort: str | None = option(
        None, "--sort KEY,KEY…", "By these, the smallest first; -top1: the largest.", CHOICE
    ),
    batch: str | None = option(None, "--batch N", "Images or sequences, else 1.", TRAINING),
    dtype: str | None = option(
        None, "--dtype TYPE", "Of weights and activations, else float32.", TRAINING, complete=completion.dtypes
    ),
    optimizer: str | None = option(
        None, "--optimizer NAME", "As for memory; else adamw.", TRAINING, complete=completion.optimizers
    ),
    attention: str | None = option(
        None, "--attention WAY", "fused, else eager.", TRAINING, complete=completion.attentions
    ),
    amp: str | None = option(None, "--amp TYPE", "Autocast to float16 or bfloat16.", TRAINING),
    shown: Shown,
) -> None:
    """List the architectures that vpcalc knows, and choose among them.

    Examples:  vpcalc models --family swin
               vpcalc models --input 800x1280 --where "macs < 100G and params < 60M" --sort macs
               vpcalc models --input 512 --batch 16 --where "training_bytes < 24GiB" --sort=-top1
    """
    from ..answers.models import SUMMED, shown_by
    from ..answers.models import models as ask

    result = ask(
        family,
        **sizes._asdict(),
        set=settings(set),
        batch=batch,
        dtype=dtype,
        optimizer=optimizer,
        attention=attention,
        amp=amp,
        where=where,
        sort=sort,
        show=shown_by(shown.columns),
    )
    shown.emit(result)
    if by_suffix(shown.format, shown.output) is Format.CSV and "training_bytes" in result.shown:
        aside([SUMMED])
