"""How numbers are written: one formatter a kind, for every table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

_SI = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_IEC = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")


def short(number: int, digits: int = 4) -> str:
    """A count with ``digits`` significant digits and an SI prefix: 2003828736 is ``2.004 G``."""
    if number < 0:
        return f"−{short(-number, digits)}"
    mantissa, prefix = _scale(number, 1000, digits)
    return f"{mantissa} {_SI[prefix]}" if prefix else mantissa


def size(number: int, digits: int = 4) -> str:
    """Bytes with a binary prefix: 118013952 is ``112.5 MiB``."""
    if number < 0:
        return f"−{size(-number, digits)}"
    mantissa, prefix = _scale(number, 1024, digits)
    return f"{mantissa} {_IEC[prefix]}"


@dataclass(frozen=True, slots=True)
class Scale:
    """One unit and one number of decimals for a whole column."""

    unit: str
    size: int
    decimals: int

    def write(self, number: int) -> str:
        """A number in this unit, without it; rounded half up."""
        if number < 0:
            return f"−{self.write(-number)}"
        scaled = (number * 10**self.decimals * 2 + self.size) // (2 * self.size)
        whole, part = divmod(scaled, 10**self.decimals)
        return f"{whole:,}.{part:0{self.decimals}d}" if self.decimals else f"{whole:,}"


def common_scale(column: Sequence[int], binary: bool = False) -> Scale:
    """The largest unit in which the largest number shows four digits and the smallest three, or two at least.

    Four decimals are as many as anybody reads; where they do not suffice a smaller unit is taken.
    """
    base, names = (1024, _IEC) if binary else (1000, _SI)
    sizes = sorted(abs(number) for number in column if number)
    for prefix in reversed(range(1, len(names))):
        unit = base**prefix
        if not sizes or sizes[-1] < unit:
            continue
        for least in (100, 10):
            decimals = max(0, 4 - len(str(sizes[-1] // unit)))
            while sizes[0] * 10**decimals < least * unit:
                decimals += 1
            if decimals <= 4:
                return Scale(names[prefix], unit, decimals)
    return Scale(names[0], 1, 0)


def exact(number: int) -> str:
    """All digits, in groups of three."""
    return f"{number:,}".replace("-", "−")


def how_many(number: int, what: str) -> str:
    """How many of a thing: 1 run, 3 runs, 2 boxes, 1 count agrees, 3 counts agree."""
    noun, _, verb = what.partition(" ")
    noun += "" if number == 1 else "es" if noun.endswith("x") else "s"
    return f"{exact(number)} {noun}{f' {verb}' if verb else ''}{'s' if verb and number == 1 else ''}"


def signed(number: int) -> str:
    """All digits of a change."""
    return f"+{exact(number)}" if number > 0 else exact(number)


def growth(before: int, after: int) -> str:
    """A change in per cent, with one decimal or, where it is small, two digits; empty where there was nothing."""
    if not before:
        return "" if after else "0 %"
    share = 100 * (after - before) / before
    decimals = 1 if not share or abs(share) >= 0.1 else 1 - floor(log10(abs(share)))
    return f"{share:+,.{decimals}f} %".replace("-", "−") if share else "0 %"


def ratio(value: float) -> str:
    """A ratio with three significant digits, or all before the point."""
    if value and not 0.0001 <= abs(value) < 100000:
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def percent(value: float) -> str:
    """A share in per cent with one decimal."""
    return f"{100 * value:.1f} %"


def share(value: float, decimals: int = 1) -> str:
    """The same in a sentence or a picture: neither all of what is not all, nor nothing of what is something."""
    least = 10.0**-decimals
    if 0 < value < least / 200:
        return f"<{least:.{decimals}f} %"
    if 1 - least / 200 <= value < 1:
        return f">{100 - least:.{decimals}f} %"
    return f"{100 * value:.{decimals}f} %"


def _scale(number: int, base: int, digits: int) -> tuple[str, int]:
    """Mantissa and power of ``base``, rounded half up on integers so that 999.96 becomes the next prefix."""
    prefix = 0
    while number >= base ** (prefix + 1) and prefix < len(_SI) - 1:
        prefix += 1
    if prefix == 0:
        return str(number), 0
    while True:
        unit = base**prefix
        decimals = max(0, digits - len(str(number // unit)))
        scaled = (number * 10**decimals * 2 + unit) // (2 * unit)
        if scaled >= base * 10**decimals and prefix < len(_SI) - 1:
            prefix += 1
            continue
        if len(str(scaled)) > digits and decimals:
            decimals -= 1
            scaled = (number * 10**decimals * 2 + unit) // (2 * unit)
        whole, part = divmod(scaled, 10**decimals)
        return (f"{whole}.{part:0{decimals}d}" if decimals else str(whole)), prefix
