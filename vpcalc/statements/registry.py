"""What a statement is, how it is demonstrated, and how it enters the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from ..catalog import Catalog
from ..findings import Finding

if TYPE_CHECKING:
    from ..report import Table
    from ..report.plots_theory import Figure


class Method(str, Enum):
    """How a piece of evidence was obtained."""

    SYMBOLIC = "symbolic"
    """An identity of expressions: it holds for every value of its symbols."""
    INTERPOLATION = "interpolation"
    """A polynomial recovered from counts on a grid, and tried beyond it."""
    EXACT = "exact"
    """Integers or bits compared without tolerance, at every point that was tried."""
    NUMERIC = "numeric"
    """Floating point within a stated tolerance, or samples."""


_AMOUNTS_TO = {
    Method.SYMBOLIC: Finding.PROVED,
    Method.INTERPOLATION: Finding.IDENTIFIED,
    Method.EXACT: Finding.CHECKED,
    Method.NUMERIC: Finding.CHECKED,
}
_STRENGTH = (Finding.CHECKED, Finding.IDENTIFIED, Finding.PROVED)
"""What evidence amounts to, the weakest first."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a derivation: why it follows, and the formula as text and as LaTeX math."""

    why: str
    text: str
    latex: str

    def to_dict(self) -> dict[str, str]:
        """Its JSON fields."""
        return {"why": self.why, "text": self.text, "latex": self.latex}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was tried: what, how, in how many cases, and the largest error where there is one.

    ``settles`` names the clauses of the statement that it is about. ``instances`` names the sizes at which an
    identity was shown where the clause speaks of every size: it is then a check of those. ``empty`` says that
    there is nothing to it, as to 0 = 0: it counts for nothing.
    """

    what: str
    method: Method
    holds: bool
    cases: int = 1
    error: float | None = None
    tolerance: float | None = None
    settles: tuple[str, ...] = ()
    instances: str = ""
    empty: bool = False

    @property
    def amounts_to(self) -> Finding:
        """What a clause is by this alone, if it holds."""
        return Finding.CHECKED if self.instances else _AMOUNTS_TO[self.method]

    def to_dict(self) -> dict[str, Any]:
        """Its JSON fields."""
        return {
            "what": self.what,
            "method": self.method.value,
            "holds": self.holds,
            "cases": self.cases,
            "error": self.error,
            "tolerance": self.tolerance,
            "settles": list(self.settles),
            "instances": self.instances,
        }


@dataclass(frozen=True)
class Demonstration:
    """What a statement's function returns.

    ``correction`` says what the source prints and why that is not so; empty where the source is right.
    ``rests_on`` is the weakest method that the claim itself needs; numeric evidence beside a proof is
    corroboration. ``clauses`` names the parts of the claim: where it does, the verdict is that of the clause with
    the weakest evidence, and ``rests_on`` can only lower it.
    """

    steps: tuple[Step, ...]
    evidence: tuple[Evidence, ...]
    rests_on: Method
    tables: tuple[Table, ...] = ()
    figure: Figure | None = None
    correction: str = ""
    clauses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        strange = {clause for piece in self.evidence for clause in piece.settles} - set(self.clauses)
        if strange:
            raise ValueError(f"evidence for clauses that the claim does not have: {', '.join(sorted(strange))}")

    @property
    def verdict(self) -> Finding:
        """Refuted as soon as one piece of evidence does not hold; else what the evidence amounts to.

        It is unsettled where there is a clause, or else the method that the claim rests on, for which nothing that
        counts was tried.
        """
        if not self.evidence or not all(piece.holds for piece in self.evidence):
            return Finding.REFUTED
        found = [self._declared(), *(self.of(clause) for clause in self.clauses)]
        if Finding.UNSETTLED in found:
            return Finding.UNSETTLED
        if self.correction:
            return Finding.CORRECTED
        return min(found, key=_STRENGTH.index)

    def _declared(self) -> Finding:
        """What the method amounts to that the claim is said to rest on, if any evidence that counts is of it."""
        tried = [piece.amounts_to for piece in self.evidence if piece.method is self.rests_on and not piece.empty]
        return max(tried, key=_STRENGTH.index, default=Finding.UNSETTLED)

    def of(self, clause: str) -> Finding:
        """What the evidence for one clause amounts to: the strongest of it, as the rest corroborates."""
        pieces = [piece for piece in self.evidence if clause in piece.settles and not piece.empty]
        if not all(piece.holds for piece in pieces):
            return Finding.REFUTED
        return max((piece.amounts_to for piece in pieces), key=_STRENGTH.index, default=Finding.UNSETTLED)

    @property
    def missing(self) -> str:
        """The clauses for which nothing was tried, in words; empty where there are none."""
        left = [clause for clause in self.clauses if self.of(clause) is Finding.UNSETTLED]
        if left:
            return f"nothing was tried for: {'; '.join(left)}"
        return "" if self._declared() is not Finding.UNSETTLED else "nothing was tried that counts"

    @property
    def failed(self) -> tuple[Evidence, ...]:
        """The evidence that does not hold."""
        return tuple(piece for piece in self.evidence if not piece.holds)


Demonstrate = Callable[..., Demonstration]
D = TypeVar("D", bound=Demonstrate)


@dataclass(frozen=True)
class Statement:
    """A statement with its source.

    ``demonstrate`` takes what is claimed as keyword arguments, with the true claim as their defaults: call it with
    another one and the demonstration fails. That is how the tests know that each proof is one.
    """

    id: str
    title: str
    claim: str
    source: str
    family: str
    demonstrate: Demonstrate

    @property
    def claims(self) -> tuple[str, ...]:
        """Names of the claims that can be altered."""
        from inspect import signature

        return tuple(signature(self.demonstrate).parameters)

    def settle(self, **altered: Any) -> Demonstration:
        """Carry the demonstration out."""
        with one_thread():
            return self.demonstrate(**altered)


@contextmanager
def one_thread() -> Iterator[None]:
    """Tensors here are so small that more threads would only wait for one another."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


STATEMENTS: Catalog[Statement] = Catalog("statement")


def statement(id: str, title: str, claim: str, source: str) -> Callable[[D], D]:
    """Register a function as the demonstration of a statement; its module is the statement's family."""

    def register(demonstrate: D) -> D:
        family = demonstrate.__module__.rpartition(".")[2]
        STATEMENTS.add(id, Statement(id, title, claim, source, family, demonstrate))
        return demonstrate

    return register
