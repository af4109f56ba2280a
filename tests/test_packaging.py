"""What a stranger sees of the package: its version everywhere, its long description, what its extras ask for."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from unittest import mock

import pytest

import vpcalc
from vpcalc.optional import NOT_BUILT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere() -> None:
    (cited,) = re.findall(r"version = \{(.*)\}", text("README.md"))
    stated = re.findall(r"^ *version: (.*)$", text("CITATION.cff"), re.M)
    assert {cited, *stated} == {vpcalc.__version__}


def test_the_citation_has_what_a_bibliography_needs() -> None:
    (entry,) = re.findall(r"```bibtex\n@software\{(\w+),\n(.*?)\n\}\n```", text("README.md"), re.S)
    assert entry[0] == "vpcalc"
    names = dict(re.findall(r"^  (\w+) += \{+(.*?)\}+,?$", entry[1], re.M))
    assert list(names) == ["author", "title", "year", "version"]
    assert f"year: {names['year']}" in text("CITATION.cff")
    assert names["title"] in text("CITATION.cff")


def test_the_long_description_points_nowhere_inside() -> None:
    with mock.patch("setuptools.setup") as setup:
        runpy.run_path(str(ROOT / "setup.py"))
    long = setup.call_args.kwargs["long_description"]
    outside = re.sub(r"```.*?```", "", long, flags=re.S)
    assert not re.findall(r"\]\((?!https:)", outside)
    assert "See docs/counting.md." in outside
    assert "_static" not in long


def test_torch_is_asked_for_by_extras_alone() -> None:
    asked = [re.match(r"[\w-]+", each).group() for each in PROJECT["dependencies"]]  # type: ignore[union-attr]
    assert not {"torch", "fvcore", "matplotlib", "transformers"} & set(asked)
    assert EXTRAS["all"] == ["vpcalc[plot,torch,transformers]"]
    assert "vpcalc[all]" in EXTRAS["test"]


def test_the_extra_passes_over_platforms_without_torch() -> None:
    """By the marker as an installer reads it."""
    markers = pytest.importorskip("packaging.requirements")
    (torch,) = (markers.Requirement(each) for each in EXTRAS["torch"] if each.startswith("torch"))
    asked = {
        (system, machine): torch.marker.evaluate({"sys_platform": system, "platform_machine": machine})
        for system in ("linux", "darwin", "win32")
        for machine in ("x86_64", "arm64", "aarch64", "AMD64", "ARM64")
    }
    assert {here for here, wanted in asked.items() if not wanted} == set(NOT_BUILT)


@pytest.mark.parametrize("name", ["torch", "typer"])
def test_what_is_pinned_is_allowed(name: str) -> None:
    """And is the lowest that is: older ones were never run."""
    (pinned,) = re.findall(rf"^{name}==(.*)$", text("constraints.txt"), re.M)
    (asked,) = (each for each in (*PROJECT["dependencies"], *EXTRAS["torch"]) if each.startswith(name))
    assert pinned.startswith(re.match(rf"{name}>=([\d.]+)", asked)[1])  # type: ignore[index]


def test_the_lowest_versions_are_those_of_the_project() -> None:
    lowest = runpy.run_path(str(ROOT / ".ci" / "lowest.py"))["lowest"]
    found = list(lowest(text("pyproject.toml")))
    for each in (*PROJECT["dependencies"], *EXTRAS["torch"], *EXTRAS["plot"]):
        name, bound = re.match(r"([\w-]+)>=([\w.]+)", each).groups()  # type: ignore[union-attr]
        assert any(line.startswith(f"{name}=={bound}") for line in found), each
    with pytest.raises(AttributeError):
        list(lowest('[project]\ndependencies = ["numpy"]\n[project.optional-dependencies]\n'))


def test_every_extra_is_described() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", text("docs/install.md"), re.M)
    assert sorted(rows) == sorted(EXTRAS)
    pages = text("README.md") + text("docs/install.md") + text("docs/tutorial.md") + text("CONTRIBUTING.md")
    asked = re.findall(r'pip install.*?"(?:\.|vpcalc)\[(.*?)\]', pages)
    assert {extra for each in asked for extra in each.split(",")} <= set(EXTRAS)
    assert len(asked) >= 6
