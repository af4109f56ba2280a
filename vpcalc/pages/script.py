"""Forms and conditions of a page: each once, as a JavaScript function, with how it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..algebra.code import FLOORDIV, JAVASCRIPT, javascript
from ..algebra.conditions import spell
from ..algebra.domains import Domain, Guard, Where
from ..algebra.polynomial import Polynomial, as_polynomial
from ..algebra.printers import latex, mathml, reading_order, text, without_line
from ..everywhere import Regime
from ..symbolic import Form

SPELLED: Mapping[str, Callable[[Polynomial], str]] = {
    "m": lambda term: mathml(term).partition(">")[2].removesuffix("</math>"),
    "t": text,
    "l": latex,
}
SPELLINGS = "".join(SPELLED)
"""MathML, text and LaTeX."""

SHORT = "$"
"""``floordiv`` on a page, which calls it thousands of times; no letter is written so."""


class Script:
    """Collects what a page evaluates. ``terms`` and ``conditions`` are how it is shown, by the same numbers;
    ``forms`` are the numbers of their terms, and that of what their sum is divided by, if it is."""

    def __init__(self) -> None:
        self.forms: list[list[Any]] = []
        self.terms: list[dict[str, Any] | None] = []
        self.conditions: list[str] = []
        self._functions: list[str] = []
        self._tests: list[str] = []
        self._guards: list[str] = []
        self._known: dict[Polynomial, int] = {}
        self._parts: dict[tuple[Polynomial, Polynomial], int] = {}
        self._tested: dict[str, int] = {}
        self._decided: dict[Guard, int] = {}

    def form(self, polynomial: Polynomial, written: str = SPELLINGS) -> int:
        """The number of a form. Its terms are there in the spellings in which it is to be written."""
        terms = [
            Polynomial({each: polynomial.terms[each]}, polynomial.denominator)
            for each in reading_order(polynomial.terms)
        ]
        if polynomial not in self._known:
            divisor = as_polynomial(without_line(polynomial)[1])
            below = [] if divisor == 1 else [self._part(divisor, as_polynomial(1))]
            self._known[polynomial] = len(self.forms)
            self.forms.append([[self._part(term, divisor) for term in terms], *below])
        number = self._known[polynomial]
        for part, term in zip(self.forms[number][0], terms, strict=True):
            known = self.terms[part]
            if left := [each for each in written if known is None or each not in known]:
                self.terms[part] = {**(known or {}), **_term(term, left)}
        return number

    def _part(self, term: Polynomial, times: Polynomial) -> int:
        """The number of a term, so many times."""
        if (term, times) not in self._parts:
            self._parts[term, times] = len(self._functions)
            self._functions.append(f"{_taking(term.letters | times.letters)} => {javascript(term * times)}")
            self.terms.append(None)
        return self._parts[term, times]

    def condition(self, where: Where) -> int:
        """The number of a condition; its function says whether it holds."""
        letters = {letter for part in where.parts for guard in part.guards for letter in guard.letters}
        code = f"{_taking(letters)} => {spell(where, 'javascript')}"
        if code not in self._tested:
            self._tested[code] = len(self._tests)
            self._tests.append(code)
            self.conditions.append(spell(where, "text"))
        return self._tested[code]

    def path(self, domain: Domain) -> list[int]:
        """The decisions of a domain."""
        return [self.decision(guard) for guard in domain.guards]

    def decision(self, guard: Guard) -> int:
        """The number of a guard, from 1 on, or less than 0 for one that does not hold where that one does."""
        if guard not in self._decided:
            self._guards.append(f"{_taking(guard.letters)} => {spell(_alone(guard), 'javascript')}")
            self._decided[guard] = len(self._guards)
            self._decided[guard.negation()] = -len(self._guards)
        return self._decided[guard]

    def law(self, regimes: Iterable[Regime], tidy: Form | None = None, written: str = SPELLINGS) -> dict[str, Any]:
        """A quantity: in each regime where it holds, and its form or why sizes are refused.

        ``tidy`` is the form that papers print, shown where it gives the same.
        """
        return {"cases": [self._case(regime, written) for regime in regimes], "tidy": tidy and self.tidy(tidy)}

    def tidy(self, form: Form) -> dict[str, Any]:
        """The form that papers print."""
        return {"form": self.form(form.polynomial), "valid": form.valid}

    def _case(self, regime: Regime, written: str) -> dict[str, Any]:
        when = {"when": self.condition(regime.when.where)}
        if regime.form is not None:
            return {**when, "form": self.form(regime.form.polynomial, written)}
        return {**when, "refused": regime.refused or "no form is known at these sizes"}

    def steps(self, steps: Iterable[tuple[str, str, str, Polynomial]]) -> list[dict[str, Any]]:
        """Of operators the name, kind, shapes and what each adds."""
        return [
            {"name": name, "kind": kind, "shapes": shapes, "form": self.form(term, "m")}
            for name, kind, shapes, term in steps
        ]

    def code(self) -> str:
        """The functions, as JavaScript."""
        return "\n".join(
            [
                FLOORDIV,
                f"const {SHORT} = floordiv;",
                *(
                    f"const {name} = [\n{_lines(functions)}\n];"
                    for name, functions in (
                        ("TERMS", self._functions),
                        ("CONDITIONS", self._tests),
                        ("GUARDS", self._guards),
                    )
                ),
            ]
        )


def _alone(guard: Guard) -> Where:
    return Where((Domain(tuple(sorted(guard.letters)), (guard,)),))


def _term(term: Polynomial, spellings: Iterable[str]) -> dict[str, Any]:
    """A term without its sign in some spellings, and whether it is taken away."""
    (number,) = term.terms.values()
    bare = -term if number < 0 else term
    return {**{each: SPELLED[each](bare) for each in spellings}, **({"n": 1} if number < 0 else {})}


def joined(form: Sequence[Mapping[str, Any]], spelling: str) -> str:
    """Terms of :attr:`Script.terms` as a whole, by the name of their spelling there."""
    minus = "−" if spelling == "t" else "-"
    parts = []
    for place, term in enumerate(form):
        sign = (f" {minus} " if place else minus) if term.get("n") else " + " if place else ""
        parts.append(sign + term[spelling])
    return "".join(parts) or "0"


def _lines(functions: Iterable[str]) -> str:
    return ",\n".join(functions).replace("floordiv(", f"{SHORT}(")


def _taking(letters: Iterable[str]) -> str:
    """The argument of a function: the values that it reads, by their names."""
    return f"({{{', '.join(map(_taken, sorted(letters)))}}})"


def _taken(letter: str) -> str:
    name = JAVASCRIPT.name(letter)
    return letter if name == letter else f"{letter}: {name}"
