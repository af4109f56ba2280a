"""The least time that a device needs: every operator at its peak rate, or at the speed of its memory.

The bound is that of an inference that runs operator by operator, each reading its operands from main memory and
writing its result there, with every multiplication of its product (Williams et al. 2009, the roofline model).
Nothing is lost to launching operators, so it is a bound and not a forecast. What goes below it does less than
that: operators that are fused or find their operands in a cache, convolutions by Winograd's algorithm.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from ..abstract.tape import Work
from .devices import Device


@dataclass(frozen=True, slots=True)
class Roof:
    """Operators together: how often they run, what they do, and the least seconds for it."""

    name: str
    runs: int
    macs: int
    bytes: int
    seconds: Fraction
    computing: Fraction

    @property
    def intensity(self) -> float:
        """Operations a byte."""
        return 2 * self.macs / self.bytes if self.bytes else 0.0

    @property
    def bound(self) -> str:
        """What most of the time is bound by."""
        return "compute" if 2 * self.computing > self.seconds else "memory"

    @property
    def milliseconds(self) -> float:
        """The bound in ms."""
        return float(self.seconds * 1000)


def roofs(works: Iterable[Work], device: Device, dtype: str, by: str = "kind") -> list[Roof]:
    """The bound by operator (``kind``) or by module (``path``), the longest first."""
    rate = device.rate(dtype)
    found: dict[str, list[Work]] = {}
    for work in works:
        found.setdefault(getattr(work, by), []).append(work)
    made = [_roof(name, group, rate, device.bandwidth) for name, group in found.items()]
    return sorted(made, key=lambda roof: roof.seconds, reverse=True)


def ridge(device: Device, dtype: str) -> float:
    """Operations a byte from which on a device computes rather than waits."""
    return float(device.rate(dtype) / device.bandwidth)


def in_nanoseconds(device: Device, dtype: str) -> tuple[int, int, int]:
    """Whole numbers: what a multiply-accumulate takes, what a byte takes, and of which of these a nanosecond has
    how many."""
    compute, move = 2 * 10**9 / device.rate(dtype), 10**9 / device.bandwidth
    ticks = lcm(compute.denominator, move.denominator)
    return int(compute * ticks), int(move * ticks), ticks


def _roof(name: str, works: list[Work], rate: Fraction, bandwidth: Fraction) -> Roof:
    computing = seconds = Fraction(0)
    for work in works:
        compute, move = 2 * work.macs / rate, (work.read + work.written) / bandwidth
        seconds += max(compute, move)
        computing += compute if compute >= move else 0
    macs = sum(work.macs for work in works)
    return Roof(name, len(works), macs, sum(work.read + work.written for work in works), seconds, computing)
