"""How each language writes a comment, and which of its lines are examples rather than markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from ..errors import InputError

Hides = Callable[[str], bool]
"""Called with each line of a document in turn: whether it shows code, in which a marker is but an example."""


@dataclass(frozen=True, slots=True)
class Language:
    """``begin`` and ``end`` enclose a comment; without an ``end`` it goes to the end of its line."""

    name: str
    suffixes: tuple[str, ...]
    begin: str
    end: str
    examples: Callable[[], Hides]
    indent: str = r"[ \t]*"
    spans: bool = False
    """Whether `` `code` `` within a line is an example, too."""

    def comment(self, text: str) -> str:
        """A comment with this text."""
        return f"{self.begin} {text} {self.end}".rstrip()


def _fences() -> Hides:
    """Fenced code: from a line of ``` or ~~~ to one that is as long."""
    fence = ""

    def hides(line: str) -> bool:
        nonlocal fence
        mark = re.match(r"[ \t>]*(?:[-*+][ \t]+|\d+[.)][ \t]+)?(`{3,}|~{3,})(.*)", line)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
            return True
        if mark and not (mark[1][0] == "`" and "`" in mark[2]):
            fence = mark[1]
        return bool(fence)

    return hides


def _verbatim() -> Hides:
    """LaTeX environments that show their source."""
    environment = ""

    def hides(line: str) -> bool:
        nonlocal environment
        if environment:
            if rf"\end{{{environment}}}" in line:
                environment = ""
            return True
        begun = re.search(r"^[^%]*\\begin\{((?:verbatim|Verbatim|lstlisting|minted|alltt|comment)\*?)\}", line)
        if begun and rf"\end{{{begun[1]}}}" not in line:
            environment = begun[1]
        return begun is not None

    return hides


def _literal() -> Hides:
    """Blocks of reStructuredText that show their source: what is indented below ``::`` or a code directive."""
    depth = -1

    def hides(line: str) -> bool:
        nonlocal depth
        if not line.strip():
            return depth >= 0
        here = len(line) - len(line.lstrip())
        if depth >= 0 and here > depth:
            return True
        directive = re.match(r"\s*\.\.\s+(\S+)::", line)
        code = ("code", "code-block", "sourcecode", "parsed-literal", "literalinclude", "highlight", "raw")
        shows = (
            directive[1] in code
            if directive
            else line.rstrip().endswith("::") and not line.lstrip().startswith("..")
        )
        depth = here if shows else -1
        return False

    return hides


def _nothing() -> Hides:
    return lambda line: False


MARKDOWN = Language(
    "Markdown", (".md", ".markdown", ".qmd", ".rmd"), "<!--", "-->", _fences, r"[ \t>]*", spans=True
)
HTML = Language("HTML", (".html", ".htm", ".xhtml"), "<!--", "-->", _nothing)
LATEX = Language("LaTeX", (".tex", ".ltx", ".sty", ".cls"), "%", "", _verbatim)
TYPST = Language("Typst", (".typ",), "//", "", _fences)
RST = Language("reStructuredText", (".rst", ".rest"), "..", "", _literal)

LANGUAGES = (MARKDOWN, HTML, LATEX, TYPST, RST)


def language_of(name: str) -> Language:
    """The language of a file, by its name's ending."""
    suffix = PurePath(name).suffix.lower()
    for language in LANGUAGES:
        if suffix in language.suffixes:
            return language
    known = ", ".join(suffix for language in LANGUAGES for suffix in language.suffixes)
    raise InputError(f"{name}: the ending {suffix!r} is not one of {known}")
