"""``vpcalc audit NAME --against FIGURE``: under which convention and at which input a printed figure comes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..algebra.polynomial import Polynomial, as_polynomial
from ..architectures import ARCHITECTURES, Architecture
from ..cost import Cost, Op, Quantity
from ..errors import InputError
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


@dataclass(frozen=True, slots=True)
class Printed:
    """A figure as it is printed: ``digits`` times ten to the ``power``."""

    text: str
    digits: int
    power: int

    @property
    def value(self) -> Fraction:
        """The number."""
        return Fraction(self.digits) * Fraction(10) ** self.power

    def fits(self, derived: int) -> bool:
        """Whether the derived figure, rounded to the digits that are printed, is this one."""
        return abs(Fraction(derived) - self.value) <= Fraction(10) ** self.power / 2


@dataclass(frozen=True, slots=True)
class Reading:
    """One convention at one input."""

    convention: str
    sizes: tuple[int, ...]
    derived: int
    fits: bool


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
        return any(reading.fits for reading in self.readings)

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "audit",
            "target": self.architecture.id,
            "against": {"text": self.printed.text, "value": float(self.printed.value)},
            "input": list(self.sizes),
            "readings": [
                {"convention": r.convention, "input": list(r.sizes), "derived": r.derived, "fits": r.fits}
                for r in self.readings
            ],
            "inputs_tried": self.tried,
        }

    def tables(self) -> tuple[Table, ...]:
        """Every convention at the asked input, then other inputs where one fits."""
        columns = (
            Column("convention", "Convention"),
            Column("input", "Input", Kind.WORD),
            Column("derived", "Derived", Kind.NUMBER),
            Column("verdict", "Verdict", Kind.VERDICT),
        )
        rows = tuple(
            (r.convention, "×".join(map(str, r.sizes)), r.derived, "agrees" if r.fits else "differs")
            for r in self.readings
        )
        fits = [reading for reading in self.readings if reading.fits]
        here = [reading for reading in fits if reading.sizes == self.sizes]
        if here:
            note = f"{self.printed.text} is what it costs in {' and in '.join(r.convention for r in here)}"
        elif fits:
            note = f"{self.printed.text} comes out at another input only"
        else:
            note = f"{self.printed.text} comes out under none of these, at none of {self.tried} inputs"
        title = f"{self.architecture.id} against {self.printed.text}"
        return (Table(title, columns, rows, (note, f"{self.tried} inputs tried")),)


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
    here = [_reading(figure, sizes, *found) for found in _counts(architecture, config, sizes, form)]
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
        elsewhere += [found for found in (_reading(figure, other, *each) for each in counted) if found.fits]
    readings = (*sorted(here, key=lambda reading: not reading.fits), *elsewhere)
    return Conventions(architecture, figure, sizes, readings, tried)


_UNITS = {"": 0, "k": 3, "K": 3, "M": 6, "G": 9, "B": 9, "T": 12, "P": 15}
_PRINTED = re.compile(
    r"([0-9]{1,15})(?:\.([0-9]{1,15}))?(?:[eE]\+?([0-9]{1,2}))?\s*([kKMGBTP]?)\s*(?:(?i:flops?|macs?|mult-adds?|ops))?"
)


def read_printed(text: object) -> Printed:
    """A figure with its precision: ``4.5G`` is 45 times ten to the eighth.

    Raises:
        InputError: it is no figure.
    """
    found = _PRINTED.fullmatch(str(text).strip().replace(",", ""))
    if found is None:
        raise InputError(f"--against {str(text)[:40]!r}: must be a figure as it is printed, such as 4.5G or 600M")
    whole, fraction, exponent, unit = found.groups()
    digits = int(whole + (fraction or ""))
    if not digits:
        raise InputError(f"--against {str(text)[:40]!r}: must be more than zero")
    power = _UNITS[unit] + int(exponent or 0) - len(fraction or "")
    return Printed(str(text).strip(), digits, power)


def _reading(figure: Printed, sizes: tuple[int, ...], convention: str, derived: int) -> Reading:
    return Reading(convention, sizes, derived, figure.fits(derived))


def _counts(
    architecture: Architecture, config: Mapping[str, Any], sizes: tuple[int, ...], form: Polynomial
) -> Iterator[tuple[str, int]]:
    """Every convention at one input."""
    cost = architecture.cost(sizes, config)
    plain = int(cost.total(Quantity.MACS))
    yield "MACs", plain
    yield "FLOPs, 2 a MAC", 2 * plain
    with_norms = int(cost.total(Quantity.FVCORE))
    if with_norms != plain:
        yield "MACs with norms and pooling (fvcore)", with_norms
    without = _sum(cost, lambda op: 0 if op.kind == "matmul" else op.macs)
    if without != plain:
        yield "MACs without products of two activations (attention)", without
        yield "FLOPs without products of two activations (attention)", 2 * without
    biased = _sum(cost, lambda op: op.macs + _bias(op))
    if biased != plain:
        yield "MACs with biases", biased
    if pads(cost):
        value = form.subs(architecture.family.axes.point(sizes))
        unpadded = round(Fraction(value.terms.get((), 0), value.denominator))
        if unpadded != plain:
            yield "MACs without padding to whole windows and patches", unpadded
            yield "FLOPs without padding to whole windows and patches", 2 * unpadded


def _sum(cost: Cost, price: Callable[[Op], Any]) -> int:
    return int(sum(times * price(op) for op, times in cost.walk()))


def _bias(op: Op) -> int:
    """Output elements of an operator with a bias: one whose parameters are more than its weight."""
    if op.kind not in ("linear", "conv") or len(op.shapes) != 2:
        return 0
    taps, channels = op.shapes[1]
    return int(op.activations) if op.params > taps * channels else 0


def _inputs(architecture: Architecture) -> Iterator[tuple[int, ...]]:
    axes = architecture.family.axes
    yield from ((size,) * len(axes) for size in EQUAL[axes.equal])
    yield from OBLONG if axes.pixels else ()
