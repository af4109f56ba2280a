"""Layers and architectures of a user's own: loaded from a file or an installed package, and gone again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vpcalc as package
from vpcalc import plugins
from vpcalc.architectures import ARCHITECTURES
from vpcalc.checks.claims import CLAIMS
from vpcalc.cost import Quantity
from vpcalc.errors import InputError
from vpcalc.layers import LAYERS
from vpcalc.reference import LAYER_WITNESSES, MODEL_WITNESSES
from vpcalc.sweeps.parts import Counts, Parts

from .conftest import Run

EXAMPLE = Path(__file__).parent.parent / "examples" / "my_layers.py"
MQA = "2hwC² + 2hwC²/a + 2(hw)²C"

LAYER = """
from vpcalc.abstract.modules import linear
from vpcalc.abstract.tensor import given
from vpcalc.layers import layer

@layer({id!r}, "Mine", "nobody 2020")
def mine(tape, h, w, C, *, batch=1):
    return linear("", given(tape, batch, h * w, C), {times} * C)
"""

WITNESS = """
import torch
from vpcalc.reference import Witness, layer_witness

@layer_witness({id!r})
def module(h, w, C, batch=1):
    return Witness(torch.nn.Linear(C, {times} * C), (torch.zeros(batch, h * w, C),))
"""

FAMILY = """
import torch
from torch import nn
from vpcalc.abstract.functions import mean
from vpcalc.abstract.modules import linear, module
from vpcalc.architectures import Family, register
from vpcalc.cost import Stage
from vpcalc.layers.embedding import patch_embedding
from vpcalc.reference import Witness, model_witness
from vpcalc.reference.embedding import PatchEmbedding

def run(image, C, P, classes):
    x = patch_embedding("patches", image, C, P)
    batch, h, w, width = x.shape
    with image.tape.node("head") as head:
        head.stage = Stage((h, w), C, 1)
        x = mean(x.reshape(batch, h * w, C), (1,))
        return linear("head", x, classes)

class Net(nn.Module):
    def __init__(self, C, P, classes):
        super().__init__()
        self.patches, self.head = PatchEmbedding(C, P), nn.Linear(C, classes)

    def forward(self, image):
        return self.head(self.patches(image).flatten(1, 2).mean(1))

TINY = Family("tiny", run, "nobody 2020", blocks=False, attends=False)
register(TINY, "tiny_8", sizes=(32, 32), aliases=("tiny8",), C=8, P=4, classes=10)

@model_witness("tiny")
def tiny(sizes, config, batch=1):
    return Witness(Net(**config), (torch.zeros(batch, 3, *sizes),))
"""


STRIDED = """
from vpcalc.abstract.functions import max_pool, mean
from vpcalc.abstract.modules import conv, linear
from vpcalc.architectures import Family, register
from vpcalc.cost import Stage

def run(image, C, classes):
    x = conv("stem", image, C, (3, 3), stride=2, padding=1)
    x = conv("down", max_pool(x, 3, 2, 1), 2 * C, (2, 2), stride=2)
    with image.tape.node("head") as head:
        head.stage = Stage(x.shape[2:], 2 * C, 1)
        return linear("head", mean(x, (2, 3)), classes)

STRIDED = Family("strided", run, "nobody 2020", blocks=False, attends=False)
register(STRIDED, "strided_8", sizes=(32, 32), C=8, classes=10)
"""


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a test loads is gone after it, from every registry."""
    rooms = (LAYERS, ARCHITECTURES, CLAIMS)
    before = [list(room) for room in rooms]
    yield
    plugins.unload(plugins.loaded())
    assert [list(room) for room in rooms] == before
    assert all(make.__module__.startswith("vpcalc.") for make in LAYER_WITNESSES.values())
    assert all(make.__module__.startswith("vpcalc.") for make in MODEL_WITNESSES.values())


