"""Which tests can be set by the TeX that is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest


def needs_tex(*packages: str) -> pytest.MarkDecorator:
    """Skip where pdflatex or one of these packages is not installed; the reason names what is missing."""
    absent = missing(packages)
    how = "apt-get install texlive-latex-recommended texlive-science"
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
