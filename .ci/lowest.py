"""The lowest versions that pyproject.toml allows, as constraints for pip: ``python .ci/lowest.py > lowest``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

LEFT_OUT = ("audit", "docs")
"""Extras of which nothing is promised: what is audited says its version, and the site is built with the newest."""


def lowest(text: str) -> Iterator[str]:
    """``name==version; marker`` for each requirement.

    Raises:
        AttributeError: one has no lower bound.
    """
    project = tomllib.loads(text)["project"]
    asked = list(project["dependencies"])
    for extra, requirements in project["optional-dependencies"].items():
        asked += requirements if extra not in LEFT_OUT else ()
    for requirement in asked:
        if not requirement.startswith("vpcalc["):
            what, _, marker = requirement.partition(";")
            name, bound = re.match(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)", what).groups()
            yield f"{name}=={bound}{f'; {marker.strip()}' if marker else ''}"


if __name__ == "__main__":
    project = Path(__file__).parent.parent / "pyproject.toml"
    print(*sorted(set(lowest(project.read_text(encoding="utf-8")))), sep="\n")
