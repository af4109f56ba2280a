"""``vpcalc diff``."""

from __future__ import annotations

from ..errors import InputError
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
from .output import emit, working


def diff(
    base: str = argument(
        "BASE",
        "Before: a snapshot of assert_cost (FILE.json), a target as derive takes it (attn.py:make), or "
        "either at a git revision (main:attn.py:make); with --target a git revision.",
    ),
    head: str | None = argument("HEAD", "After, likewise; BASE..HEAD is of two revisions, too.", default=None),
    target: str | None = option(
        None, "--target TARGET", "What is compared at two git revisions, of which . is the files as they are."
    ),
    input: ShapeOption = None,
    inputs: str | None = option(None, "--inputs FILE.PY:FUNCTION", "In its place, a function that makes them."),
    arg: ArgOption = None,
    range: list[str] | None = option(None, "--range NAME=FROM:TO", "Sizes that are asked about. May be repeated."),
    price: PriceOption = None,
    train_mode: bool = option(False, "--train-mode", "In train mode instead of eval mode."),
    timeout: str = option("600", "--timeout SECONDS", "Seconds for each side."),
    memory: str = option("16", "--memory GIB", "Memory for each side."),
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

    if head is None:
        base, _, head = base.partition("..")  # as Git writes what lies between two revisions
        if not (base and head):
            raise InputError("Missing argument 'HEAD', as in diff main HEAD --target model.py:make")
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
