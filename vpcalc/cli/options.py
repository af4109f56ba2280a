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


Completed = Callable[[str], list[str]]
"""What a shell completes a word by."""


def option(
    default: Any, usage: str, help: str, panel: str | None = None, complete: Completed | None = None, **more: Any
) -> Any:
    """An option, in the place of its default value; ``...`` for one that has to be given.

    Args:
        default: its value where it is left out.
        usage: its names and what stands for its value, as ``--help`` shows them: ``--quantity -q QUANTITY``.
        help: what it does.
        panel: the heading that it stands under.
        complete: what its value is completed by.
        more: what else :func:`typer.Option` takes.
    """
    names = [word for word in usage.split() if word.startswith("-")]
    metavar = usage.removeprefix(" ".join(names)).strip() or None
    return typer.Option(
        default, *names, metavar=metavar, help=help, rich_help_panel=panel, autocompletion=complete, **more
    )


def described(usage: str, help: str, panel: str | None = None, complete: Completed | None = None) -> Any:
    """The same for ``Annotated``, where typer reads the first name in the place of a default."""
    first, _, others = usage.partition(" ")
    return option(first, others, help, panel, complete)


def argument(metavar: str, help: str, complete: Completed | None = None, default: Any = ...) -> Any:
    """A word without a name, which has to be given unless it has a default."""
    return typer.Argument(default, metavar=metavar, help=help, autocompletion=complete)


SHOWN = "How it is shown"
"""The heading of options that change what a result looks like, and not what it is."""

FormatOption = Annotated[Format, described("--format -f FORMAT", f"One of {', '.join(Format)}.", SHOWN)]
OutputOption = Annotated[
    Path | None, described("--output -o FILE", "Write to this file, whole or not at all.", SHOWN)
]
CheckOption = Annotated[
    bool | None,
    described(
        "--check/--no-check",
        "Count the instantiated PyTorch modules with fvcore. [default: where both are installed]",
    ),
]
ExactOption = Annotated[bool, described("--exact", "Write all digits instead of 2.004 G.", SHOWN)]
ColumnsOption = Annotated[
    str | None, described("--columns KEY,KEY…", "Only these columns, by their names in CSV.", SHOWN)
]
NameArgument = Annotated[
    str,
    argument("NAME", "A model's id or alias (vpcalc models), or code: net.py:make(width=64).", completion.models),
]
NamesArgument = Annotated[
    list[str],
    argument(
        "NAME…",
        "A model's id or alias (vpcalc models), or code, or several; ours=net.py:make is called ours.",
        completion.models,
    ),
]
ImageOption = Annotated[
    str | None,
    described(
        "--input S|HxW|SHAPE",
        "Image side S, or HxW, in pixels; of code also whole shapes, several apart by ';': 1,3,64,64.",
    ),
]
ShapeOption = Annotated[
    str | None,
    described(
        "--input SHAPE",
        "Shape of the input; letters are symbols: 1,3,H,W or 1,N:long. 224 and 800x1280 are sides of an image.",
    ),
]
ArgOption = Annotated[
    list[str] | None,
    described("--arg NAME=VALUE", "An argument of the factory; a letter is a symbol. May be repeated."),
]
TokensOption = Annotated[str | None, described("--tokens N", "Length of a sequence.")]
BatchOption = Annotated[str, described("--batch N", "Images or sequences.")]
AttentionOption = Annotated[str, described("--attention", "eager or fused.", complete=completion.attentions)]
BackboneOption = Annotated[
    str | None,
    described(
        "--backbone NAME", "What a dense predictor stands on: --set backbone=NAME.", None, completion.models
    ),
]
SetOption = Annotated[list[str] | None, described("--set NAME=VALUE", "Change a setting; may be repeated.")]

CHOICE = "The choice"
"""The heading of options that choose among models."""

WhereOption = Annotated[
    str | None,
    described(
        "--where CONDITION",
        "Only models for which it holds, in params, macs, flops, fvcore, activations, attention_elements, "
        "weights_bytes, saved_bytes, inference_bytes, training_bytes (the sum), step_peak_bytes (the most in a "
        "step), top1, batch, family: + - * / // %, < <= == …, and, or, not; 100G, 12GiB, 'swin'.",
        CHOICE,
    ),
]

QuantityOption = Annotated[
    str,
    described(
        "--quantity -q QUANTITY",
        "macs, flops, fvcore, params, activations or attention_elements; of a model also bytes in float32: "
        "saved_bytes, training_bytes …",
        complete=completion.quantities,
    ),
]

KEYWORD = Parameter.KEYWORD_ONLY

LAYERS = "Layers"
"""The heading of options that are dimensions of layers."""

WindowOption = Annotated[str, described("--M TOKENS", "Side of an attention window.", LAYERS)]
PoolOption = Annotated[str, described("--P TOKENS", "Side of the pooled grid of linear SRA.", LAYERS)]

DimensionOption = Annotated[
    list[str] | None, described("--set NAME=NUMBER", "Another dimension that a row has; may be repeated.", LAYERS)
]

PriceOption = Annotated[
    list[str] | None,
    described(
        "--price OPERATOR=FILE:FUNCTION",
        "The MACs of an operator that has no price: a function of its arguments by name and of its result. "
        "May be repeated.",
    ),
]
PRICE_EXAMPLE = "--price mylib::scan=prices.py:scan"


class Sizes(NamedTuple):
    """The size of an input."""

    input: ImageOption = None
    tokens: TokensOption = None
    src: str | None = option(None, "--src N", "Length of the source sequence.")
    tgt: str | None = option(None, "--tgt N", "Length of the target sequence.")


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


def standing(set: list[str] | None, backbone: str | None) -> list[str] | None:
    """``--set`` with what ``--backbone`` says among it."""
    return set if backbone is None else [*(set or []), f"backbone={backbone}"]


def changes(set: Iterable[str] | None, arg: Iterable[str] | None) -> dict[str, Any]:
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
