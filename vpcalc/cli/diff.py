"""``vpcalc diff``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import PRICE_EXAMPLE, ArgOption, Format, FormatOption, OutputOption, PriceOption, ShapeOption, named
from .output import emit, working


def diff(
    base: Annotated[
        str,
        typer.Argument(
            help="Before: a snapshot of assert_cost (FILE.json), a target as derive takes it (attn.py:make), or "
            "either at a git revision (main:attn.py:make); with --target a git revision.",
            metavar="BASE",
        ),
    ],
    head: Annotated[str, typer.Argument(help="After, likewise.", metavar="HEAD")],
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="TARGET",
            help="What is compared at two git revisions, of which . is the files as they are.",
        ),
    ] = None,
    input: ShapeOption = None,
    inputs: Annotated[
        str | None,
        typer.Option("--inputs", help="In its place, a function that makes them.", metavar="FILE.PY:FUNCTION"),
    ] = None,
    arg: ArgOption = None,
    range: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="NAME=FROM:TO", help="Sizes that are asked about. May be repeated."),
    ] = None,
    price: PriceOption = None,
    train_mode: Annotated[bool, typer.Option("--train-mode", help="In train mode instead of eval mode.")] = False,
    timeout: Annotated[str, typer.Option("--timeout", help="Seconds for each side.", metavar="SECONDS")] = "600",
    memory: Annotated[str, typer.Option("--memory", help="Memory for each side.", metavar="GIB")] = "16",
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Compare what two versions of a model cost; ends with 1 where they differ, and says in which modules.

    With numbers in --input both are counted; with letters their closed forms are compared.

    Examples:  vpcalc diff main HEAD --target model.py:make --input 1,196,64 --format markdown
               vpcalc diff HEAD . --target attn.py:make --input 1,N,C --arg dim=C
               vpcalc diff old.py:make new.py:make --input 1,N,64
               vpcalc diff main:tests/cost/model.json tests/cost/model.json
    """
    from ..answers.diff import diff as ask

    with working("building and counting both …"):
        result = ask(
            base,
            head,
            target=target,
            input=input,
            args=named("--arg", arg, "--arg dim=C"),
            inputs=inputs,
            range=named("--range", range, "--range H=1:4096"),
            prices=named("--price", price, PRICE_EXAMPLE),
            train_mode=train_mode,
            timeout=timeout,
            memory=memory,
        )
    emit(result, format, output)
