"""How a document's language sets what a command prints: as it stands, as mathematics, or as an example of code."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from ..errors import InputError
from ..report.markup import escape_tex, escape_typst
from .commands import Printed
from .languages import HTML, LATEX, MARKDOWN, RST, TYPST, Language

OWN = {
    MARKDOWN.name: ("plain", "markdown", "html"),
    HTML.name: ("html",),
    LATEX.name: ("latex", "math"),
    TYPST.name: ("typst",),
    RST.name: ("plain",),
}
"""Kinds that a language takes as they stand."""


def block(printed: Printed, language: Language, command: str) -> list[str]:
    """The lines of a block."""
    lines = [line.rstrip() for line in printed.text.strip("\r\n").splitlines()]
    if printed.picture is not None:
        dressed = _shown(printed.text, printed.picture.place, language)
    elif printed.kind in OWN[language.name]:
        dressed = lines
    elif printed.kind == "plain":
        dressed = [_escape(language)(line) for line in lines]
    else:
        dressed = _BLOCKS[language.name](printed.kind, lines, command)
    return ["", *dressed, ""] if language in (MARKDOWN, RST) else dressed


def inline(printed: Printed, language: Language) -> str:
    """What stands between two markers within a line."""
    text = printed.text.strip()
    if printed.picture is not None:
        (text,) = _shown(printed.text, printed.picture.place, language)
        return text
    if len(text.splitlines()) != 1:
        raise InputError("its output has more than one line: let the markers stand on lines of their own")
    if printed.kind in OWN[language.name]:
        return text
    if printed.kind == "math":
        return f"${text}$" if language is MARKDOWN else rf"\({html.escape(text)}\)"
    if printed.kind == "plain":
        return _escape(language)(text)
    return f"`{text}`" if language is MARKDOWN else f"<code>{html.escape(text)}</code>"


def _shown(words: str, place: str, language: Language) -> list[str]:
    """A picture, with what it shows in words for those who do not see it."""
    if language is MARKDOWN:
        escaped = re.sub(r"([][\\`*_<>])", r"\\\1", words)
        return [f"![{escaped}]({place})"]
    if language is HTML:
        return [f'<img src="{place}" alt="{html.escape(words)}">']
    if language is LATEX:
        if place.endswith(".svg"):
            raise InputError(f"--output {place}: LaTeX sets no .svg; name it .pdf")
        return [rf"\includegraphics{{{place}}}"]
    if language is TYPST:
        alt = words.replace("\\", r"\\").replace('"', r"\"")
        return [f'#image("{place}", alt: "{alt}")']
    return [f".. image:: {place}", f"   :alt: {words}"]


def _markdown(kind: str, lines: list[str], command: str) -> list[str]:
    if kind == "math":
        return ["$$", *lines, "$$"]
    if kind == "table":
        return ["```console", f"$ vpcalc {command}", *lines, "```"]
    return [f"```{kind}", *lines, "```"]


def _html(kind: str, lines: list[str], command: str) -> list[str]:
    escaped = [html.escape(line, quote=False) for line in lines]
    if kind == "math":
        return [r"\[", *escaped, r"\]"]
    return ["<pre>", *escaped, "</pre>"]


def _latex(kind: str, lines: list[str], command: str) -> list[str]:
    return [r"\begin{verbatim}", *lines, r"\end{verbatim}"]


def _typst(kind: str, lines: list[str], command: str) -> list[str]:
    return [f"```{'' if kind in ('table', 'math') else kind}", *lines, "```"]


def _rst(kind: str, lines: list[str], command: str) -> list[str]:
    indented = [f"   {line}".rstrip() for line in lines]
    if kind == "math":
        return [".. math::", "", *indented]
    if kind == "csv":
        return [".. csv-table::", "   :header-rows: 1", "", *indented]
    if kind == "html":
        return [".. raw:: html", "", *indented]
    return [f".. code-block:: {'text' if kind == 'table' else kind}", "", *indented]


_BLOCKS = {MARKDOWN.name: _markdown, HTML.name: _html, LATEX.name: _latex, TYPST.name: _typst, RST.name: _rst}


def _escape(language: Language) -> Callable[[str], str]:
    escapes: dict[str, Callable[[str], str]] = {
        LATEX.name: escape_tex,
        TYPST.name: escape_typst,
        HTML.name: html.escape,
    }
    return escapes.get(language.name, str)
