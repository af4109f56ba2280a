"""``vpcalc check``."""

from __future__ import annotations

import typer

from . import completion
from .options import ArgOption, Format, FormatOption, OutputOption, ShapeOption, argument, named, option
from .output import emit, show


def _spellings(asked: bool) -> None:
    if asked:
        from ..answers.check_reading import spellings

        show((spellings(),), exact=False)
        raise typer.Exit


def check(
    formula: str = argument("FORMULA", "As a paper or a script spells it."),
    against: str = option(
        ..., "--against NAME", "A layer (msa …), a model, or model.py:make.", complete=completion.targets
    ),
    quantity: str = option(
        "macs",
        "--quantity -q QUANTITY",
        "What it counts: macs, flops, fvcore, params, activations or, of layers and models, attention_elements.",
    ),
    convention: str = option("macs", "--convention macs|flops", "macs: 1 per multiply-accumulate; flops: 2."),
    rename: list[str] | None = option(
        None, "--rename LETTER=SYMBOL", "What a letter of the formula stands for: n=hw, c=C."
    ),
    input: ShapeOption = None,
    arg: ArgOption = None,
    spellings: bool = option(
        False, "--spellings", "Print which letters are read as what, and stop.", callback=_spellings, is_eager=True
    ),
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Hold a formula against the one that is derived; ends with 1 where they differ, and says in which terms.

    Letters are read as ours where that keeps their roles: n as hw, d as C, h·d_k as C. O(…) is judged as an order.

    Examples:  vpcalc check "4*h*w*C^2 + 2*(h*w)^2*C" --against msa
               vpcalc check "4nd^2 + 2n^2d" --against msa
               vpcalc check "O(n^2 d)" --against msa
               vpcalc check "4NC^2 + 2N^2C" --against model.py:make --input 1,N,C --arg dim=C --arg num_heads=a
    """
    from ..answers.check_formula import check_formula as ask

    result = ask(
        formula,
        against,
        quantity,
        convention,
        named("--rename", rename, "--rename c=C"),
        input=input,
        args=named("--arg", arg, "--arg dim=C"),
    )
    emit(result, format, output)