def written(folder: Path, text: str, name: str = "mine.py", **values: object) -> str:
    path = folder / name
    path.write_text(text.format(**values) if values else text, encoding="utf-8")
    return str(path)


def test_a_form_says_what_its_strides_divide_though_its_description_does_not(tmp_path: Path) -> None:
    package.load(written(tmp_path, STRIDED))
    found = package.formula("strided_8")
    assert (str(found.form), found.form.valid) == ("62HW + 160", "H and W multiples of 8")
    everywhere = package.formula("strided_8", everywhere=True)
    for h, w in ((32, 40), (33, 41), (47, 9)):
        macs = package.model("strided_8", input=f"{h}x{w}", check=False).figure(Quantity.MACS)
        h2, w2 = -(-h // 2), -(-w // 2)
        h8, w8 = (-(-side // 2) // 2 for side in (h2, w2))
        assert macs == 27 * 8 * h2 * w2 + 4 * 8 * 16 * h8 * w8 + 160
        assert eval(everywhere.spell("python"), {"H": h, "W": w}) == macs


def test_a_file_that_registers_may_be_a_target_too(tmp_path: Path) -> None:
    path = written(tmp_path, FAMILY)
    found = [package.model(f"{path}:Net", input=32, args={"C": 8, "P": 4, "classes": 10}) for _ in range(2)]
    assert not {"tiny_8"} & set(ARCHITECTURES)
    package.load(path)
    found += [package.model(f"{path}:Net", input=32, args={"C": 8, "P": 4, "classes": 10})]
    figures = {each.figure(Quantity.MACS) for each in (*found, package.model("tiny_8"))}
    assert len(figures) == 1
    assert "msa" in LAYERS
    assert "wmsa" in LAYER_WITNESSES


# -- the example ----------------------------------------------------------------------------------------------


def test_the_example_in_python() -> None:
    assert package.load(EXAMPLE) == ("mqa",)
    compared = package.compare(h=14, w=14, C=384, rows=["msa", "mqa"])
    report = compared.rows[1].report
    assert report is not None
    assert report.verdict.value == "agrees"
    products = 2 * 196 * 384**2 + 2 * 196 * 384 * 32 + 2 * 196**2 * 384
    assert compared.rows[1].figure(Quantity.MACS) == products
    assert package.formula("mqa").form.text == MQA
    assert package.formula("mqa", quantity="saved_bytes").form.text == "8BhwC + 8BhwC/a + 4Ba(hw)²"
    assert package.check_formula("2hwC^2 + 2hwC^2/a + 2(hw)^2C", "mqa").ok
    assert not package.check_formula("2hwC^2 + 2hwC^2 + 2(hw)^2C", "mqa").ok
    (proof,) = package.prove(["mqa"]).proofs
    assert proof.outcome.verdict.value == "proved"
    figure = package.figure("mqa", set={"h": 2, "w": 3, "C": 8, "heads": 2}, exact=True)
    assert figure.write("text") == f"{2 * 6 * 64 + 6 * 64 + 2 * 36 * 8:,}"
    assert {line.key for line in package.plot_crossover(rows=["msa", "mqa"]).chart.lines} == {"msa", "mqa"}  # type: ignore[union-attr]


def test_the_module_of_the_example_computes_multi_query_attention() -> None:
    import torch

    package.load(EXAMPLE)
    module, _ = LAYER_WITNESSES["mqa"](2, 3, 8, 2)
    torch.manual_seed(0)
    x = torch.randn(1, 6, 8)
    q = module.q(x).reshape(6, 2, 4)
    k, v = module.k(x)[0], module.v(x)[0]
    heads = [((q[:, head] @ k.T) / 2).softmax(-1) @ v for head in range(2)]
    torch.testing.assert_close(module(x)[0], module.proj(torch.cat(heads, dim=-1)))


def test_the_option_stands_before_the_command_or_among_its_options(inside: Run) -> None:
    for arguments in (
        ("--load", str(EXAMPLE), "formula", "mqa"),
        (f"--load={EXAMPLE}", "formula", "mqa"),
        ("formula", "mqa", "--load", str(EXAMPLE)),
        ("formula", "--load", str(EXAMPLE), "--load", str(EXAMPLE), "mqa"),
    ):
        assert inside(*arguments).stdout == f"{MQA}\n", arguments
    assert inside("formula", "mqa", VPCALC_LOAD=str(EXAMPLE)).stdout == f"{MQA}\n"
    assert inside("formula", "mqa").returncode == 2
    shown = inside("plot", "crossover", "--rows", "msa,mqa", "--format", "csv", "--load", str(EXAMPLE)).stdout
    assert "MQA" in shown


def test_without_a_check_no_torch(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        f"arguments = ['--load', {str(EXAMPLE)!r}, *'compare --h 8 --w 8 --rows mqa --no-check'.split()]\n"
        "sys.argv = ['vpcalc', *arguments]\n"
        "from vpcalc.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'sympy', 'importlib.metadata'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "MQA" in done.stdout


@pytest.mark.slow
def test_other_processes_know_it(inside: Run) -> None:
    load = ("--load", str(EXAMPLE))
    done = inside(*load, "prove", "mqa", "msa", "--jobs", "2", "--format", "json")
    assert [claim["verdict"] for claim in json.loads(done.stdout)["claims"]] == ["proved", "proved"]
    sizes = [part for pair in ("h=2", "w=2", "C=8", "heads=2") for part in ("--set", pair)]
    audited = json.loads(inside(*load, "audit", "mqa", *sizes, "-c", "fvcore", "--format", "json").stdout)
    assert audited["counters"][0]["difference"] == 0


GROUPED = """
import torch
from torch import nn
from vpcalc.abstract.modules import linear, module
from vpcalc.abstract.tensor import given
from vpcalc.dims import exact_div
from vpcalc.layers import layer
from vpcalc.layers import attention as ours
from vpcalc.reference import Witness, layer_witness
from vpcalc.reference import attention as theirs

@module
def grouped(x, heads, g):
    batch, n, C = x.shape
    d, sharing = ours.head_width(C, heads), exact_div(heads, g, "g", "heads")
    q = ours.split_heads(linear("q", x, C), heads).reshape(batch, g, sharing * n, d)
    k, v = (ours.split_heads(linear(name, x, g * d), g) for name in "kv")
    return linear("proj", ours.merge_heads(ours.attend(q, k, v).reshape(batch, heads, n, d)), C)

@layer("gqa", "GQA", "Ainslie et al. 2023, arXiv 2305.13245")
def gqa(tape, h, w, C, heads, g, *, batch=1):
    return grouped("", given(tape, batch, h * w, C), heads, g)

class GQA(nn.Module):
    def __init__(self, C, heads, g):
        super().__init__()
        self.heads, self.g, width = heads, g, C // heads * g
        self.q, self.k, self.v = nn.Linear(C, C), nn.Linear(C, width), nn.Linear(C, width)
        self.proj = nn.Linear(C, C)

    def forward(self, x):
        batch, n, C = x.shape
        d, sharing = C // self.heads, self.heads // self.g
        q = theirs.split_heads(self.q(x), self.heads).reshape(batch, self.g, sharing * n, d)
        k, v = (theirs.split_heads(project(x), self.g) for project in (self.k, self.v))
        return self.proj(theirs.merge_heads(theirs.attend(q, k, v).reshape(batch, self.heads, n, d)))

@layer_witness("gqa")
def module_of_gqa(h, w, C, heads, g, batch=1):
    return Witness(GQA(C, heads, g), (torch.zeros(batch, h * w, C),))
"""


@pytest.mark.slow
def test_sizes_that_divide_each_other_in_a_chain(tmp_path: Path) -> None:
    """The groups divide the heads, which divide the width: no table of ours knows of such a letter."""
    from vpcalc.counters.saved import count

    package.load(written(tmp_path, GROUPED))
    (proof,) = package.prove(["gqa"]).proofs
    assert proof.outcome.verdict.value == "proved"
    assert proof.outcome.recovered == "2hwC²g/a + 2hwC² + 2(hw)²C"
    assert {"g | a", "a | C"} <= {part.strip() for part in proof.outcome.domain.split(",")}
    form = package.formula("gqa", quantity="saved_bytes").form
    for sizes in ({"h": 3, "w": 5, "C": 24, "heads": 6, "g": 2}, {"h": 2, "w": 2, "C": 48, "heads": 12, "g": 3}):
        saved = count(*LAYER_WITNESSES["gqa"](**sizes, batch=2)).total
        point = {**sizes, "a": sizes["heads"], "B": 2}
        assert form.polynomial.value({name: point[name] for name in form.polynomial.symbols}) == saved


def test_one_more_variant_of_a_family_of_ours(tmp_path: Path) -> None:
    text = "from vpcalc.architectures import ARCHITECTURES, register\nswin = ARCHITECTURES['swin_t']\n"
    settings = "**{**swin.config, 'C': 32, 'heads': (1, 2, 4, 8)}"
    file = written(tmp_path, f"{text}register(swin.family, 'swin_xs', sizes=(64, 64), {settings})")
    assert package.load(file) == ("swin_xs",)
    report = package.model("swin_xs").report
    assert report is not None
    assert report.verdict.value == "agrees"
    plugins.unload([file])
    assert package.model("swin_t", input=64).ok


# -- what a file may hold -------------------------------------------------------------------------------------


def test_an_architecture(tmp_path: Path, inside: Run) -> None:
    file = written(tmp_path, FAMILY)
    assert package.load(file) == ("tiny_8",)
    found = package.model("tiny8")
    assert found.figure(Quantity.MACS) == 3 * 32 * 32 * 8 + 8 * 10
    assert found.report is not None
    assert found.report.verdict.value == "agrees"
    assert package.memory("tiny_8", train=True).ok
    assert package.prove(["tiny_family"]).ok
    assert "tiny_8" in [each.id for each in package.models().architectures]
    assert package.draw("tiny_8").chart.title.startswith("tiny_8")
    assert package.formula("tiny_8").form.text == "24HW + 80"
    plugins.unload([file])
    for command in ("model tiny_8", "memory tiny_8", "models", "draw tiny_8", "prove tiny_family"):
        done = inside("--load", file, *command.split())
        assert done.returncode == 0, done.stderr
        assert "tiny" in done.stdout


def test_a_wrong_module_is_seen(tmp_path: Path, inside: Run) -> None:
    file = written(tmp_path, LAYER + WITNESS.replace("{times}", "3"), id="mine", times=2)
    done = inside("--load", file, "compare", "--h", "4", "--w", "4", "--rows", "mine", "--C", "8")
    assert (done.returncode, "differs" in done.stdout) == (1, True)
    right = written(tmp_path, LAYER + WITNESS, id="mine", times=2)
    assert inside("--load", right, "compare", "--h", "4", "--w", "4", "--rows", "mine", "--C", "8").returncode == 0


def test_without_a_module_what_counts_says_so(tmp_path: Path, inside: Run) -> None:
    file = written(tmp_path, LAYER, id="mine", times=2)
    compared = inside("--load", file, "compare", "--h", "4", "--w", "4", "--rows", "mine", "--C", "8")
    assert compared.returncode == 0
    assert "no module of PyTorch is registered for mine: @layer_witness('mine')" in " ".join(
        compared.stdout.split()
    )
    assert inside("--load", file, "formula", "mine").stdout == "2hwC²\n"
    proved = inside("--load", file, "prove", "mine")
    assert proved.returncode == 2
    assert "no module to count; @layer_witness('mine') registers one" in proved.stderr


def test_a_sweep_goes_on_only_with_the_layer_that_it_was_begun_with(tmp_path: Path) -> None:
    costs = tmp_path / "costs.csv"

    def parts(times: int) -> Parts:
        package.load(written(tmp_path, LAYER, id="mine", times=times))
        begun = package.sweep("mine", vary={"h": "1:9", "w": 7, "C": 8}, output=costs)
        return Parts(costs, begun.work, begun._key())

    parts(2).begin(resume=False, force=False, counts=Counts())
    assert parts(2).begin(resume=True, force=False, counts=Counts()) == set()
    with pytest.raises(InputError, match=r"is of another sweep: loaded was .*mine\.py"):
        parts(3).begin(resume=True, force=False, counts=Counts())
    plugins.unload([tmp_path / "mine.py"])


def test_letters_of_its_own_are_read(tmp_path: Path, inside: Run) -> None:
    text = LAYER.replace("h, w, C, *", "h, w, C, g, *").replace("{times} * C", "g * C")
    file = written(tmp_path, text, id="mine")
    assert inside("--load", file, "formula", "mine").stdout == "hwC²g\n"
    assert inside("--load", file, "check", "g*h*w*C^2", "--against", "mine").returncode == 0
    assert inside("--load", file, "check", "2*g*h*w*C^2", "--against", "mine").returncode == 1
    rows = ("--rows", "msa,mine", "--set", "g=3", "--no-check", "--format", "json")
    compared = json.loads(inside("--load", file, "compare", "--h", "4", "--w", "4", "--C", "8", *rows).stdout)
    assert compared["rows"][1]["macs"] == 16 * 64 * 3


OTHER_LETTERS = """
from vpcalc.abstract.modules import linear
from vpcalc.abstract.tensor import given
from vpcalc.layers import layer

@layer("slots", "Slots", "nobody 2020")
def slots(tape, h, w, C, S, L, heads, *, batch=1):
    \"\"\"Slots.

    Args:
        h, w: the token grid.
        S, heads: slots; as many as are wanted.
    \"\"\"
    return linear("", given(tape, batch, h * w, C), S * L * heads * C)
"""


def test_letters_of_its_own_mean_what_it_says(tmp_path: Path, inside: Run) -> None:
    """S is the source sequence and L layers only where a layer is ours."""
    (tmp_path / "slots.py").write_text(OTHER_LETTERS)
    done = inside("--load", str(tmp_path / "slots.py"), "formula", "slots", "--legend")
    assert done.stdout.splitlines()[2:] == [
        "L: dimension of the layer",
        "a: slots",
        "S: slots",
        "h: height of the token grid (tokens)",
        "w: width of the token grid (tokens)",
        "C: channels of a token, the model width",
    ]
    given = ["slots", "--set", "S=3", "--set", "L=2", "--set", "heads=1", "--format", "json"]
    done = inside("--load", str(tmp_path / "slots.py"), "page", *given)
    said = {each["letter"]: each["meaning"] for each in json.loads(done.stdout)["parameters"]}
    assert (said["S"], said["L"], said["a"]) == ("slots", "dimension of the layer", "slots")
    assert said["h"] == "height of the token grid"


def test_a_file_that_changed_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a second, too, where Python keeps what it compiles; and nothing is left beside the file."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = written(tmp_path, LAYER, id="mine", times=2)
    package.load(file)
    written(tmp_path, LAYER, id="mine", times=5)
    package.load(file)
    assert package.formula("mine").form.text == "5hwC²"
    assert os.listdir(tmp_path) == [Path(file).name]
    written(tmp_path, "syntax error")
    with pytest.raises(InputError, match="SyntaxError"):
        package.load(file)
    assert "mine" not in LAYERS


def test_a_mistake_in_a_description_is_one_line_with_its_place(tmp_path: Path, inside: Run) -> None:
    file = written(tmp_path, LAYER.format(id="mine", times=2).replace("batch, h", "batch, H"))
    done = inside("--load", file, "formula", "mine")
    assert (done.returncode, done.stderr) == (2, f"vpcalc: {file}:8: NameError: name 'H' is not defined\n")
    module = WITNESS.format(id="mine", times=2).replace("Linear(C", "Linear(C + 1")
    file = written(tmp_path, LAYER.format(id="mine", times=2) + module)
    done = inside("--load", file, "compare", "--h", "4", "--w", "4", "--C", "8", "--rows", "mine")
    said = "mine: its module does not run at this size: RuntimeError: mat1 and mat2 shapes cannot be multiplied"
    assert (done.returncode, said in done.stderr, done.stderr.count("\n")) == (2, True, 1)


# -- what is refused ------------------------------------------------------------------------------------------

REFUSED = {
    "taken": (LAYER.format(id="msa", times=2), "layer 'msa' is already registered"),
    "a model's": (LAYER.format(id="swin_t", times=2), "layer 'swin_t' is already registered, as a model"),
    "not a name": (LAYER.format(id="a,b", times=2), "the name 'a,b' must be letters, digits and _ . -"),
    "nothing": ("x = 1", "registers no layer and no architecture"),
    "half": (
        LAYER.format(id="mine", times=2) + "1 / 0",
        "cannot be imported: ZeroDivisionError: division by zero",
    ),
    "exits": ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
    "twice": (LAYER.format(id="mine", times=2) * 2, "layer 'mine' is already registered"),
    "our module": (
        LAYER.format(id="mine", times=2) + WITNESS.format(id="wmsa", times=2),
        "reference module ",
    ),
    "no such module": (
        LAYER.format(id="mine", times=2) + WITNESS.format(id="min", times=2),
        "a reference module for 'min', that it does not describe",
    ),
    "no such file": (
        "from vpcalc.plugins import witnesses_in\nwitnesses_in('none.py')",
        "witnesses_in('none.py'): no file",
    ),
    "a family of ours": (FAMILY.replace('"tiny"', '"swin"'), "'swin'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_nothing(tmp_path: Path, inside: Run, case: str) -> None:
    text, said = REFUSED[case]
    file = written(tmp_path, text)
    done = inside("--load", file, "formula", "msa")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("vpcalc: --load")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    with pytest.raises(InputError):
        package.load(file)
    assert plugins.loaded() == []
    assert package.formula("msa").form.text == "4hwC² + 2(hw)²C"


def test_a_file_that_is_not_there(inside: Run) -> None:
    done = inside("formula", "msa", "--load", "none.py")
    assert (done.returncode, done.stderr) == (2, "vpcalc: --load: no file 'none.py'\n")


@pytest.mark.parametrize(
    "command",
    [
        "model gpt2",
        "model efficientnet_b0",
        "formula gpt2",
        "derive gpt2 --input 1,N",
        "compare --h 4 --w 4 --rows new",
    ],
)
def test_a_name_that_is_nothing_like_ours_is_sent_on(inside: Run, command: str) -> None:
    said = inside(*command.split()).stderr
    assert "in a library: vpcalc derive transformers:" in said
    assert "your own: FILE.py:FACTORY, or --load FILE.py" in said
    assert "--load" not in inside("model", "swin_x").stderr


# -- documents ------------------------------------------------------------------------------------------------


def test_a_marker_brings_no_code_unless_it_is_trusted(tmp_path: Path, inside: Run) -> None:
    for name in ("my_layers.py", "my_modules.py"):
        shutil.copy(EXAMPLE.parent / name, tmp_path)
    document = tmp_path / "a.md"
    document.write_text("<!-- vpcalc: formula mqa --load my_layers.py -->\n<!-- /vpcalc -->\n")
    done = inside("embed", str(document))
    assert done.returncode == 2
    assert "--load my_layers.py: a marker runs no code but vpcalc's own; --trust allows it" in done.stderr
    assert plugins.loaded() == []
    assert inside("embed", "--trust", str(document)).returncode == 0
    assert MQA in document.read_text()
    assert plugins.loaded() == []
    document.write_text("<!-- vpcalc: formula mqa -->\n<!-- /vpcalc -->\n")
    assert "'mqa' is not known" in inside("embed", "--trust", str(document)).stderr
    assert inside("--load", str(EXAMPLE), "embed", str(document)).returncode == 0  # the reader brought it himself
    assert MQA in document.read_text()


def test_what_one_marker_loads_the_next_does_not_have(tmp_path: Path) -> None:
    written(tmp_path, LAYER, id="mine", times=2)
    document = tmp_path / "a.md"
    blocks = ("formula mine --load mine.py", "formula mine")
    document.write_text("\n".join(f"<!-- vpcalc: {command} -->\n<!-- /vpcalc -->\n" for command in blocks))
    with pytest.raises(InputError, match=r"a.md:4: formula 'mine' is not known"):
        package.embed(document, trust=True)


# -- packages -------------------------------------------------------------------------------------------------


def installed(folder: Path, text: str) -> dict[str, str]:
    """The environment in which a package with this module is installed."""
    (folder / "brought.py").write_text(text, encoding="utf-8")
    record = folder / "brought-1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 1\n")
    (record / "entry_points.txt").write_text("[vpcalc.plugins]\nbrought = brought\n")
    places = [str(folder), str(EXAMPLE.parent.parent), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, places))}


def test_an_installed_package_is_found_when_its_name_is_asked_for(vpcalc: Run, tmp_path: Path) -> None:
    text = LAYER.format(id="mine", times=2) + "print('noise')\nimport sys; sys.stderr.write('')\n"
    env = installed(tmp_path, text)
    done = vpcalc("formula", "mine", **env)
    assert (done.returncode, done.stdout) == (0, "2hwC²\n")
    assert vpcalc("formula", "min", **env).stderr.startswith(
        "noise\nvpcalc: formula 'min' is not known; did you mean mine"
    )


@pytest.mark.slow
def test_modules_of_an_installed_package(vpcalc: Run, tmp_path: Path) -> None:
    """They are imported when one is counted, and none of them stands for one of ours."""
    text = LAYER.format(id="mine", times=2) + "from vpcalc.plugins import witnesses_in\nwitnesses_in('counted')\n"
    env = installed(tmp_path, text)
    written(tmp_path, WITNESS, "counted.py", id="mine", times=2)
    command = ("compare", "--h", "4", "--w", "4", "--C", "8", "--rows", "mine,wmsa", "--M", "2")
    done = vpcalc(*command, **env)
    assert (done.returncode, done.stdout.count("agrees")) == (0, 2), done.stderr
    stray = (tmp_path / "counted.py").read_text() + WITNESS.format(id="wmsa", times=2)
    (tmp_path / "counted.py").write_text(stray)
    done = vpcalc(*command, **env)
    assert done.returncode == 2
    assert done.stderr == "vpcalc: counted: reference module of a layer 'wmsa' is already registered\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import nothing_such", "ModuleNotFoundError: No module named 'nothing_such'"),
        (LAYER.format(id="msa", times=2), "layer 'msa' is already registered"),
        (LAYER.format(id="swin_t", times=2), "layer 'swin_t' is already registered, as a model"),
    ],
)
def test_a_package_that_cannot_be_used_is_left_out(vpcalc: Run, tmp_path: Path, text: str, why: str) -> None:
    done = vpcalc("models", "--family", "swin", **installed(tmp_path, text))
    assert done.returncode == 0
    assert done.stderr == f"vpcalc: plug-in brought (brought): {why}; it is left out\n"
    assert "swin_t" in done.stdout


def test_a_file_without_a_factory_is_asked_for_one() -> None:
    for ask in (
        lambda: package.model("net.py"),
        lambda: package.memory("net.py"),
        lambda: package.derive("net.py"),
    ):
        with pytest.raises(
            InputError, match=r"'net.py': is a file; name its factory, net.py:FACTORY, or give --load"
        ):
            ask()
