"""Cheap things stay cheap: which rooms may import what, proved in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import vpcalc
from vpcalc.architectures.registry import first_of_each

HEAVY = {"torch", "fvcore", "sympy", "numpy", "matplotlib", "pandas", "transformers", "joblib"}
SHOW = {"rich", "typer"}


def loaded(code: str) -> set[str]:
    """Top-level packages in memory after running ``code`` in a process of its own."""
    script = f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}}, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


ANALYTIC = [
    "vpcalc",
    "vpcalc.ops",
    "vpcalc.cost",
    "vpcalc.abstract",
    "vpcalc.layers",
    "vpcalc.architectures",
    "vpcalc.algebra",
    "vpcalc.symbolic",
    "vpcalc.everywhere",
    "vpcalc.report",
    "vpcalc.answers.compare",
    "vpcalc.answers.model",
    "vpcalc.checks",
    "vpcalc.counters",
]


@pytest.mark.parametrize("room", ANALYTIC)
def test_the_analytic_rooms_import_nothing_heavy(room: str) -> None:
    assert not loaded(f"import {room}") & (HEAVY | SHOW)


def test_every_architecture_is_costed_without_torch() -> None:
    code = (
        "from vpcalc.architectures import ARCHITECTURES as A\n"
        "from vpcalc.cost import Quantity as Q\n"
        "for id in A: A[id].cost(A[id].sizes).total(Q.MACS)"
    )
    assert not loaded(code) & (HEAVY | SHOW)


@pytest.mark.parametrize(
    "command",
    [
        "compare --h 8 --w 8 --no-check",
        "model swin_t --no-check",
        "formula swin_t",
        "formula swin_t --everywhere",
        "model swin_t --input 800x1280 --no-check",
        "models",
        "--help",
        "--version",
    ],
)
def test_commands_without_a_check_import_neither_torch_nor_sympy(command: str) -> None:
    code = (
        f"import sys; sys.argv = ['vpcalc', *{command.split()!r}]\n"
        "from vpcalc.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code"
    )
    assert not loaded(code) & HEAVY


OTHERWISE = {
    "transformer": "model transformer_base",
    "t5": "model t5_small --src 32 --tgt 32",
    "recurrent": "model lstm --tokens 10",
    "retnet": "model retnet_1_3b --tokens 16 --set layers=1",
    **{
        family: f"model {family} --input 64 --set proposals=10 --set detections=2"
        for family in ("mask_rcnn", "cascade_mask_rcnn")
    },
}
"""Families whose first model is no image classifier of everyday size."""

FIRST = {family: architecture.id for family, architecture in first_of_each().items()}

CHECKED = {
    "compare": "compare --h 56 --w 56",
    **{family: OTHERWISE.get(family, f"model {id} --input 64") for family, id in FIRST.items()},
}
"""For each family, a command whose check is of everyday size."""

SLOW_TO_IMPORT = ("sympy", "torch._dynamo", "torch.fx.experimental.symbolic_shapes")
"""What the meta device's kernels import: as much time again as torch takes."""


@pytest.mark.slow
def test_checks_of_everyday_size_import_neither_sympy_nor_torchs_compiler() -> None:
    """Beyond what torch and fvcore bring themselves; one process runs them all, and says the first at fault."""
    script = (
        "import sys, torch, fvcore.nn\n"
        "before = set(sys.modules)\n"
        "from vpcalc.cli.app import main\n"
        f"for command in {list(CHECKED.values())!r}:\n"
        "    sys.argv = ['vpcalc', *command.split(), '--format', 'json']\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code, command\n"
        f"    late = (set(sys.modules) - before) & set({SLOW_TO_IMPORT!r})\n"
        "    assert not late, f'{command}: {late}'\n"
        "from vpcalc.counters.dispatch import count\n"
        "count(torch.nn.Linear(3, 4, device='meta'), (torch.empty(2, 3, device='meta'),))\n"
        "assert 'torch._dynamo' not in sys.modules, 'a count by operators'\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"counter": "fvcore"') > len(CHECKED)
    assert "differs" not in done.stdout


def test_importing_the_package_imports_nothing_of_it() -> None:
    script = "import vpcalc, sys; print(*[m for m in sys.modules if m.startswith('vpcalc')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["vpcalc"]


ROOT = Path(vpcalc.__file__).parent


@pytest.mark.parametrize(
    ("word", "allowed"),
    [
        (
            "torch",
            (
                "reference/",
                "counters/",
                "execution/",
                "checks/",
                "statements/",
                "storage/",
                "auditing/",
                "testing.py",
            ),
        ),
        ("fvcore", ("counters/", "auditing/peers/")),
        ("rich", ("report/terminal.py", "cli/")),
        ("typer", ("cli/",)),
    ],
)
def test_only_some_rooms_name_a_library(word: str, allowed: tuple[str, ...]) -> None:
    """Imports of any kind, even inside functions."""
    for path in ROOT.rglob("*.py"):
        place = path.relative_to(ROOT).as_posix()
        if place.startswith(allowed):
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            start = line.strip().split(" ")
            if start[:1] in (["import"], ["from"]) and len(start) > 1:
                assert start[1].partition(".")[0].rstrip(",") != word, f"{place}: {line.strip()}"


def test_no_room_takes_the_name_of_a_question() -> None:
    """A package called like a function of the public face would replace it once imported."""
    from vpcalc import _HOME

    rooms = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert not rooms & set(_HOME)
