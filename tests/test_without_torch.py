"""Without torch and fvcore commands answer without the check and say so; what needs them is one line and status 2.

Each command runs in a process of its own, from which an import hook has taken the packages.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from vpcalc import optional

from .conftest import Run

HIDING = """
import sys
class Hidden:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden)
"""

UNCHECKED = 'vpcalc: not checked by a count: torch and fvcore are not installed; pip install "vpcalc[torch]"'


def without(folder: Path, *packages: str) -> str:
    """A PYTHONPATH on which packages cannot be found."""
    (folder / "sitecustomize.py").write_text(HIDING.format(packages=packages), encoding="utf-8")
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """No torch and no fvcore, and a file of a user who has both."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "net.py").write_text("import torch\nmake = torch.nn.Identity\n", encoding="utf-8")
    return without(folder, "torch", "fvcore", "transformers", "timm", "torchvision")


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    "command",
    [
        "compare --h 56 --w 56",
        "compare --h 56 --w 56 --format json",
        "model swin_t",
        "model swin_t resnet18 --format csv --columns quantity,swin_t",
        "memory swin_t --train",
        "reproduce vgg",
    ],
)
def test_answered_without_the_check_and_said_so(vpcalc: Run, bare: str, command: str) -> None:
    done = vpcalc(*command.split(), PYTHONPATH=bare)
    assert (done.returncode, done.stderr) == (0, UNCHECKED + "\n")
    asked = vpcalc(*command.split(), "--no-check", PYTHONPATH=bare)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert done.stdout == asked.stdout


@pytest.mark.quick(3)
@pytest.mark.parametrize(
    "command",
    [
        "models",
        "formula swin_t --everywhere",
        "formula msa --steps",
        "check 4hwC^2+2(hw)^2C --against msa",
        "theory",
        "theory rnn_gradient",
        "draw swin_t",
        "figure swin_t",
        "plot stages swin_t --format csv",
        "--help",
    ],
)
def test_what_has_no_check_says_nothing(vpcalc: Run, bare: str, command: str) -> None:
    done = vpcalc(*command.split(), PYTHONPATH=bare)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.quick(6)
@pytest.mark.parametrize(
    ("command", "who"),
    [
        ("compare --h 56 --w 56 --check", "--check"),
        ("model swin_t --check", "--check"),
        ("model swin_t resnet18 --check", "--check"),
        ("memory swin_t --check", "--check"),
        ("reproduce vgg --check", "--check"),
        ("derive swin_t --input 1,3,H,W", "derive"),
        ("derive transformers:bert --input 1,N", "derive"),
        ("prove", "prove"),
        ("prove msa --jobs 2", "prove"),
        ("audit vit_b_16 --input 224", "audit"),
        ("diff swin_t resnet18 --input 1,3,H,W", "diff"),
        ("theory rnn_gradient --check", "theory"),
        ("rnn --T 5", "rnn"),
        ("model net.py:make --input 3", "TARGET net.py:make"),
        ("memory net.py:make --input 3", "TARGET net.py:make"),
        ("formula net.py:make --input 1,N", "derive"),
        ("check 4N --against net.py:make --input 1,N", "derive"),
        ("compare --h 8 --w 8 --rows net.py:make()@1,hw,C", "TARGET net.py:make"),
    ],
)
def test_what_needs_it_is_one_line(vpcalc: Run, bare: str, command: str, who: str) -> None:
    there = f"{bare.partition(os.pathsep)[0]}/net.py"
    done = vpcalc(*(word.replace("net.py", there) for word in command.split()), PYTHONPATH=bare)
    assert (done.returncode, done.stdout) == (2, "")
    who = who.replace("net.py", there)
    assert done.stderr == f'vpcalc: {who}: needs torch, which is not installed; pip install "vpcalc[torch]"\n'


@pytest.mark.quick(4)
@pytest.mark.parametrize(
    ("command", "who"),
    [
        ("derive none.py:make --input 1,3,H,W", "TARGET"),
        ("audit none.py:make --input 224", "TARGET"),
        ("model none.py:make --input 224", "TARGET"),
        ("formula none.py:make(dim=C)@1,hw,C", "TARGET"),
        ("crossover none.py:make msa", "TARGET"),
        ("diff none.py:make none.py:make --input 224", "BASE"),
    ],
)
def test_a_file_that_is_not_there_is_missed_before_what_would_run_it(
    vpcalc: Run, bare: str, command: str, who: str
) -> None:
    done = vpcalc(*command.split(), PYTHONPATH=bare)
    assert (done.returncode, done.stderr) == (2, f"vpcalc: {who}: no file 'none.py'\n")


def test_a_document_is_not_filled_with_less(vpcalc: Run, bare: str, tmp_path: Path) -> None:
    """Its figures do not depend on what is installed where it is refreshed."""
    document = tmp_path / "x.md"
    document.write_text("<!-- vpcalc: compare --h 8 --w 8 -->\n<!-- /vpcalc -->\n", encoding="utf-8")
    before = document.read_bytes()
    done = vpcalc("embed", str(document), PYTHONPATH=bare)
    assert (done.returncode, document.read_bytes()) == (2, before)
    assert done.stderr.endswith(':1: --check: needs torch, which is not installed; pip install "vpcalc[torch]"\n')


def test_fvcore_alone_may_be_missing(vpcalc: Run, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = without(tmp_path, "fvcore")
    done = vpcalc("model", "swin_t", PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (
        0,
        'vpcalc: not checked by a count: fvcore is not installed; pip install "vpcalc[torch]"\n',
    )


def test_in_python_it_is_an_input_error_and_said_once(bare: str) -> None:
    script = (
        "import vpcalc\n"
        "for _ in range(3): vpcalc.compare(8, 8, 32)\n"
        "for ask in (lambda: vpcalc.derive('msa', '1,N,C'), lambda: vpcalc.compare(8, 8, 32, check=True),\n"
        "            lambda: vpcalc.compare(8, 8, 32, check=False).checked(), lambda: vpcalc.prove(['msa'])):\n"
        "    try: ask()\n"
        "    except vpcalc.InputError as error: print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": bare}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stderr == UNCHECKED + "\n"
    assert [line.partition(";")[0] for line in done.stdout.splitlines()] == [
        f"{who}: needs torch, which is not installed" for who in ("derive", "--check", "--check", "prove")
    ]


@pytest.mark.parametrize(
    ("system", "machine", "said"),
    [
        ("linux", "x86_64", optional.EXTRA),
        ("darwin", "arm64", optional.EXTRA),
        ("darwin", "x86_64", "PyTorch is no longer built for this platform"),
    ],
)
def test_nothing_is_recommended_that_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, said: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert optional.remedy() == said


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("matplotlib", "plot crossover -o x.svg"),
        ("matplotlib", "draw swin_t -o x.svg"),
        ("matplotlib", "theory receptive_field --plot x.svg"),
        ("uniplot", "plot crossover --terminal"),
        ("joblib", "prove msa wmsa --jobs 2"),
    ],
)
def test_other_packages_are_one_line_each(
    vpcalc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, command: str
) -> None:
    if command.startswith("prove"):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    done = vpcalc(*command.split(), PYTHONPATH=without(tmp_path, package))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert f"{package}, which is not installed; pip install" in line
    assert not Path("x.svg").exists()
