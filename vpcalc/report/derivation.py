"""A derivation as a passage of a paper: claim, steps with their reasons, evidence, source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from .sentences import tex as prose


class Line(Protocol):
    """One step: why it follows, and its formula as text and as LaTeX math."""

    @property
    def why(self) -> str:
        """A sentence."""

    @property
    def text(self) -> str:
        """Unicode text."""

    @property
    def latex(self) -> str:
        """LaTeX math without delimiters."""


def latex(title: str, claim: str, lines: Sequence[Line], ending: Sequence[str]) -> str:
    """Paragraphs and displayed equations; amsmath is all that they need."""
    body = [rf"\paragraph{{{prose(title)}.}} {prose(claim)}"]
    for line in lines:
        body += ["", prose(line.why), *_displayed(line.latex)]
    listed = [rf"  \item {prose(entry)}" for entry in ending]
    head = [r"% needs \usepackage{amsmath}", r"\begingroup\sloppy"]
    return "\n".join([*head, *body, "", r"\begin{itemize}", *listed, r"\end{itemize}", r"\par\endgroup"])


WIDE = 54
"""Signs of a displayed equation beyond which it is broken, where it has parts."""

_BREAK = re.compile(
    r"(?<=[,:;])\s*\\(?:quad|qquad|;)\s*|\s+(?=\+ |\\(?:Rightarrow|implies|Longleftrightarrow|to)\b)"
)


def _displayed(formula: str) -> list[str]:
    """An equation set apart; a long one in lines that end at a comma, before a plus or before an arrow."""
    places = [found for found in _BREAK.finditer(formula) if _depth(formula[: found.start()]) == 0]
    ends, starts = [found.start() for found in places], [found.end() for found in places]
    lines: list[str] = []
    for start, end in zip([0, *starts], [*ends, len(formula)], strict=True):
        joined = f"{lines[-1]} {formula[start:end]}" if lines else ""
        if joined and _seen(joined) <= WIDE:
            lines[-1] = joined
        else:
            lines.append(formula[start:end])
    if _seen(formula) <= WIDE or len(lines) < 2:
        return [r"\[", f"  {formula}", r"\]"]
    return [r"\begin{gather*}", *(rf"  {line} \\" for line in lines[:-1]), f"  {lines[-1]}", r"\end{gather*}"]


def _depth(formula: str) -> int:
    return sum(formula.count(sign) for sign in "({") - sum(formula.count(sign) for sign in ")}")


def _seen(formula: str) -> int:
    """How many signs are seen, nearly: a fraction is as wide as its longer half, hardly half of its letters."""
    formula = re.sub(r"\\(?:left|right|[bB]igg?[lr]?|,|;|!|frac|operatorname)", "", formula)
    return len(re.sub(r"\\[A-Za-z]+", "x", re.sub(r"[{}^_\s]", "", formula)))


def markdown(title: str, claim: str, lines: Sequence[Line], ending: Sequence[str]) -> str:
    """A section with displayed equations between double dollar signs."""
    body = [f"## {title}", "", claim]
    for line in lines:
        body += ["", line.why, "", f"$${line.latex}$$"]
    return "\n".join([*body, "", *(f"- {entry}" for entry in ending)])
