"""A derivation as a passage of a paper: claim, steps with their reasons, evidence, source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from .markup import escape_tex

_INDEXED = re.compile(r"((?:[^\W\d_]|[∂Σ∏])+)_(\{[^{}]*\}|[^\W_]+)")
"""A letter with an index, as d_k or s_{t−1}: mathematics within a sentence."""


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


def prose(text: str) -> str:
    """A sentence for LaTeX: letters with an index as math, everything else as it stands."""
    set_apart, last = [], 0
    for found in _INDEXED.finditer(text):
        letters, index = (_math(part) for part in (found[1], found[2].strip("{}")))
        set_apart += [escape_tex(text[last : found.start()]), f"${letters}_{{{index}}}$"]
        last = found.end()
    return "".join([*set_apart, escape_tex(text[last:])])


def _math(text: str) -> str:
    """What :func:`escape_tex` sets between dollar signs, without them."""
    return re.sub(r"\$([^$]*)\$", r"\1 ", escape_tex(text.replace("−", "-"))).rstrip()


def markdown(title: str, claim: str, lines: Sequence[Line], ending: Sequence[str]) -> str:
    """A section with displayed equations between double dollar signs."""
    body = [f"## {title}", "", claim]
    for line in lines:
        body += ["", line.why, "", f"$${line.latex}$$"]
    return "\n".join([*body, "", *(f"- {entry}" for entry in ending)])
