"""``vpcalc formula``."""

from __future__ import annotations

from enum import Enum

from . import completion
from .options import (
    ArgOption,
    BackboneOption,
    Format,
    OutputOption,
    SetOption,
    ShapeOption,
    argument,
    by_suffix,
    named,
    option,
    settings,
    standing,
)
from .output import aside, deliver, emit


class Spelling(str, Enum):
    """How a formula is written."""

    TEXT = "text"
    LATEX = "latex"
    TYPST = "typst"
    MATHML = "mathml"
    PYTHON = "python"
    FUNCTION = "function"
    JAVASCRIPT = "javascript"
    RUST = "rust"
    EXCEL = "excel"
    JSON = "json"
    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"
    HTML = "html"


CODE = {
    Spelling.FUNCTION: "python",
    Spelling.JAVASCRIPT: "javascript",
    Spelling.RUST: "rust",
    Spelling.EXCEL: "excel",
}
"""Formats that are a function of the symbols, and its language."""

TABULAR = {Spelling.JSON, Spelling.TABLE, Spelling.CSV, Spelling.MARKDOWN, Spelling.HTML}
"""Formats that show how a formula adds up."""

PASSAGES = {name: name for name in ("text", "latex", "typst", "mathml", "python", "markdown")} | {"html": "mathml"}
"""Formats that can carry a legend, and what spells it there. JSON has it anyway, a function in its docstring."""


def formula(
    name: str = argument(
        "NAME", "A layer (msa …), a model (swin_t …), or code: model.py:make.", completion.targets
    ),
    quantity: str = option(
        "macs",
        "--quantity -q QUANTITY",
        "macs, flops, fvcore, params, activations or attention_elements; "
        "or bytes: saved_bytes, peak_bytes, weights_bytes …",
        complete=completion.quantities,
    ),
    format: Spelling = option(
        Spelling.TEXT,
        "--format -f",
        "How to write the formula. function is Python's; javascript takes BigInt, rust i128, checked; "
        "excel is over named cells, and #N/A where a sum reaches 10¹⁵, which doubles would round.",
    ),
    form: str = option(
        "expanded",
        "--form FORM",
        "expanded, factored (common factors in front), or leading (what outgrows the rest).",
    ),
    symbol: list[str] | None = option(
        None, "--symbol OLD=NEW", "Write a symbol otherwise: C=d_model, or a whole grid: hw=n. May be repeated."
    ),
    everywhere: bool = option(
        False, "--everywhere", "The form at every size, with floors and, where sizes decide, in regimes."
    ),
    range: list[str] | None = option(
        None,
        "--range NAME=FROM:TO",
        "Sizes at which bytes (with --everywhere) and code are explored; from 1 to 4096 for sides.",
    ),
    vary: str | None = option(None, "--vary NAME,NAME…", "Settings of a model that are symbols, too: C,depths,M."),
    input: ShapeOption = None,
    arg: ArgOption = None,
    legend: bool = option(False, "--legend", "Add what the symbols stand for."),
    steps: bool = option(False, "--steps", "Show how it adds up, operator by operator."),
    backbone: BackboneOption = None,
    set: SetOption = None,
    output: OutputOption = None,
) -> None:
    """Print one closed form, alone, ready to paste.

    Examples:  vpcalc formula msa --format latex
               vpcalc formula wmsa --steps
               vpcalc formula swin_t --everywhere
               vpcalc formula wmsa --everywhere --format javascript
               vpcalc formula swin_t --vary C,depths,M --legend
               vpcalc formula model.py:make --input 1,N,C --arg dim=C --arg num_heads=a --format latex
               vpcalc formula msa --symbol hw=n --symbol C=d --form factored --legend
    """
    from ..answers.formula import formula as ask

    format = by_suffix(format, output)
    symbols = named("--symbol", symbol, "--symbol C=d_model")
    result = ask(
        name,
        quantity=quantity,
        set=settings(standing(set, backbone)),
        form=form,
        symbols=symbols,
        everywhere=everywhere,
        range=named("--range", range, "--range H=225:4096"),
        input=input,
        args=named("--arg", arg, "--arg dim=C"),
        vary=[name.strip() for name in (vary or "").split(",") if name.strip()],
    )
    if legend and not steps and format.value in PASSAGES:
        deliver(result.passage(PASSAGES[format.value]), output)
    elif steps or format in TABULAR:
        known = format.value in [known.value for known in Format]
        emit(result, Format(format.value) if known else Format.TABLE, output)
    elif format in CODE:
        deliver(result.function(CODE[format]), output)
        if format is Spelling.EXCEL:
            from ..report.functions import cells

            aside([*([f"holds for {result.form.valid}"] if result.form.valid else []), cells(result.legend())])
    else:
        deliver(stated := result.stated(format.value), output)
        is_apart = result.form.valid and not result.regimes and stated == result.spell(format.value)
        where = f"holds for {result.form.valid}" if is_apart else ""
        aside((*filter(None, [where]), *result.assumptions))
