"""A package that is there and does not import is one line and status 2: in a process of its own, as for a user."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import Run

NMS = 'raise RuntimeError("operator torchvision::nms does not exist\\nat line 2")\n'
"""What torchvision does beside a torch for which it was not built."""

BROKEN = {  # a package, what its __init__.py says, and what the line says of it
    "torchvision": (NMS, "RuntimeError: operator torchvision::nms does not exist at line 2"),
    "timm": ("import torchvision\n", "RuntimeError: operator torchvision::nms does not exist"),
    "transformers": ('raise OSError("libcudart.so.13: cannot open")\n', "OSError: libcudart.so.13: cannot open"),
}


def broken(folder: Path, package: str, code: str) -> str:
    """A PYTHONPATH on which a package is broken; torchvision always is."""
    for name, text in {"torchvision": NMS, package: code}.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "__init__.py").write_text(text, encoding="utf-8")
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


def one_line(vpcalc: Run, path: str, *command: str) -> str:
    done = vpcalc(*command, PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("vpcalc: ")
    return line


@pytest.mark.slow
@pytest.mark.parametrize("package", BROKEN)
def test_a_target_of_a_broken_package(vpcalc: Run, tmp_path: Path, package: str) -> None:
    code, said = BROKEN[package]
    path = broken(tmp_path, package, code)
    line = one_line(vpcalc, path, "derive", f"{package}:resnet18", "--input", "1,3,H,W")
    assert line.startswith(f"vpcalc: TARGET: needs {package}, which cannot be imported: ")
    assert said in line


@pytest.mark.slow
def test_a_package_that_breaks_when_it_is_looked_at(vpcalc: Run, tmp_path: Path) -> None:
    """As one whose modules are imported late does."""
    path = broken(tmp_path, "transformers", 'def __getattr__(name):\n    raise RuntimeError(f"no {name} today")\n')
    line = one_line(vpcalc, path, "derive", "transformers:bert", "--input", "1,N")
    assert "transformers cannot make it: RuntimeError: no CONFIG_MAPPING today" in line


@pytest.mark.slow
def test_a_module_of_a_broken_package(vpcalc: Run, tmp_path: Path) -> None:
    path = broken(tmp_path, "torchvision", NMS)
    line = one_line(vpcalc, path, "audit", "torchvision.models:resnet18", "--input", "224")
    assert "needs torchvision.models, which cannot be imported: RuntimeError" in line


DRAWING = {
    "matplotlib": (("plot", "crossover", "-o", "x.svg"), "--output: pictures need matplotlib"),
    "uniplot": (("plot", "crossover", "--terminal"), "--terminal: curves need uniplot"),
    "joblib": (("prove", "msa", "wmsa", "--jobs", "2"), "--jobs: more than one process needs joblib"),
}


BUILT_FOR_ANOTHER = 'raise AttributeError("_ARRAY_API not found")\n'
WITHOUT_NUMPY = "raise ModuleNotFoundError('No numpy', name='numpy')\n"


@pytest.mark.quick(1)
@pytest.mark.parametrize("package", DRAWING)
@pytest.mark.parametrize(
    ("code", "said"),
    [(BUILT_FOR_ANOTHER, "AttributeError: _ARRAY_API"), (WITHOUT_NUMPY, "ModuleNotFoundError: No")],
)
def test_what_draws_and_what_runs_in_parallel(
    vpcalc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, code: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    command, needed = DRAWING[package]
    line = one_line(vpcalc, broken(tmp_path, package, code), *command)
    assert f"{needed}, which cannot be imported: {said}" in line
    assert not Path("x.svg").exists()


def test_a_counter_of_a_broken_package(vpcalc: Run, tmp_path: Path) -> None:
    path = broken(tmp_path, "torchvision", NMS)
    line = one_line(vpcalc, path, "audit", "vit_ti_16", "--counter", "torchvision:PEER")
    assert "--counter 'torchvision:PEER': torchvision cannot be imported: RuntimeError" in line


@pytest.mark.parametrize("command", ["compare --h 8 --w 8 --format json", "derive msa --input 1,N,C", "prove msa"])
def test_a_broken_torch(vpcalc: Run, tmp_path: Path, command: str) -> None:
    path = broken(tmp_path, "torch", 'raise OSError("libtorch_global_deps.so: cannot open")\n')
    line = one_line(vpcalc, path, *command.split())
    assert "needs torch, which cannot be imported: OSError: libtorch_global_deps.so: cannot open; " in line


def test_a_file_with_relative_imports_is_named_as_its_packages_name_it(tmp_path: Path, inside: Run) -> None:
    folder = tmp_path / "outer" / "inner"
    folder.mkdir(parents=True)
    for each in (folder, folder.parent):
        (each / "__init__.py").touch()
    (folder / "net.py").write_text("from . import other\n")
    line = one_line(inside, str(tmp_path), "derive", f"{folder / 'net.py'}:make", "--input", "1,N,8")
    assert line.endswith("; it is part of a package: name it outer.inner.net:FACTORY")
