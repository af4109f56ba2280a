"""``vpcalc audit``."""

from __future__ import annotations

from ..errors import InputError
from . import completion
from .options import (
    PRICE_EXAMPLE,
    ExactOption,
    Format,
    FormatOption,
    OutputOption,
    PriceOption,
    argument,
    named,
    option,
)
from .output import counting, emit

LIMITS = "What each process may take"


def audit(
    target: str = argument(
        "TARGET",
        "A model's or layer's id, file.py:factory, package.module:factory, timm:NAME, torchvision:NAME "
        "or transformers:NAME.",
        completion.targets,
    ),
    input: str | None = option(None, "--input SIZE", "Image side S, HxW, or a shape: 1,3,224,224 or 1,128:long."),
    tokens: str | None = option(None, "--tokens N", "Length of a sequence."),
    src: str | None = option(None, "--src N", "Length of the source sequence."),
    tgt: str | None = option(None, "--tgt N", "Length of the target sequence."),
    inputs: str | None = option(
        None,
        "--inputs FILE.PY:FUNCTION",
        "In their place, a function that makes the inputs, values and all: inputs.py:batch(N=128).",
    ),
    set: list[str] | None = option(
        None,
        "--set --arg NAME=VALUE",
        "A model's setting, a layer's dimension or a factory's argument. May be repeated.",
    ),
    counter: list[str] | None = option(
        None, "--counter -c NAME", "Only this counter. May be repeated.", complete=completion.counters
    ),
    against: str | None = option(None, "--against FIGURE", "Instead: how a printed figure was counted."),
    backward: bool = option(False, "--backward", "Add the backward pass."),
    grad: bool = option(True, "--grad/--no-grad", "With or without autograd, for counters that leave it open."),
    price: PriceOption = None,
    strict: bool = option(False, "--strict", "An operator without a price is an error."),
    device: str = option("auto", "--device DEVICE", "auto, cpu or meta."),
    timeout: str = option("300", "--timeout NUMBER", "Seconds.", LIMITS),
    memory: str = option("16", "--memory NUMBER", "GiB.", LIMITS),
    jobs: str | None = option(None, "--jobs -j NUMBER", "Processes at once.", LIMITS),
    exact: ExactOption = False,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Say why FLOP counters disagree: each against the exact count, to the last operator.

    Examples:  vpcalc audit vit_b_16 --input 224
               vpcalc audit transformers:bert --tokens 128 --counter fvcore
               vpcalc audit swin_t --against 4.5G
    """
    given = named("--set", set, "--set C=128")
    if against is not None:
        if inputs is not None:
            raise InputError(f"--inputs {inputs}: has no effect with --against")
        if ":" in target:
            raise InputError(
                f"--against {against}: {target} has no closed form; name a model that vpcalc models lists"
            )
        from ..answers.conventions import conventions

        found = conventions(target, against, input=input, tokens=tokens, src=src, tgt=tgt, set=given)
        emit(found, format, output, exact)
        return
    from ..answers.audit import audit as ask

    with counting("running the counters") as progress:
        result = ask(
            target,
            input=input,
            tokens=tokens,
            src=src,
            tgt=tgt,
            inputs=inputs,
            set=given,
            counters=counter,
            device=device,
            grad=grad,
            backward=backward,
            strict=strict,
            prices=named("--price", price, PRICE_EXAMPLE),
            timeout=timeout,
            memory=memory,
            jobs=jobs,
            progress=progress,
        )
    emit(result, format, output, exact)
