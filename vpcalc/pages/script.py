"""Forms and conditions of a page: each once, as a JavaScript function, with how it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..algebra.code import FLOORDIV, JAVASCRIPT, javascript
from ..algebra.conditions import spell
from ..algebra.domains import Where
from ..algebra.polynomial import Polynomial
from ..algebra.printers import latex, mathml, reading_order, text, without_line
from ..everywhere import Regime
from ..symbolic import Form


class Script:
    """Collects what a page evaluates. ``forms`` and ``conditions`` are how it is shown, by the same numbers."""

    def __init__(self) -> None:
        self.forms: list[list[dict[str, Any]] | None] = []
        self.conditions: list[str] = []
        self._functions: list[str] = []
        self._tests: list[str] = []
        self._known: dict[str, int] = {}
        self._tested: dict[str, int] = {}

    def form(self, polynomial: Polynomial, *, written: bool = True) -> int:
        """The number of a form. Its function gives the terms, and what their sum is divided by; how it is written
        is there if it is asked for."""
        whole, divisor = without_line(polynomial)
        assert isinstance(whole, Polynomial)
        monomials = reading_order(polynomial.terms)
        terms = [Polynomial({each: polynomial.terms[each]}, polynomial.denominator) for each in monomials]
        above = ", ".join(javascript(term * divisor) for term in terms)
        code = f"{_taking(polynomial.letters)} => [[{above}], {javascript(divisor)}]"
        if code not in self._known:
            self._known[code] = len(self._functions)
            self._functions.append(code)
            self.forms.append(None)
        number = self._known[code]
        if written and self.forms[number] is None:
            self.forms[number] = [_term(each) for each in terms]
        return number

    def condition(self, where: Where) -> int:
        """The number of a condition; its function says whether it holds."""
        letters = {letter for part in where.parts for guard in part.guards for letter in guard.letters}
        code = f"{_taking(letters)} => {spell(where, 'javascript')}"
        if code not in self._tested:
            self._tested[code] = len(self._tests)
            self._tests.append(code)
            self.conditions.append(spell(where, "text"))
        return self._tested[code]

    def law(
        self,
        regimes: Iterable[Regime],
        tidy: Form | None = None,
        also: Where | None = None,
        *,
        written: bool = True,
    ) -> dict[str, Any]:
        """A quantity: in each regime where it holds, and its form or why sizes are refused.

        ``tidy`` is the form that papers print, shown where it gives the same. ``also`` has to hold in all regimes
        but the last.
        """
        cases = [self._case(regime, written) for regime in regimes]
        for case in cases[:-1] if also is not None and also.parts else ():
            case["and"] = self.condition(also) if also is not None else None
        shown = {"form": self.form(tidy.polynomial), "valid": tidy.valid} if tidy is not None else None
        return {"cases": cases, "tidy": shown}

    def _case(self, regime: Regime, written: bool) -> dict[str, Any]:
        when = {"when": self.condition(regime.when.where)}
        if regime.form is not None:
            return {**when, "form": self.form(regime.form.polynomial, written=written)}
        return {**when, "refused": regime.refused or "no form is known at these sizes"}

    def steps(self, steps: Sequence[tuple[str, str, str, Polynomial]]) -> list[dict[str, Any]]:
        """Of operators the name, kind, shapes and what each adds."""
        return [
            {"name": name, "kind": kind, "shapes": shapes, "form": self.form(term)}
            for name, kind, shapes, term in steps
        ]

    def code(self) -> str:
        """The functions, as JavaScript."""
        return "\n".join(
            [
                FLOORDIV,
                f"const FORMS = [\n{_lines(self._functions)}\n];",
                f"const CONDITIONS = [\n{_lines(self._tests)}\n];",
            ]
        )


def _term(term: Polynomial) -> dict[str, Any]:
    """A term without its sign in MathML, text and LaTeX, and whether it is taken away."""
    (number,) = term.terms.values()
    bare = -term if number < 0 else term
    inside = mathml(bare).partition(">")[2].removesuffix("</math>")
    return {"m": inside, "t": text(bare), "l": latex(bare), **({"n": 1} if number < 0 else {})}


def joined(form: Sequence[Mapping[str, Any]], spelling: str) -> str:
    """A form of :attr:`Script.forms` as a whole, by the name of its spelling there."""
    minus = "−" if spelling == "t" else "-"
    parts = []
    for place, term in enumerate(form):
        sign = (f" {minus} " if place else minus) if term.get("n") else " + " if place else ""
        parts.append(sign + term[spelling])
    return "".join(parts) or "0"


def _lines(functions: Iterable[str]) -> str:
    return ",\n".join(functions)


def _taking(letters: Iterable[str]) -> str:
    """The argument of a function: the values that it reads, by their names."""
    return f"({{{', '.join(map(_taken, sorted(letters)))}}})"


def _taken(letter: str) -> str:
    name = JAVASCRIPT.name(letter)
    return letter if name == letter else f"{letter}: {name}"
