"""What is said to who misuses a command: what was wrong with the words, and what to type instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

MISUSED = ("UsageError", "MissingParameter", "NoSuchOption")
"""What typer raises where words are missing or too many."""

BY_NAME = ("--at", "--set")
"""Options that take sizes and settings by name: the first of these that a command has."""


def said(error: Any, words: Sequence[str]) -> str:
    """What typer says, and how the command is used: by the name that was typed, or as in its first example."""
    message = str(error.format_message()).rstrip(".")
    context = getattr(error, "ctx", None)
    if context is None or type(error).__name__ not in MISUSED:
        return message
    wrong, near, _ = message.partition(". Did you mean ")
    if hint := _as_command(wrong, context, bool(near)) or ("" if near else _by_name(error, words)):
        return f"{wrong.partition(' (Possible')[0]}; {hint}"
    if message.endswith("?"):
        return message
    if context.command.name == "models" and (named := re.search(r"extra argument\S* \((.+)\)", message)):
        return f"{message}; models and code beside each other: vpcalc model {named[1]}"
    example = re.search(r"^ *(?:Examples?: +)?(vpcalc .*)", context.command.help or "", re.MULTILINE)
    return message + (f"; for example: {example[1]}" if example else f"; see {context.command_path} --help")


def _by_name(error: Any, words: Sequence[str]) -> str:
    """``--h 56`` where sizes and settings are given as NAME=VALUE."""
    option = str(getattr(error, "option_name", ""))
    known = {each for parameter in error.ctx.command.params for each in parameter.opts}
    taking = next((each for each in BY_NAME if each in known), "")
    name = option.lstrip("-")
    if not taking or name not in _sizes_and_settings():
        return ""
    given = next((value for word, value in pairwise(words) if word == option), "NUMBER")
    return f"sizes and settings have names: {taking} {name}={given}"


def _sizes_and_settings() -> set[str]:
    from ..architectures import ARCHITECTURES
    from ..layers import LAYERS

    dims = (layer.dims for layer in LAYERS.values())
    return {name for names in (*dims, *(each.settings for each in ARCHITECTURES.values())) for name in names}


def _as_command(message: str, context: Any, near: bool) -> str:
    """What takes a layer, a model or code that stands where a command stands, unless a command is ``near``."""
    typed = re.fullmatch(r"No such command '(.+)'", message)
    if typed is None or context.parent is not None:
        return ""
    from ..architectures import ARCHITECTURES
    from ..errors import ALL, is_code, unknown
    from ..layers import LAYERS

    name = typed[1]
    if name in LAYERS:
        return f"it is a layer: vpcalc formula {name}"
    if name in ARCHITECTURES:
        return f"it is a model: vpcalc model {name}"
    begun = [each for each in ARCHITECTURES if each.startswith(f"{name}_".lower())]
    if begun:
        return f"models are called so: vpcalc model {begun[0]}; vpcalc models lists them"
    if is_code(name):
        return f"code is taken by: vpcalc derive {name}"
    if near:
        return ""
    said = str(unknown("", name, [*ARCHITECTURES, *LAYERS], ALL)).removeprefix(f"{name!r}").lstrip(": ")
    said = said.removeprefix("is not known; ").replace("see vpcalc", "see vpcalc --help, vpcalc", 1)
    return f"it {said}" if said.startswith("is ") else said
