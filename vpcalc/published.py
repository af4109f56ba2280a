"""Published figures with their sources, and whether a derived figure agrees with one."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from .printed import Printed, read_printed


@dataclass(frozen=True, slots=True)
class Published:
    """A figure as printed: ``digits`` in units of ``unit``, for a model at an input ("" if any).

    ``settings`` are changes to the model's settings (``d_k=16;d_v=16``). ``why`` is what is known about
    a difference; it is shown where there is one and never used to make one vanish.
    """

    model: str
    input: str
    settings: str
    quantity: str
    digits: str
    unit: str
    source: str
    why: str = ""

    @property
    def changes(self) -> dict[str, str]:
        """The settings as a dictionary."""
        return dict(pair.split("=", 1) for pair in self.settings.split(";") if pair)

    @property
    def printed(self) -> str:
        """As the source prints it."""
        return f"{self.digits} {self.unit}".strip()

    @property
    def value(self) -> float:
        """The printed number in single units."""
        return float(self.figure.value)

    @property
    def figure(self) -> Printed:
        """The printed number with its precision."""
        return read_printed(f"{self.digits}{self.unit}")

    def agrees(self, derived: int) -> bool:
        """Whether the derived figure, rounded to the printed precision, is the printed one."""
        return self.figure.fits(derived)

    def to_dict(self, derived: int) -> dict[str, Any]:
        """Fields of the JSON contract."""
        agrees = self.agrees(derived)
        fields = {"quantity": self.quantity, "value": self.value, "source": self.source, "agrees": agrees}
        return fields if agrees or not self.why else {**fields, "why": self.why}


@cache
def figures(model: str | None = None) -> tuple[Published, ...]:
    """The figures of the package data, of all models or of one; the papers' own come first."""
    return tuple(Published(*row) for row in _rows("published.csv") if model in (None, row[0]))


def figures_of(model: str, input: str) -> tuple[Published, ...]:
    """Figures of a model at an input written as ``224x224``; figures without an input hold at any."""
    return tuple(f for f in figures(model) if f.input in ("", input) and not f.settings)


NATIVE = "224×224"
"""Where accuracies are measured as a rule."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The share of ImageNet's validation images that a model puts into their class, in per cent as printed.

    ``input`` is the size that it was measured at (``224x224``); ``how`` is what else sets it apart, such as more
    data to train on.
    """

    model: str
    input: str
    top1: str
    source: str
    how: str = ""

    @property
    def value(self) -> Fraction:
        """The printed number, exactly."""
        return Fraction(self.top1)

    @property
    def says(self) -> str:
        """Where it comes from, and what sets it apart."""
        return "; ".join(filter(None, (self.source, self.apart)))

    @property
    def apart(self) -> str:
        """What it holds for, where that is not the usual size and ImageNet's own images alone."""
        size = self.input.replace("x", "×")
        return ", ".join(filter(None, (f"at {size}" if size != NATIVE else "", self.how)))


@cache
def accuracies() -> dict[str, Accuracy]:
    """The accuracies of the package data by the models' ids; models without one have no entry."""
    return {row[0]: Accuracy(*row) for row in _rows("accuracies.csv")}


def _rows(name: str) -> list[list[str]]:
    """The lines of a table of the package data below its first, in the order of the class that holds them."""
    text = Path(__file__).with_name("data").joinpath(name).read_text(encoding="utf-8")
    return list(csv.reader(text.splitlines()))[1:]
