"""``vpcalc derive``."""

from __future__ import annotations

from typing import Annotated

import typer

from . import completion
from .options import PRICE_EXAMPLE, ArgOption, Format, FormatOption, OutputOption, PriceOption, ShapeOption, named
from .output import counting as showing
from .output import emit


def derive(
    target: Annotated[
        str,
        typer.Argument(
            help="A model's or layer's id, file.py:factory, package.module:factory, timm:NAME, torchvision:NAME "
            "or transformers:NAME, a model type or a class.",
            metavar="TARGET",
            autocompletion=completion.targets,
        ),
    ],
    input: ShapeOption = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            "--inputs",
            help="In its place, a function of the symbols that makes the inputs, values and all; numbers for them "
            "may follow: inputs.py:batch(N=128).",
            metavar="FILE.PY:FUNCTION",
        ),
    ] = None,
    arg: ArgOption = None,
    backward: Annotated[bool, typer.Option("--backward", help="Add the backward pass.")] = False,
    train_mode: Annotated[bool, typer.Option("--train-mode", help="In train mode instead of eval mode.")] = False,
    price: PriceOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="An operator without a price is an error.")] = False,
    degree: Annotated[
        str | None, typer.Option("--degree", help="Highest power of a symbol.", metavar="NUMBER")
    ] = None,
    quantity: Annotated[
        str | None,
        typer.Option(
            "--quantity",
            metavar="NAME",
            help="macs, params, activations, backward_macs, saved_bytes, peak_bytes, bytes_moved, fvcore or all.",
        ),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="TABLE", help="By operator or by module only.")] = None,
    depth: Annotated[str, typer.Option("--depth", help="Levels of modules to show.", metavar="NUMBER")] = "1",
    range: Annotated[
        list[str] | None,
        typer.Option(
            "--range",
            metavar="NAME=FROM:TO",
            help="Sizes that are asked about; 1 to 4096 for images, to 65536 for sequences. May be repeated.",
        ),
    ] = None,
    regimes: Annotated[str, typer.Option("--regimes", help="As many regimes at most.", metavar="NUMBER")] = "32",
    lattice: Annotated[
        bool, typer.Option("--lattice", help="Show the tidy forms of the lattice on which everything divides.")
    ] = False,
    counting: Annotated[
        bool, typer.Option("--counting", help="From counts alone, without a run on symbols.")
    ] = False,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Find the closed form of any PyTorch module: run it on symbolic sizes, and try to refute the form by counts.

    Without a letter in its input it is counted at that size, module by module.

    Examples:  vpcalc derive transformers:segformer --input 1,3,H,W
               vpcalc derive model.py:make --input 1,N,C --arg dim=C --arg num_heads=3
    """
    from ..answers.derive import derive as ask

    with showing("running on symbols") as told:
        result = ask(
            target,
            input,
            named("--arg", arg, "--arg dim=C"),
            backward=backward,
            strict=strict,
            degree=degree,
            depth=depth,
            range=named("--range", range, "--range H=1:4096"),
            regimes=regimes,
            lattice=lattice,
            counting=counting,
            inputs=inputs,
            train_mode=train_mode,
            quantity=quantity,
            by=by,
            prices=named("--price", price, PRICE_EXAMPLE),
        )
        if format is Format.JSON or quantity is not None:
            result = result.completed(told)
    emit(result, format, output)
