"""A derivation as a passage of a paper: claim, steps with their reasons, evidence, source."""

from __future__ import annotations

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
        body += ["", prose(line.why), r"\[", f"  {line.latex}", r"\]"]
    listed = [rf"  \item {prose(entry)}" for entry in ending]
    return "\n".join([r"% \usepackage{amsmath}", *body, "", r"\begin{itemize}", *listed, r"\end{itemize}"])


def markdown(title: str, claim: str, lines: Sequence[Line], ending: Sequence[str]) -> str:
    """A section with displayed equations between double dollar signs."""
    body = [f"## {title}", "", claim]
    for line in lines:
        body += ["", line.why, "", f"$${line.latex}$$"]
    return "\n".join([*body, "", *(f"- {entry}" for entry in ending)])
