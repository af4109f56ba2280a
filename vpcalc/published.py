"""Published figures with their sources, and whether a derived figure agrees with one."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_SCALE = {"G": 9, "M": 6, "": 0}


@dataclass(frozen=True, slots=True)
class Published:
    """A figure as printed: ``digits`` in units of ``unit``, for a model at an input ("" if any)."""

    model: str
    input: str
    quantity: str
    digits: str
    unit: str
    source: str

    @property
    def value(self) -> float:
        """The printed number in single units."""
        return float(f"{self.digits}e{_SCALE[self.unit]}")

    def agrees(self, derived: int) -> bool:
        """Whether the derived figure, rounded to the printed precision, is the printed one."""
        whole, _, fraction = self.digits.partition(".")
        power = _SCALE[self.unit] - len(fraction)
        printed = int(whole + fraction)
        if power <= 0:
            return printed == derived * 10**-power
        unit = 10**power
        return printed * 2 * unit - unit <= 2 * derived <= printed * 2 * unit + unit

    def to_dict(self, derived: int) -> dict[str, Any]:
        """Fields of the JSON contract."""
        agrees = self.agrees(derived)
        return {"quantity": self.quantity, "value": self.value, "source": self.source, "agrees": agrees}


@cache
def figures() -> tuple[Published, ...]:
    """All figures of the package data."""
    text = Path(__file__).with_name("data").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(Published(**row) for row in csv.DictReader(text.splitlines()))


def figures_of(model: str, input: str) -> tuple[Published, ...]:
    """Figures of a model at an input written as ``224x224``; figures without an input hold at any."""
    return tuple(f for f in figures() if f.model == model and f.input in ("", input))
