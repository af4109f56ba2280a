"""``vpcalc audit NAME --against FIGURE``: under which convention and at which input a printed figure comes out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..algebra.polynomial import Polynomial, as_polynomial
from ..architectures import ARCHITECTURES, Architecture
from ..charges import charged, readings
from ..cost import Quantity
from ..errors import InputError
from ..placing import in_brackets
from ..printed import CUT, ROUNDED, TWICE, Printed, read_printed
from ..report import Column, Kind, Table
from ..symbolic import model_on_symbols, pads
from .result import Result

OBLONG = (
    (480, 640),
    (512, 1024),
    (512, 2048),
    (600, 1000),
    (640, 960),
    (768, 1344),
    (800, 1280),
    (800, 1333),
    (1024, 2048),
)
_SIDES = """
    32 64 96 112 128 144 160 176 192 200 208 224 240 256 260 280 288 299 300 320 331 336 352 380 384 392 400 416
    448 456 480 512 518 528 560 576 600 608 640 672 720 768 800 896 960 1024 1280
"""
_LENGTHS = """
    8 10 16 20 25 30 32 49 50 64 77 100 128 196 197 200 256 384 400 500 512 577 784 1000 1024 2048 3136 4096 8192
"""
EQUAL = {"input": tuple(map(int, _SIDES.split())), "tokens": tuple(map(int, _LENGTHS.split()))}
"""Inputs that papers use, which are tried."""

UNITS = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
"""Units that a figure may lack."""

FAR = 100
"""Times by which it is then too small."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One convention at one input; ``how`` its figure became the printed one, None if it did not."""

    convention: str
    sizes: tuple[int, ...]
    derived: int
    how: str | None

    @property
    def verdict(self) -> str:
        """In a word; of what is not rounded, what was done."""
        return {None: "differs", ROUNDED: "agrees"}.get(self.how, str(self.how))

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON contract."""
        fields = {"convention": self.convention, "input": list(self.sizes), "derived": self.derived}
        return {**fields, "fits": self.how is not None, "rounding": self.how}


@dataclass(frozen=True)
class Conventions(Result):
    """A printed figure, and how it may have been counted. The first readings are those at the asked input."""

    architecture: Architecture
    printed: Printed
    sizes: tuple[int, ...]
    readings: tuple[Reading, ...]
    tried: int

    @property
    def ok(self) -> bool:
        """Whether some convention gives the figure."""
        return any(reading.how for reading in self.readings)

    @property
    def nearest(self) -> Reading:
        """The reading at the asked input that is nearest to the figure."""
        here = (reading for reading in self.readings if reading.sizes == self.sizes)
        return min(here, key=lambda reading: abs(reading.derived - self.printed.value))

    @property
    def meant(self) -> str:
        """The figure with the unit that it may lack, where it is without one and far below; else empty."""
        times = self.nearest.derived / self.printed.value
        if times < FAR or re.search("[A-Za-z]", self.printed.text):
            return ""
        unit = min(UNITS, key=lambda unit: max(times / UNITS[unit], UNITS[unit] / times))
        return f"{self.printed.text}{unit}"

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "audit",
            "target": self.architecture.id,
            "against": {"text": self.printed.text, "value": float(self.printed.value)},
            "input": list(self.sizes),
            "readings": [reading.to_dict() for reading in self.readings],
            **({} if self.ok else {"nearest": self.nearest.to_dict()}),
            "inputs_tried": self.tried,
        }

    def tables(self) -> tuple[Table, ...]:
        """Every convention at the asked input, then other inputs where one fits."""
        columns = (
            Column("convention", "Convention"),
            Column("input", "Input", Kind.SYMBOLS),
            Column("derived", "Derived", Kind.NUMBER),
            Column("verdict", "Verdict", Kind.VERDICT),
        )
        brief = self.architecture.family.axes.brief
        rows = tuple((r.convention, brief(r.sizes), r.derived, r.verdict) for r in self.readings)
        fits = [reading for reading in self.readings if reading.how]
        here = [reading for reading in fits if reading.sizes == self.sizes]
        if here:
            ways = "; or ".join(r.convention + ("" if r.how == ROUNDED else f", {r.how}") for r in here)
            note = f"{self.printed.text} is its cost in: {ways}"
        elif fits:
            note = f"{self.printed.text} comes out at another input only"
        else:
            near = self.nearest
            off = f"{float(100 * (near.derived / self.printed.value - 1)):+.2g} %"
            why = f"read as {self.printed.text} MACs or FLOPs; {self.meant}?" if self.meant else ""
            why = why or f"nearest: {near.convention}, {off}"
            note = f"{self.printed.text} comes out under none of these, at none of {self.tried} inputs; {why}"
        title = f"{self.architecture.id} against {self.printed.text}"
        return (Table(title, columns, rows, (note, f"{self.tried} inputs tried")),)


@in_brackets("name")
def conventions(
    name: str,
    printed: str,
    *,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    set: Mapping[str, object] | None = None,
) -> Conventions:
    """Under which conventions an architecture's closed form rounds to a printed figure.

    Args:
        name: an id or alias that :func:`vpcalc.models` lists.
        printed: the figure with its digits: ``"4.5G"``, ``"17.6 GFLOPs"``, ``"600M"``.
        input, tokens, src, tgt: the input that the paper names; the native one if None.
        set: changes to the architecture's settings.

    Raises:
        InputError: an unknown name or setting, or a figure that is not one.
    """
    figure = read_printed(printed)
    architecture = ARCHITECTURES[name]
    sizes = architecture.read(input=input, tokens=tokens, src=src, tgt=tgt)
    config = architecture.configure(set or {})
    form = as_polynomial(model_on_symbols(architecture, config).total(Quantity.MACS))
    here = [Reading(name, sizes, n, figure.how(n)) for name, n in _counts(architecture, config, sizes, form)]
    elsewhere = []
    tried = 1
    for other in _inputs(architecture):
        if other == sizes:
            continue
        try:
            counted = list(_counts(architecture, config, other, form))
        except InputError:
            continue  # the architecture takes no such input
        tried += 1
        elsewhere += [Reading(name, other, n, ROUNDED) for name, n in counted if figure.fits(n)]
    here.sort(key=lambda reading: (ROUNDED, CUT, TWICE, None).index(reading.how))
    return Conventions(architecture, figure, sizes, (*here, *elsewhere), tried)


def _counts(
    architecture: Architecture, config: Mapping[str, Any], sizes: tuple[int, ...], form: Polynomial
) -> Iterator[tuple[str, int]]:
    """Every convention at one input."""
    found: set[int] = set()
    cost = architecture.cost(sizes, config)
    for name, figure in readings(charged(architecture, sizes, config, cost)).items():
        if figure not in found:  # of conventions that give the same, the plainest
            found.add(figure)
            yield name, figure
    if pads(cost):
        value = form.subs(architecture.family.axes.point(sizes))
        unpadded = round(Fraction(value.terms.get((), 0), value.denominator))
        if unpadded != cost.total(Quantity.MACS):
            yield "MACs without padding to whole windows and patches", unpadded
            yield "FLOPs without padding to whole windows and patches", 2 * unpadded


def _inputs(architecture: Architecture) -> Iterator[tuple[int, ...]]:
    axes = architecture.family.axes
    yield from ((size,) * len(axes) for size in EQUAL[axes.equal])
    yield from OBLONG if axes.pixels else ()
