"""Where letters are tied: heads that share the width evenly, keys that come from the queries' own tokens, a
convolution that keeps its channels.

A paper writes 4nd² + 2n²d of multi-head attention, and means heads of d/a channels over one sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from ..algebra import Polynomial
from ..algebra.polynomial import symbol
from ..algebra.roles import ROLES
from .formula import Formula

HEADS = frozenset({"d_k", "d_v"})
SEQUENCES = frozenset({"S", "T"})
CHANNELS = frozenset({"c_in", "c_out"})


@dataclass(frozen=True)
class Tie:
    """Letters that are given by others: ``values`` says by what, ``where`` in words.

    ``spoken`` is what a formula may speak of beside the derived form's own letters: heads.
    """

    where: str = ""
    values: Mapping[str, Polynomial] = field(default_factory=dict)
    spoken: Polynomial = field(default_factory=lambda: Polynomial({}))

    @property
    def letters(self) -> frozenset[str]:
        """Those that values are made of: a reader may not have written them."""
        return frozenset[str]().union(*(value.letters for value in self.values.values()))

    def of(self, derived: Formula) -> Formula:
        """A derived form and all its terms where the letters are so tied."""
        if not self.values:
            return derived
        valid = " and ".join(filter(None, (derived.form.valid, self.where)))
        form = replace(derived.form, polynomial=derived.form.polynomial.subs(self.values), valid=valid)
        terms = tuple(step._replace(term=step.term.subs(self.values)) for step in derived.terms)
        return replace(derived, form=form, terms=terms)


def ties(given: Sequence[Polynomial], derived: Formula) -> Iterator[Tie]:
    """The ways in which letters may be tied, none first; of heads only where either side speaks of their width.

    What the formulas tell apart stays apart: S and T, where both occur in them.
    """
    ours = derived.form.polynomial.letters
    theirs = frozenset[str]().union(*(one.letters for one in given))
    width = next((name for name in ("d_model", "C") if name in ours), "")
    spoken = symbol("a") if width else Polynomial({})
    tokens, heads = [Tie()], [Tie()]
    if ours >= SEQUENCES and SEQUENCES - theirs:
        tokens.append(Tie("S = T", {"S": symbol("T")}))
    if width and (ours | theirs) & HEADS:
        if ours >= HEADS:
            heads.append(Tie("d_v = d_k", {"d_v": symbol("d_k")}))
        each = symbol(width) / symbol("a")
        if derived.name.startswith("retention"):
            heads.append(Tie("d_k = C/a, d_v = 2C/a", {"d_k": each, "d_v": 2 * each}))
        else:
            heads.append(Tie(f"d_k = d_v = {width}/a", dict.fromkeys(sorted(HEADS), each)))
    for one, other in product(tokens, heads):
        where = ", ".join(filter(None, (one.where, other.where)))
        yield Tie(where, {**one.values, **other.values}, spoken)
    if "C" in ours and not ours & CHANNELS and len(theirs & _spelled(CHANNELS)) == len(CHANNELS):
        both = dict.fromkeys(sorted(CHANNELS), symbol("C"))
        yield Tie("c_in = c_out = C", both, sum(map(symbol, both), Polynomial({})))


def _spelled(names: frozenset[str]) -> frozenset[str]:
    """By which letters papers call symbols of ours."""
    return frozenset(letter for role in ROLES if names & {*role.ours} for letter in role.spellings)


def tied(verdict: str, where: str) -> str:
    """A verdict with where letters are tied, ready for what is read as what."""
    return f"{verdict} where {where}" if where else verdict
