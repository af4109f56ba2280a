"""``vpcalc audit``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import InputError
from . import completion
from .options import PRICE_EXAMPLE, ExactOption, Format, FormatOption, OutputOption, PriceOption, named
from .output import counting, emit

LIMITS = "What each process may take"


def audit(
    target: Annotated[
        str,
        typer.Argument(
            help="A model's or layer's id, file.py:factory, package.module:factory, timm:NAME, torchvision:NAME "
            "or transformers:NAME.",
            metavar="TARGET",
            autocompletion=completion.targets,
        ),
    ],
    input: Annotated[
        str | None,
        typer.Option("--input", help="Image side S, HxW, or a shape: 1,3,224,224 or 1,128:long.", metavar="SIZE"),
    ] = None,
    tokens: Annotated[str | None, typer.Option("--tokens", help="Length of a sequence.", metavar="N")] = None,
    src: Annotated[str | None, typer.Option("--src", help="Length of the source sequence.", metavar="N")] = None,
    tgt: Annotated[str | None, typer.Option("--tgt", help="Length of the target sequence.", metavar="N")] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            "--inputs",
            help="In their place, a function that makes the inputs, values and all: inputs.py:batch(N=128).",
            metavar="FILE.PY:FUNCTION",
        ),
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "--arg",
            help="A model's setting, a layer's dimension or a factory's argument. May be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    counter: Annotated[
        list[str] | None,
        typer.Option(
            "--counter",
            "-c",
            help="Only this counter. May be repeated.",
            metavar="NAME",
            autocompletion=completion.counters,
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", help="Instead: how a printed figure was counted.", metavar="FIGURE"),
    ] = None,
    backward: Annotated[bool, typer.Option("--backward", help="Add the backward pass.")] = False,
    grad: Annotated[
        bool, typer.Option("--grad/--no-grad", help="With or without autograd, for counters that leave it open.")
    ] = True,
    price: PriceOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="An operator without a price is an error.")] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or meta.", metavar="DEVICE")] = "auto",
    timeout: Annotated[
        str, typer.Option("--timeout", help="Seconds.", metavar="NUMBER", rich_help_panel=LIMITS)
    ] = "300",
    memory: Annotated[str, typer.Option("--memory", help="GiB.", metavar="NUMBER", rich_help_panel=LIMITS)] = "16",
    jobs: Annotated[
        str | None,
        typer.Option("--jobs", "-j", help="Processes at once.", metavar="NUMBER", rich_help_panel=LIMITS),
    ] = None,
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
