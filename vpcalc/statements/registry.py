"""What a statement is, how it is demonstrated, and how it enters the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from inspect import cleandoc
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from ..catalog import Catalog
from ..findings import Finding
from .libraries import torch

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
_STRENGTH = (Finding.REFUTED, Finding.UNSETTLED, Finding.CHECKED, Finding.IDENTIFIED, Finding.PROVED)
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


def derivation(block: str) -> tuple[Step, ...]:
    """Steps as they are read: a line of words, below it the formula as text, and below that as LaTeX math.

    Each of the three stands four columns deeper than the one above; a line as deep as the last goes on with it.
    """
    steps: list[tuple[list[str], list[str], list[str]]] = []
    before = 2
    for line in cleandoc(block).splitlines():
        level = (len(line) - len(line.lstrip())) // 4
        if level == 0 and before == 2:
            steps.append(([], [], []))
        steps[-1][level].append(line.strip())
        before = level
    return tuple(Step(*map(" ".join, parts)) for parts in steps)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was tried: what, how, in how many cases, and the largest error where there is one.

    ``instances`` names the sizes at which an identity was shown where the clause speaks of every size: it is then
    a check of those. ``empty`` says that there is nothing to it, as to 0 = 0: it counts for nothing.
    """

    what: str
    method: Method
    holds: bool
    cases: int = 1
    error: float | None = None
    tolerance: float | None = None
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
            "instances": self.instances,
        }


def _strength(piece: Evidence) -> int:
    return _STRENGTH.index(piece.amounts_to)


def strongest(pieces: Iterable[Evidence]) -> Evidence | None:
    """Of what counts, the piece that amounts to most."""
    return max((piece for piece in pieces if not piece.empty), key=_strength, default=None)


@dataclass(frozen=True)
class Demonstration:
    """What a statement's function returns.

    ``clauses`` are the parts of the claim, each a sentence with the evidence for it: the verdict is that of the
    clause with the weakest. ``beside`` is evidence for what the claim does not say. ``correction`` says what the
    source prints and why that is not so; empty where the source is right.
    """

    steps: tuple[Step, ...]
    clauses: Mapping[str, tuple[Evidence, ...]]
    beside: tuple[Evidence, ...] = ()
    tables: tuple[Table, ...] = ()
    figure: Figure | None = None
    correction: str = ""

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """All of it, each piece once."""
        return tuple(dict.fromkeys([*chain.from_iterable(self.clauses.values()), *self.beside]))

    @property
    def verdict(self) -> Finding:
        """Refuted as soon as one piece of evidence does not hold; else that of the clause with the weakest.

        It is unsettled where there is a clause for which nothing that counts was tried.
        """
        if self.failed:
            return Finding.REFUTED
        corrected = self.correction and self.stands is not Finding.UNSETTLED
        return Finding.CORRECTED if corrected else self.stands

    @property
    def stands(self) -> Finding:
        """What the clauses amount to, whatever the source prints: that of the weakest."""
        return min(map(self.of, self.clauses), key=_STRENGTH.index, default=Finding.UNSETTLED)

    def of(self, clause: str) -> Finding:
        """What the evidence for one clause amounts to: the strongest of it, as the rest corroborates."""
        if not all(piece.holds for piece in self.clauses[clause]):
            return Finding.REFUTED
        piece = strongest(self.clauses[clause])
        return Finding.UNSETTLED if piece is None else piece.amounts_to

    @property
    def rests_on(self) -> Evidence | None:
        """The evidence that decides: the strongest for the clause that has the weakest."""
        pieces = (strongest(pieces) for pieces in self.clauses.values())
        return min((piece for piece in pieces if piece), key=_strength, default=None)

    @property
    def missing(self) -> str:
        """The clauses for which nothing was tried, in words; empty where there are none."""
        left = [clause for clause in self.clauses if self.of(clause) is Finding.UNSETTLED]
        return f"nothing was tried for: {'; '.join(left)}" if left else ""

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
