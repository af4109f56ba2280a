"""Figures as they are printed: with the digits that they have, and what was done to the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from .errors import InputError

ROUNDED, CUT, TWICE = "rounded", "cut off", "rounded twice"
"""What was done to further digits. Twice: to one more digit first, as 7.8495 by 7.85 becomes 7.9."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A figure as it is printed: ``digits`` times ten to the ``power``."""

    text: str
    digits: int
    power: int

    @property
    def value(self) -> Fraction:
        """The number."""
        return Fraction(self.digits) * self.unit

    @property
    def unit(self) -> Fraction:
        """What one of its last digit is worth."""
        return Fraction(10) ** self.power

    def fits(self, derived: int) -> bool:
        """Whether the derived figure, rounded to the digits that are printed, is this one."""
        return abs(derived - self.value) <= self.unit / 2

    def moved(self, percent: int) -> Printed:
        """Another figure, so many per cent away; by one unit of its last digit at least."""
        step = max(1, (self.digits * abs(percent) + 50) // 100)
        return Printed(self.text, self.digits + (step if percent > 0 else -step), self.power)

    def how(self, derived: int) -> str | None:
        """What was done to the derived figure's further digits to print this one; None if it is another."""
        if self.fits(derived):
            return ROUNDED
        if derived // self.unit == self.digits:
            return CUT
        finer = (derived * 10 / self.unit + Fraction(1, 2)) // 1
        return TWICE if (Fraction(finer, 10) + Fraction(1, 2)) // 1 == self.digits else None


_UNITS = {"": 0, "k": 3, "K": 3, "M": 6, "G": 9, "B": 9, "T": 12, "P": 15}
_PRINTED = re.compile(
    r"([0-9]{1,15})(?:\.([0-9]{1,15}))?(?:[eE]\+?([0-9]{1,2}))?\s*([kKMGBTP]?)\s*(?:(?i:flops?|macs?|mult-adds?|ops))?"
)


def read_printed(text: object, option: str = "--against") -> Printed:
    """A figure with its precision: ``4.5G`` is 45 times ten to the eighth.

    Raises:
        InputError: it is no figure.
    """
    found = _PRINTED.fullmatch(str(text).strip().replace(",", ""))
    if found is None:
        raise InputError(f"{option} {str(text)[:40]!r}: must be a figure as it is printed, such as 4.5G or 600M")
    whole, fraction, exponent, unit = found.groups()
    digits = int(whole + (fraction or ""))
    if not digits:
        raise InputError(f"{option} {str(text)[:40]!r}: must be more than zero")
    power = _UNITS[unit] + int(exponent or 0) - len(fraction or "")
    return Printed(str(text).strip(), digits, power)
