"""What a claim is and how it enters the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ...catalog import Catalog
from ..proof import Interpolation, Outcome
from .executed import OnEverySize

Way = Callable[[], Outcome | Interpolation | OnEverySize]
W = TypeVar("W", bound=Way)


@dataclass(frozen=True)
class Claim:
    """A statement with its source, and the way in which it is settled.

    ``kind`` is the group under which it can be asked for. ``way`` returns the outcome, or an
    :class:`~vpcalc.checks.proof.Interpolation`, or one that goes on to every size, which is then carried out and
    can be replayed from a certificate.
    """

    id: str
    statement: str
    source: str
    kind: str
    way: Way

    def settle(self) -> Outcome:
        """Carry it out, counting where it counts."""
        found = self.way()
        return found if isinstance(found, Outcome) else found.settle()

    def replay(self, evidence: Mapping[str, Any]) -> Outcome:
        """Judge recorded counts; a claim that records none is carried out again."""
        found = self.way()
        return found if isinstance(found, Outcome) else found.replay(evidence)


CLAIMS: Catalog[Claim] = Catalog("claim")


def claim(id: str, statement: str, source: str, kind: str = "complexity") -> Callable[[W], W]:
    """Register a function without arguments as the way to settle a claim."""

    def register(way: W) -> W:
        CLAIMS.add(id, Claim(id, statement, source, kind, way))
        return way

    return register
