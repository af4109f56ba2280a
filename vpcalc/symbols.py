"""The alphabet: every symbol of a closed form, its meaning, unit and place in a term.

Symbols are made here and nowhere else, so that one letter means one thing everywhere. The order of
this list is the order in which a term prints its factors: numbers that scale (ratios, windows)
before the grid, the grid before the widths, as the papers write ``2M²hwC``.
"""

from __future__ import annotations

from typing import NamedTuple


class Symbol(NamedTuple):
    """One letter of the alphabet. ``latex`` and ``typst`` are how the letter is set there."""

    name: str
    meaning: str
    unit: str = ""
    latex: str = ""
    typst: str = ""
    width: bool = False
    """Whether it is a model width: terms are ordered by the power of these."""


ALPHABET = (
    Symbol("B", "batch", "sequences or images"),
    Symbol("L", "layers"),
    Symbol("r", "expansion ratio of a feed-forward layer"),
    Symbol("k", "kernel side of a convolution", "tokens"),
    Symbol("s", "stride of a convolution", "pixels or tokens"),
    Symbol("P", "patch side (pixels), or side of the pooled grid of linear SRA (tokens)"),
    Symbol("M", "side of an attention window", "tokens"),
    Symbol("R", "spatial reduction ratio of SRA"),
    Symbol("u", "upsampling factor of a feature map"),
    Symbol("a", "attention heads"),
    Symbol("b", "chunk length of chunkwise retention", "tokens"),
    Symbol("T", "time steps, or target sequence length", "tokens"),
    Symbol("S", "source sequence length", "tokens"),
    Symbol("N", "tokens of a sequence (hw for an image)", "tokens"),
    Symbol("H", "input image height", "pixels"),
    Symbol("W", "input image width", "pixels"),
    Symbol("h", "height of the token grid", "tokens"),
    Symbol("w", "width of the token grid", "tokens"),
    Symbol("K", "classes", "classes"),
    Symbol("V", "vocabulary", "words"),
    Symbol("d_k", "width of a key or query head", "channels", "d_{k}", "d_k"),
    Symbol("d_v", "width of a value head", "channels", "d_{v}", "d_v"),
    Symbol("d_ff", "hidden width of a feed-forward layer", "channels", "d_{ff}", 'd_"ff"', width=True),
    Symbol("d_model", "model width", "channels", "d_{\\text{model}}", 'd_"model"', width=True),
    Symbol("d", "input size of a recurrent network", "channels", width=True),
    Symbol("n", "hidden size of a recurrent network", "channels", width=True),
    Symbol("c_in", "input channels", "channels", "c_{\\text{in}}", 'c_"in"', width=True),
    Symbol("c_out", "output channels", "channels", "c_{\\text{out}}", 'c_"out"', width=True),
    Symbol("C", "channels of a token, the model width", "channels", width=True),
)

_PLACE = {symbol.name: place for place, symbol in enumerate(ALPHABET)}
_BY_NAME = {symbol.name: symbol for symbol in ALPHABET}

GRIDS = (("h", "w"), ("H", "W"))
"""Pairs that papers keep together: hw, (hw)²."""

GRID_MEANINGS = {
    "hw": "tokens of the grid, height h times width w",
    "HW": "pixels of the image, height H times width W",
}
"""What a pair is, for those who give it a letter of its own."""


def place(name: str) -> tuple[int, str]:
    """Sort key of a factor within a term; names outside the alphabet come last, alphabetically."""
    return (_PLACE.get(name, len(ALPHABET)), name)


def is_width(name: str) -> bool:
    """Whether terms are ordered by the power of this symbol."""
    return name in _BY_NAME and _BY_NAME[name].width
