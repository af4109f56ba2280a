"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

import typer

from ..errors import InputError
from ..placing import split_rows
from . import completion


class Format(str, Enum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"
    SIUNITX = "siunitx"
    HTML = "html"
    TYPST = "typst"


SUFFIXES = {
    ".json": "json",
    ".csv": "csv",
    ".md": "markdown",
    ".tex": "latex",
    ".html": "html",
    ".typ": "typst",
    ".py": "python",
    ".mml": "mathml",
}
"""Formats by the suffix of a file."""

F = TypeVar("F", bound=Enum)


def by_suffix(format: F, output: Path | None) -> F:
    """The format that a file's name says, where none was asked for: where it is the first of its kind."""
    kind = type(format)
    said = SUFFIXES.get(output.suffix.lower()) if output is not None and format is next(iter(kind)) else None
    return kind(said) if said in [each.value for each in kind] else format


SHOWN = "How it is shown"
"""The heading of options that change what a result looks like, and not what it is."""

FormatOption = Annotated[
    Format,
    typer.Option("--format", "-f", metavar="FORMAT", help=f"One of {', '.join(Format)}.", rich_help_panel=SHOWN),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write to this file, whole or not at all.", rich_help_panel=SHOWN
    ),
]
CheckOption = Annotated[
    bool | None,
    typer.Option(
        "--check/--no-check",
        help="Count the instantiated PyTorch modules with fvcore. [default: where both are installed]",
    ),
]
ExactOption = Annotated[
    bool, typer.Option("--exact", help="Write all digits instead of 2.004 G.", rich_help_panel=SHOWN)
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns", metavar="KEY,KEY…", help="Only these columns, by their names in CSV.", rich_help_panel=SHOWN
    ),
]
NameArgument = Annotated[
    str,
    typer.Argument(
        help="A model's id or alias (vpcalc models), or code: net.py:make.",
        metavar="NAME",
        autocompletion=completion.models,
    ),
]
NamesArgument = Annotated[
    list[str],
    typer.Argument(
        help="A model's id or alias, or several; see vpcalc models.",
        metavar="NAME…",
        autocompletion=completion.models,
    ),
]
ImageOption = Annotated[
    str | None,
    typer.Option(
        "--input",
        help="Image side S, or HxW, in pixels; of code also whole shapes, several apart by ';': 1,3,64,64.",
        metavar="S|HxW|SHAPE",
    ),
]
ShapeOption = Annotated[
    str | None,
    typer.Option("--input", help="Shape of the input; letters are symbols: 1,3,H,W or 1,N:long.", metavar="SHAPE"),
]
ArgOption = Annotated[
    list[str] | None,
    typer.Option(
        "--arg",
        metavar="NAME=VALUE",
        help="An argument of the factory; a letter is a symbol. May be repeated.",
    ),
]
TokensOption = Annotated[str | None, typer.Option("--tokens", help="Length of a sequence.", metavar="N")]
BatchOption = Annotated[str, typer.Option("--batch", help="Images or sequences.", metavar="N")]
AttentionOption = Annotated[
    str, typer.Option("--attention", help="eager or fused.", autocompletion=completion.attentions)
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting; may be repeated.")
]

CHOICE = "The choice"
"""The heading of options that choose among models."""

WhereOption = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="Only models for which it holds, in params, macs, flops, fvcore, activations, attention_elements, "
        "weights_bytes, saved_bytes, inference_bytes, training_bytes, top1, family: + - * / // %, < <= == …, "
        "and, or, not; 100G, 12GiB, 'swin'.",
        rich_help_panel=CHOICE,
    ),
]

QuantityOption = Annotated[
    str,
    typer.Option(
        "--quantity",
        "-q",
        metavar="QUANTITY",
        autocompletion=completion.quantities,
        help="macs, flops, fvcore, params, activations or attention_elements.",
    ),
]

KEYWORD = Parameter.KEYWORD_ONLY

LAYERS = "Layers"
"""The heading of options that are dimensions of layers."""

WindowOption = Annotated[
    str, typer.Option("--M", help="Side of an attention window.", metavar="TOKENS", rich_help_panel=LAYERS)
]
PoolOption = Annotated[
    str,
    typer.Option("--P", help="Side of the pooled grid of linear SRA.", metavar="TOKENS", rich_help_panel=LAYERS),
]

DimensionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=NUMBER",
        help="Another dimension that a row has; may be repeated.",
        rich_help_panel=LAYERS,
    ),
]

PriceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--price",
        metavar="OPERATOR=FILE:FUNCTION",
        help="The MACs of an operator that has no price: a function of its arguments by name and of its result. "
        "May be repeated.",
    ),
]
PRICE_EXAMPLE = "--price mylib::scan=prices.py:scan"


class Sizes(NamedTuple):
    """The size of an input."""

    input: ImageOption = None
    tokens: TokensOption = None
    src: Annotated[str | None, typer.Option("--src", help="Length of the source sequence.", metavar="N")] = None
    tgt: Annotated[str | None, typer.Option("--tgt", help="Length of the target sequence.", metavar="N")] = None


def bundled(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameters may be bundles, named tuples of options: each option is one of the command's."""
    own = list(signature(command, eval_str=True).parameters.values())
    bundles = {each.name: each.annotation for each in own if hasattr(each.annotation, "_fields")}

    @wraps(command)
    def run(**given: Any) -> None:
        made = {name: bundle(*map(given.pop, bundle._fields)) for name, bundle in bundles.items()}
        command(**given, **made)

    every = [option for each in own for option in (_options(each.annotation) if each.name in bundles else [each])]
    run.__signature__ = Signature([option.replace(kind=KEYWORD) for option in every])  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in every}
    return run


def _options(bundle: Any) -> list[Parameter]:
    hints = get_type_hints(bundle, include_extras=True)
    defaults = bundle._field_defaults.items()
    return [Parameter(name, KEYWORD, default=default, annotation=hints[name]) for name, default in defaults]


def settings(pairs: Iterable[str] | None) -> dict[str, object]:
    """``--set NAME=VALUE`` texts as a dictionary."""
    return dict(named("--set", pairs, "--set C=128 or --set depths=2,2,18,2"))


def changes(set: Iterable[str] | None, arg: Iterable[str] | None) -> dict[str, dict[str, object]]:
    """Settings of a model of ours and arguments of the reader's, as the functions of Python take both."""
    return {"set": settings(set), "args": dict(named("--arg", arg))}


def dimensions(pairs: Iterable[str] | None) -> dict[str, str]:
    """``--set NAME=NUMBER`` texts of layers as a dictionary."""
    return named("--set", pairs, "--set classes=1000")


def ids(rows: str | None) -> list[str] | None:
    """``--rows ID,ID…`` as a list."""
    return None if rows is None else split_rows(rows)


def named(option: str, pairs: Iterable[str] | None, such_as: str = "") -> dict[str, str]:
    """The ``NAME=VALUE`` texts of an option that may be repeated."""
    found: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            example = f", such as {such_as}" if such_as else ""
            raise InputError(f"{option} {pair!r}: must be NAME=VALUE{example}")
        name, value = name.strip(), value.strip()
        if found.setdefault(name, value) != value:
            raise InputError(f"{option} {name}: is {found[name]} and {value}; give it once")
    return found
