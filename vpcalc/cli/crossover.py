"""``vpcalc crossover``."""

from __future__ import annotations

from typing import Annotated

from . import completion
from .options import Format, FormatOption, OutputOption, argument, described, named, option
from .output import emit, working

SideArgument = Annotated[
    str,
    argument(
        "TARGET",
        "A layer or a model, with values in brackets: msa, wmsa(M=7), vit_s_16(depth=8); or code with its "
        "arguments and the shape of its input: attn.py:X(dim=C)@1,hw,C.",
        completion.targets,
    ),
]

AtOption = Annotated[
    list[str] | None,
    described(
        "--at NAME=VALUE",
        "A symbol's value, a number or another symbol: C=96, w=h. Where one symbol is left, every size of it "
        "is looked at. May be repeated.",
    ),
]
RangeOption = Annotated[
    list[str] | None, described("--range NAME=FROM:TO", "Sizes that are asked about. May be repeated.")
]


def crossover(
    first: SideArgument,
    second: SideArgument,
    quantity: str = option(
        "macs",
        "--quantity -q QUANTITY",
        "What formula knows: macs, params, saved_bytes …; two apart by a comma for one each.",
    ),
    at: AtOption = None,
    range: RangeOption = None,
    everywhere: bool = option(False, "--everywhere", "Show the inequalities for sizes that do not divide, too."),
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Where one costs less than the other: inequalities in the symbols, each with the sizes it holds among.

    Where --at leaves one symbol, every size of it is looked at.

    Examples:  vpcalc crossover msa wmsa
               vpcalc crossover msa wmsa --at C=96 --at M=7 --at heads=3 --at w=h
               vpcalc crossover swin_t vit_s_16 --at W=H --range H=16:1024
               vpcalc crossover 'wmsa(M=7)' 'sra(R=8)' --at C=96 --at heads=3
    """
    from ..answers.crossover import crossover as ask

    with working("finding where they cross …"):
        result = ask(
            first,
            second,
            quantity=quantity,
            at=named("--at", at, "--at C=96"),
            range=named("--range", range, "--range H=1:4096"),
            everywhere=everywhere,
        )
    emit(result, format, output)
