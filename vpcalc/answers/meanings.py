"""What the letters of a layer's form stand for: our alphabet, or what a layer from outside says itself."""

from __future__ import annotations

import re

from ..layers import LAYERS
from ..symbolic import SYMBOL_OF
from ..symbols import ALPHABET

GRID = ("h", "w", "C")
"""Letters that every layer has alike: the grid on which a comparison sets it."""

BLOCKS = ("depth", "depths")
"""Settings that no letter of the alphabet stands for: how many blocks there are."""

_LETTER = re.compile(r"(?<![A-Za-z_])[A-Za-z](?:_\w+)?(?![A-Za-z_])")

_ARGUMENT = re.compile(r"\s+(\w+(?:, \w+)*): ([^.;]+)")


def meaning(id: str, name: str, units: bool = False) -> str:
    """What a dimension of a layer, or its letter, is; one from outside has our words for the grid alone."""
    letter = SYMBOL_OF.get(name, name)
    whole, _, number = letter.rpartition("_")
    if number.isdecimal():
        return f"{'blocks' if whole in BLOCKS else meaning(id, whole)} in stage {number}"
    said = _documented(id)
    if said is None or letter in GRID:
        found = next((each for each in ALPHABET if each.name == letter), None)
        if found is not None:
            unit = f" ({found.unit})" if units and found.unit and found.unit not in found.meaning else ""
            return found.meaning + unit
    return (said or {}).get(letter, "dimension of the layer")


def letters_in(condition: str) -> set[str]:
    """The letters of a condition in words, in which "a multiple" has the article and no heads."""
    known = {each.name for each in ALPHABET}
    found = _LETTER.findall(condition.replace("a multiple", ""))
    return {each for each in found if each in known or each.rstrip("0123456789").rstrip("_") in known}


def _documented(id: str) -> dict[str, str] | None:
    """What the docstring of a layer from outside says of its dimensions, by their letters; None of our own."""
    if id not in LAYERS or LAYERS[id].run.__module__.startswith("vpcalc."):
        return None
    _, _, arguments = LAYERS[id].doc.partition("Args:")
    lines = (_ARGUMENT.match(line) for line in arguments.splitlines())
    return {SYMBOL_OF.get(name, name): line[2] for line in lines if line for name in line[1].split(", ")}
