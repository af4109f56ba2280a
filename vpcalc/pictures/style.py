"""How pictures look: colours that colour-blind readers tell apart, type that embeds, numbers as in the tables.

The colours are those of Okabe and Ito (2008) without their yellow, which is too pale for a line on paper. No chart
relies on colour alone: curves differ in their dashes, bars in their hatching, points in their shape.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from ..report import numbers
from .data import Unit

BLACK, ORANGE, SKY, GREEN, BLUE, RED, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
INK, QUIET, GRID = "#1A1A1A", "#5F5F5F", "#DADADA"
PAPER = "#FFFFFF"
DARK = {
    PAPER: "#131416",
    INK: "#E6E6E6",
    QUIET: "#A8A8A8",
    GRID: "#36383C",
    BLACK: "#F4F4F4",
    ORANGE: "#F0B030",
    SKY: "#A9DCF8",
    GREEN: "#1FBF8F",
    BLUE: "#4796D8",
    RED: "#F07838",
    PURPLE: "#E3A0C8",
}
"""What stands for each colour on dark paper: as far apart, and light enough to be read."""
CYCLE = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK)
DASHES = ("-", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (1, 1)), (0, (8, 1.5, 1, 1.5, 1, 1.5)), (0, (2, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h", "p", "*")

LAYERS = {"msa": RED, "wmsa": BLUE, "sra": GREEN, "linear_sra": SKY, "retention": PURPLE}
OPERATORS = {
    "linear": BLUE,
    "matmul": RED,
    "conv": GREEN,
    "layer_norm": ORANGE,
    "group_norm": ORANGE,
    "batch_norm": ORANGE,
    "adaptive_avg_pool2d": PURPLE,
    "upsample_bilinear2d": SKY,
    "upsample_nearest2d": SKY,
    "grid_sampler": SKY,
}
HATCHES = {"matmul": "////", "conv": "....", "layer_norm": "xxxx", "group_norm": "xxxx", "batch_norm": "xxxx"}

TYPE = 8.0
"""Size of the text in points: what stays legible in a printed column."""

NARROW = 5.0
"""Inches below which a picture is one for a column: keys go below, names are broken, ticks are fewer."""

LEFT = 0.01
"""Where titles begin, as a share of the picture's width."""

SETTINGS: dict[str, Any] = {
    "font.size": TYPE,
    "axes.titlesize": TYPE + 1,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "lines.linewidth": 1.6,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": TYPE - 0.5,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    # TrueType in a PDF, which journals ask for; text in an SVG, to be edited, searched and read aloud. Where its
    # type is not installed, Verdana is as wide.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    # The same data give the same bytes.
    "svg.hashsalt": "vpcalc",
}


def settings(dark: bool = False) -> dict[str, Any]:
    """How matplotlib is set, on white paper or on dark."""
    return {
        name: DARK.get(value, value) if dark and isinstance(value, str) else value
        for name, value in SETTINGS.items()
    }


_TOGETHER = re.compile(r" (?=[=−×%])|(?<=[=−×]) |(?<=\d) (?=[kMGTPEZY]?(?:MACs|FLOPs|i?B)\b)")
"""Spaces at which no line ends: about signs of an equation, before a unit."""


def broken(text: str, letters: int) -> list[str]:
    """A text in lines of so many letters; an equation and a number with its unit stay together."""
    return [line.replace("\u00a0", " ") for line in wrap(_TOGETHER.sub("\u00a0", text), letters)]


def title_lines(title: str, width: float) -> list[str]:
    """A title broken to a picture's width in inches."""
    return broken(title, int(11.8 * width))


def subtitle_lines(subtitle: str, width: float) -> list[str]:
    """A subtitle broken to a picture's width in inches; its type is smaller and not bold."""
    return broken(subtitle, int(14.5 * width))


def colours_of_layers(keys: Sequence[str]) -> list[str]:
    """Each layer's own colour, or the next of the cycle that is none of theirs."""
    taken = {LAYERS[key] for key in keys if key in LAYERS}
    free = itertools.cycle([colour for colour in CYCLE if colour not in taken] or CYCLE)
    return [LAYERS[key] if key in LAYERS else next(free) for key in keys]


def colour_of_operator(kind: str) -> str:
    """An operator's own colour; grey for those that are rare."""
    return OPERATORS.get(kind, QUIET)


def written(value: float, unit: Unit) -> str:
    """A number as an axis shows it: 10 G, 4 MiB, 49."""
    if unit is Unit.PER_CENT:
        return f"{value:.3g}"
    number = round(value)
    if unit is Unit.PLAIN:
        return numbers.exact(number) if number == value else f"{value:.3g}"
    mantissa, space, prefix = (numbers.size if unit is Unit.BYTES else numbers.short)(number).partition(" ")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa + space + prefix
