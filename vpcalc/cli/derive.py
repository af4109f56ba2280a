"""``vpcalc derive``."""

from __future__ import annotations

from . import completion
from .options import (
    PRICE_EXAMPLE,
    ArgOption,
    Format,
    FormatOption,
    OutputOption,
    PriceOption,
    ShapeOption,
    argument,
    named,
    option,
)
from .output import counting as showing
from .output import emit


def derive(
    target: str = argument(
        "TARGET",
        "A model's or layer's id, file.py:factory, package.module:factory, timm:NAME, torchvision:NAME "
        "or transformers:NAME, a model type or a class.",
        completion.targets,
    ),
    input: ShapeOption = None,
    inputs: str | None = option(
        None,
        "--inputs FILE.PY:FUNCTION",
        "In its place, a function of the symbols that makes the inputs, values and all; numbers for them "
        "may follow: inputs.py:batch(N=128).",
    ),
    arg: ArgOption = None,
    backward: bool = option(False, "--backward", "Add the backward pass."),
    train_mode: bool = option(False, "--train-mode", "In train mode instead of eval mode."),
    price: PriceOption = None,
    strict: bool = option(False, "--strict", "An operator without a price is an error."),
    degree: str | None = option(None, "--degree NUMBER", "Highest power of a symbol."),
    quantity: str | None = option(
        None,
        "--quantity NAME",
        "macs, params, activations, attention_elements, backward_macs, saved_bytes, peak_bytes, bytes_moved, "
        "fvcore or all.",
    ),
    by: str | None = option(None, "--by TABLE", "By operator or by module only."),
    depth: str = option("1", "--depth NUMBER", "Levels of modules to show."),
    range: list[str] | None = option(
        None,
        "--range NAME=FROM:TO",
        "Sizes that are asked about; 1 to 4096 for images, to 65536 for sequences. May be repeated.",
    ),
    regimes: str = option("32", "--regimes NUMBER", "As many regimes at most."),
    lattice: bool = option(False, "--lattice", "Show the tidy forms of the lattice on which everything divides."),
    counting: bool = option(False, "--counting", "From counts alone, without a run on symbols."),
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
            progress=told,
        )
        if format is Format.JSON or quantity is not None:
            result = result.completed(told)
    emit(result, format, output)
