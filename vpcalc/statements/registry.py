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
    """One thing that was tried: what, how, in how many cases, and the largest error where there is one."""

    what: str
    method: Method
    holds: bool
    cases: int = 1
    error: float | None = None
    tolerance: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Its JSON fields."""
        return {
            "what": self.what,
            "method": self.method.value,
            "holds": self.holds,
            "cases": self.cases,
            "error": self.error,
            "tolerance": self.tolerance,
        }


@dataclass(frozen=True)
class Demonstration:
    """What a statement's function returns.

    ``correction`` says what the source prints and why that is not so; empty where the source is right.
    ``rests_on`` is the weakest method that the claim itself needs; numeric evidence beside a proof is
    corroboration.
    """

    steps: tuple[Step, ...]
    evidence: tuple[Evidence, ...]
    rests_on: Method
    tables: tuple[Table, ...] = ()
    figure: Figure | None = None
    correction: str = ""

    @property
    def verdict(self) -> Finding:
        """Refuted as soon as one piece of evidence does not hold; else what the evidence amounts to."""
        if not self.evidence or not all(piece.holds for piece in self.evidence):
            return Finding.REFUTED
        if not any(piece.method is self.rests_on for piece in self.evidence):
            raise ValueError(f"a demonstration that rests on {self.rests_on.value} evidence has none of it")
        if self.correction:
            return Finding.CORRECTED
        return _AMOUNTS_TO[self.rests_on]

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
