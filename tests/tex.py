"""Which tests can be set by the TeX that is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from vpcalc.algebra.printers import GREEK


def needs_tex(*packages: str) -> pytest.MarkDecorator:
    """Skip where pdflatex or one of these packages is not installed; the reason names what is missing."""
    absent = missing(packages)
    how = "apt-get install texlive-latex-recommended texlive-science texlive-pictures"
    return pytest.mark.skipif(bool(absent), reason=f"needs {', '.join(absent)}: {how}")


def missing(packages: Iterable[str]) -> list[str]:
    """What is not installed: pdflatex, kpsewhich, which knows its packages, or else some of these."""
    programs = [program for program in ("pdflatex", "kpsewhich") if shutil.which(program) is None]
    return programs or [package for package in packages if not _found(package)]


@cache
def _found(package: str) -> bool:
    done = subprocess.run(["kpsewhich", f"{package}.sty"], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip()).name == f"{package}.sty"


def packages_of(source: str) -> list[str]:
    """The packages that a document loads."""
    loaded = re.findall(r"\\usepackage(?:\[[^]]*\])?\{([^}]*)\}", source)
    return [name.strip() for names in loaded for name in names.split(",")]


_COMMANDS = r"""
    paragraph begin end item toprule midrule bottomrule S dots textbackslash % & # _ { } $ , ; : ! \ [ ] quad
    qquad Bigl Bigr bigl bigr biggl biggr Big big left right lVert rVert lvert rvert Vert top mathrm mathbf
    mathbb mathcal text operatorname sqrt frac tfrac dfrac binom prod sum int lim leq le geq ge neq ne approx
    equiv sim in ni notin to mapsto implies bigcup bmod det Rightarrow Longleftrightarrow iff
    circ pm angle lceil rceil lfloor rfloor hat bar tilde tanh sin cos exp ln log max min sup arctan mid nmid
    not ll gg ast perp langle rangle forall exists textsubscript textsuperscript surd rule partial infty cdot
    cdots ldots times odot
    begingroup sloppy par endgroup table centering caption label small setlength tabcolsep smallskip footnotesize
    raggedright arraybackslash hspace allowbreak medskip textit clearpage noindent parindent
"""
KNOWN = frozenset(_COMMANDS.split()) | frozenset(GREEK.values())
"""Commands of LaTeX and amsmath that a passage may use."""


def mistakes(passage: str) -> list[str]:
    """What is wrong with a passage: characters, commands, brackets, dollars, and powers outside of mathematics."""
    source = "\n".join(line for line in passage.splitlines() if not line.startswith("%"))
    found = [f"not ASCII: {sign}" for sign in source if not sign.isascii()]
    found += [f"unknown: {name}" for name in re.findall(r"\\([A-Za-z]+|.)", source) if name not in KNOWN]
    opened, closed = (re.findall(rf"\\{word}\{{(\w+)", source) for word in ("begin", "end"))
    found += [] if sorted(opened) == sorted(closed) else [f"not closed: {opened} against {closed}"]
    found += [] if source.count(r"\[") == source.count(r"\]") else ["a displayed formula is not closed"]
    for line in source.splitlines():
        plain = re.sub(r"\\(?:[A-Za-z]+|.)", "", line)
        if plain.count("{") != plain.count("}") or plain.count("$") % 2:
            found.append(f"not closed: {line}")
        if line.startswith((r"\paragraph", r"  \item", r"\item")):
            inside = re.findall(r"\$([^$]*)\$", plain)
            found += [f"outside of mathematics: {line}"] * bool(
                re.search(r"[\^_<>|]|\b[2-9](?:nd|dn)\b", re.sub(r"\$[^$]*\$", "", plain))
            )
            found += [
                f"more than a letter without braces: {one}" for one in inside if re.search(r"[\^_](?!\{)", one)
            ]
            whole = re.findall(r"\$([^$]*)\$", line)
            found += [f"two powers or indices: {one}" for one in whole if re.search(_TWICE, one)]
            found += [f"half of a formula: {one}" for one in whole if re.match(r"[+=<>/]|\\[lgn]eq", one)]
    return found


_TWICE = re.compile(r"\^\{[^{}]*\}\s*\^|_\{[^{}]*\}\s*_")
