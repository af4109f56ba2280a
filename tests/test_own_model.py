"""Modules of a reader's own in ``model``, ``figure``, ``draw`` and ``plot stages``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import vpcalc
from vpcalc import InputError
from vpcalc.answers.own_model import OwnModel
from vpcalc.answers.side_by_side import SideBySide
from vpcalc.cli.app import application

SOURCE = '''
import torch
from torch import nn


class Block(nn.Module):
    """A residual feed-forward block on a padded grid of windows, channels last."""

    def __init__(self, dim, window):
        super().__init__()
        self.window, self.norm = window, nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        h, w = x.shape[1:3]
        x = nn.functional.pad(x, (0, 0, 0, -w % self.window, 0, -h % self.window))
        return (x + self.mlp(self.norm(x)))[:, :h, :w]


class Net(nn.Module):
    def __init__(self, dim=32, depth=2, window=7):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 4, 4)
        self.blocks = nn.ModuleList([Block(dim, window) for _ in range(depth)])
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        x = self.stem(x).permute(0, 2, 3, 1)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((1, 2)))


class Odd(nn.Module):
    """It takes as many steps as its input is long."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(4, 5)

    def forward(self, x):
        return self.out(sum(x[:, i] for i in range(x.shape[1])))


class Lines(nn.Module):
    """Attention with a table of positions, all in its own forward."""

    def __init__(self, dim=16, longest=64):
        super().__init__()
        self.frozen, self.positions = nn.Linear(dim, dim), nn.Embedding(longest, dim)
        self.frozen.requires_grad_(False)
        self.out = nn.Linear(dim, dim)

    def forward(self, x, mask):
        x = self.frozen(x) + self.positions(torch.arange(x.shape[1], device=x.device))
        return self.out((x @ x.transpose(1, 2) + mask).softmax(-1) @ x)


class Ending(nn.Module):
    def forward(self, x):
        raise SystemExit(0)


class Ids(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.out = nn.Embedding(50, 8), nn.Linear(8, 50)

    def forward(self, ids):
        return self.out(self.table(ids))
'''


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)


def _model(*args: object, **kwargs: object) -> OwnModel:
    found = vpcalc.model(*args, **{"check": False, **kwargs})  # type: ignore[arg-type]
    assert isinstance(found, OwnModel)
    return found


@pytest.mark.parametrize(("size", "grid"), [("224", (56, 56)), ("225x230", (56, 57)), ("56x84", (14, 21))])
def test_figures_are_the_counters(size: str, grid: tuple[int, int]) -> None:
    said = _model("net.py:Net", input=size, check=True).to_dict()
    h, w = grid
    tokens = -(-h // 7) * 7 * -(-w // 7) * 7
    inner = h * w  # each block cuts what it padded
    assert said["macs"] == 48 * inner * 32 + 2 * tokens * 8 * 32**2 + 320
    assert said["params"] == sum(p.numel() for p in _built().parameters())
    assert said["verdict"] == "agrees"
    assert [stage["name"] for stage in said["stages"]] == ["stem", "blocks.0", "blocks.1", "head"]
    assert said["stages"][1]["resolution"] == [h, w]
    assert said["stages"][1]["channels"] == 32
    assert sum(stage["macs"] for stage in said["stages"]) == said["macs"]
    assert sum(said["operators"].values()) == said["fvcore"]


def _built() -> nn.Module:
    namespace: dict[str, type[nn.Module]] = {}
    exec(SOURCE, namespace)
    return namespace["Net"]()


def test_the_form_holds_at_the_size_that_was_asked() -> None:
    on, off = (_model("net.py:Net", input=size).to_dict() for size in ("224", "225x230"))
    formula = on["formula"]["macs"]
    assert formula["holds_here"]
    assert formula["valid"].startswith("H and W multiples of 28")
    assert eval(formula["python"], {}, {"H": 224, "W": 224}) == on["macs"]
    formula = off["formula"]["macs"]
    assert not formula["holds_here"]
    assert eval(formula["everywhere"]["python"], {}, {"H": 225, "W": 230}) == off["macs"]
    assert eval(formula["everywhere"]["when"]["python"], {}, {"H": 225, "W": 230})


def test_ids_and_batches() -> None:
    found = _model("net.py:Ids", tokens=12, batch=3, check=True)
    assert (found.to_dict()["macs"], found.shape) == (3 * 12 * 400, [3, 12])
    assert found.ok
    assert _model("net.py:Ids", input="3,12:long").to_dict()["macs"] == found.to_dict()["macs"]


def test_a_length_that_decides_how_often_something_is_done_is_a_number_in_the_form() -> None:
    found = _model("net.py:Odd", input="2,6,4", check=True)
    assert found.ok
    assert found.to_dict()["macs"] == 2 * 4 * 5
    assert (found.form.text, found.form.valid) == ("40", "N = 6")


def test_the_same_from_python() -> None:
    class Two(nn.Module):
        def __init__(self, width: int = 6) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, width), nn.Linear(width, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x).relu())

    assert _model(Two, input="5,4").to_dict()["macs"] == 5 * 42
    assert _model(Two(7), input="5,4").to_dict()["macs"] == 5 * 49
    assert _model(Two, input="5,4", args={"width": 8}).to_dict()["macs"] == 5 * 56


def test_a_wrong_price_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    from vpcalc.execution import run

    monkeypatch.setitem(run.PRICES, "conv2d", lambda *args, **kwargs: ())
    found = _model("net.py:Net", input=224, check=True)
    assert not found.ok
    assert found.to_dict()["verdict"] == "differs"


class Signal(nn.Module):
    """Channels stand before the length, as 1-d convolutions have it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv1d(16, 32, 3, padding=1), nn.Conv1d(32, 64, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.b(self.a(x))
        return out


@pytest.mark.parametrize("length", [16, 100, 101])
def test_a_signal_has_a_length_and_channels(length: int) -> None:
    found = _model(Signal, input=f"2,16,{length}").to_dict()
    half = -(-length // 2)
    assert [(s["resolution"], s["channels"]) for s in found["stages"]] == [([length], 32), ([half], 64)]
    assert found["macs"] == 2 * 3 * (16 * 32 * length + 32 * 64 * half)
    form = found["formula"]["macs"]
    assert eval(form.get("everywhere", form)["python"], {"N": length}) == found["macs"]
    kept = vpcalc.memory(Signal, input=f"2,16,{length}", train=True, check=False).to_dict()
    assert eval(kept["formula"]["forward_peak_bytes"]["python"], {"N": length}) == kept["forward_peak_bytes"]


class Last(nn.Module):
    """Channels last, pooled by two."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(nn.functional.avg_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1))
        return out


def test_a_side_that_a_number_divides_is_no_less_than_it() -> None:
    class Patched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 4, 2, 2)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.b(self.a(x))
            return out

    assert _model(Patched, input=64).to_dict()["formula"]["macs"]["valid"] == "H and W multiples of 8"


@pytest.mark.parametrize("sides", ["12,8", "8,8", "13,9"])
def test_channels_that_are_last_are_no_side_of_an_image(sides: str) -> None:
    found = _model(Last, input=f"1,{sides},16").to_dict()
    h, w = map(int, sides.split(","))
    assert [(s["resolution"], s["channels"]) for s in found["stages"]] == [([h // 2, w // 2], 5)]
    form = found["formula"]["macs"]
    assert (
        eval(form.get("everywhere", form)["python"], {"H": h, "W": w}) == found["macs"] == h // 2 * (w // 2) * 80
    )
    assert "16" not in form["valid"]


class Branched(nn.Module):
    """Branches, a residual, work of its own between modules, and a part that is defined first and runs last."""

    def __init__(self) -> None:
        super().__init__()
        self.out, self.stem = nn.Linear(8, 8), nn.Linear(8, 8)
        self.left, self.right, self.act = nn.Linear(8, 3), nn.Linear(8, 5), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.stem(x))
        both = torch.zeros(*x.shape[:2], 8)
        both[..., :3], both[..., 3:] = self.left(x), self.right(x)
        mixed = both @ x.mT @ x
        out: Tensor = self.out(x + mixed)
        return out


def test_a_drawing_says_from_where_a_module_reads() -> None:
    from vpcalc.pictures import BlockChart

    chart = vpcalc.draw(Branched, input="2,7,8").chart  # type: ignore[arg-type]
    assert isinstance(chart, BlockChart)
    assert {block.name: block.sources for block in chart.blocks} == {
        "stem": (),
        "left": (),
        "right": ("stem",),
        "(itself)": ("left", "right", "stem"),
        "out": ("stem", "(itself)"),
    }
    assert "square" not in chart.subtitle
    row = vpcalc.draw(Signal, input="2,16,9").chart  # type: ignore[arg-type]
    assert isinstance(row, BlockChart)
    assert not any(block.sources for block in row.blocks)


class Dropping(nn.Module):
    """Has more than comes out of it; ``keep`` says whether anything does."""

    def __init__(self, keep: bool = True) -> None:
        super().__init__()
        self.keep, self.fc, self.aside = keep, nn.Linear(7, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor | None:
        out: Tensor = self.fc(x)
        nn.functional.linear(self.aside(out), self.aside.weight.T)
        return out if self.keep else None


@pytest.mark.parametrize("keep", [True, False])
def test_what_no_result_needs_is_in_no_trace_and_so_not_comparable(
    keep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _model(Dropping(keep), input="5,7", check=True)
    fields = found.to_dict()
    assert (fields["verdict"], fields["macs"]) == ("not comparable", 5 * (7 * 6 + 2 * 12))
    missing = 2 * 5 * 12 + (0 if keep else 5 * 7 * 6)
    assert f"fvcore leaves out what no result needs: fvcore linear -{missing}" in fields["reason"]
    from vpcalc.execution import run

    monkeypatch.setitem(run.PRICES, "linear", lambda *args, **kwargs: ())
    assert not _model(Dropping(keep), input="5,7", check=True).ok


def test_where_fvcore_has_no_figure_its_convention_is_in_no_table() -> None:
    """It has a part alone: what was priced before the einsum that it cannot."""

    class Maps(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum("bnd,bmd->bnm", x @ x.mT, x)

    found = _model(Maps(), input="2,7,7", check=True)
    operators = found.tables()[1]
    assert [column.key for column in operators.columns] == ["operator", "macs"]
    assert operators.rows == (("einsum", 2 * 7**3), ("matmul", 2 * 7**3), ("total", 4 * 7**3))
    assert found.to_dict()["fvcore"] is None
    beside = SideBySide((found, found), ("one", "other")).tables()[0]
    assert ("fvcore's convention", None, None) in beside.rows


def test_figures_drawings_and_plots_take_it() -> None:
    whole = _model("net.py:Net", input=224).to_dict()
    assert vpcalc.figure("net.py:Net", input=224).value == whole["macs"]
    assert vpcalc.figure("net.py:Net", input=224, quantity="params").value == whole["params"]
    wide = vpcalc.figure("net.py:Net", input=224, args={"depth": 3})
    assert wide.value > whole["macs"]
    assert vpcalc.draw("net.py:Net", input=224).to_dict()["inputs"]["model"] == "net.py:Net"
    bars = vpcalc.plot_stages("net.py:Net", input=224).to_dict()["data"]
    assert sum(bar["macs"] for bar in bars) == whole["macs"]
    both = vpcalc.plot_operators(["net.py:Net", "resnet18"], input=224).to_dict()["data"]
    assert {bar["model"] for bar in both} == {"net.py:Net", "resnet18"}


def test_the_command_line_takes_it() -> None:
    asked = ["model", "net.py:Net", "--input", "56", "--arg", "depth=1", "--no-check", "-f", "json"]
    result = CliRunner().invoke(application(["model"]), asked)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["config"] == {"depth": "1"}


def test_a_papers_list_names_it_where_it_is_trusted(tmp_path: Path) -> None:
    listed = tmp_path / "paper.toml"
    listed.write_text(
        '[formulas]\nOurs = { of = "net.py:Net(depth=1)@1,3,H,W" }\n'
        '[figures]\nOurMacs = { of = "net.py:Net", input = "1,3,224,224", arg = { depth = 1 }, exact = true }\n'
    )
    with pytest.raises(InputError, match="is code; --trust runs it"):
        vpcalc.macros(listed)
    found = vpcalc.macros(listed, trust=True)
    form, figure = found.macros
    assert form.said == (
        f"holds for {vpcalc.formula('net.py:Net', input='1,3,H,W', args={'depth': 1}).form.valid}",
    )
    assert f"\n% {form.said[0]}\n\\newcommand{{\\Ours}}" in found.latex
    assert not figure.said
    assert figure.value == _model("net.py:Net", input=224, args={"depth": 1}).to_dict()["macs"]
    assert figure.command == "figure net.py:Net --exact --input 1,3,224,224 --arg depth=1"
    assert "HW" in str(form.value)


def test_a_marker_does_not_trust_itself(tmp_path: Path) -> None:
    (tmp_path / "paper.toml").write_text('[figures]\nOurs = { of = "net.py:Net", input = 224 }\n')
    page = tmp_path / "page.tex"
    page.write_text("% vpcalc: macros paper.toml --trust\n% /vpcalc\n")
    with pytest.raises(InputError, match="runs no code but vpcalc's own"):
        vpcalc.embed(page)
    vpcalc.embed(page, trust=True)
    assert "newcommand" in page.read_text()


@pytest.mark.parametrize("ask", [vpcalc.model, vpcalc.formula, vpcalc.memory, vpcalc.derive, vpcalc.audit])
def test_arguments_that_are_not_given_are_named_alike(ask: Any) -> None:
    with pytest.raises(InputError, match=r"^--arg: dim and window are not bound; .* such as dim=64 or dim=C$"):
        ask("net.py:Block", input="1,14,14,64")


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({}, "give the size of net.py:Net's input"),
        ({"input": 224, "set": {"dim": 3}}, "--arg gives its arguments"),
        ({"input": "1,3,224,224", "batch": 2}, "is a whole shape"),
        ({"tokens": 4, "input": 224}, "--input is given, too"),
        ({"input": 2}, "does not run"),
        ({"input": 224, "args": {"depht": 3}}, "'depht' is not known; did you mean depth?"),
        ({"input": "two"}, "must be a side S, HxW, or a shape"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(kwargs: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as refused:
        _model("net.py:Net", **kwargs)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_arguments_are_of_code_only() -> None:
    with pytest.raises(InputError, match="is one of ours; its settings are given by --set"):
        vpcalc.model("swin_t", args={"dim": 3})


NO_CODE = {"family", "formula", "claims", "files", "list"}
"""Arguments of commands that never name code; a list of macros trusts nobody by itself."""


def test_every_argument_of_every_command_is_known_to_name_code_or_not() -> None:
    import typer

    from vpcalc.cli.inprocess import SIDES, TARGETS

    def arguments(command: Any) -> Iterator[str]:
        for below in getattr(command, "commands", {}).values():
            yield from arguments(below)
        yield from (p.name for p in command.params if p.param_type_name == "argument")

    group = typer.main.get_command(application())
    assert set(arguments(group)) == ({*TARGETS, *SIDES} & set(arguments(group))) | NO_CODE


@pytest.mark.parametrize(
    "marker",
    [
        "model net.py:Net --input 224",
        "model 'net.py:Net(dim=3)' --input 224",
        "derive net.py:Net@1,3,H,W",
        "model swin_t net.py:Net --input 224",
        "memory net.py:Net --input 224",
        "figure net.py:Net --input 224",
        "draw net.py:Net --input 224 -o net.svg",
        "plot stages net.py:Net --input 224 -o net.svg",
        "plot operators swin_t net.py:Net --input 224 -o net.svg",
        "plot resolution net.py:Net swin_t -o net.svg",
        "plot crossover --rows net.py:Net(dim=C)@1,C,h,w -o net.svg",
        "compare --h 14 --w 14 --rows net.py:Net(dim=C)@1,C,h,w",
        "diff HEAD:net.py:Net net.py:Net --input 1,3,224,224",
        "derive net.py:Net --input 1,3,H,W",
        "crossover msa net.py:Net(dim=C)@1,C,h,w",
        "plot region net.py:Net(dim=C)@1,C,h,w msa --at C=96 -o net.svg",
        "sweep net.py:Net --input 1,3,H,W --vary H=32:64:8",
    ],
)
def test_no_marker_runs_code_of_a_document_that_is_not_trusted(tmp_path: Path, marker: str) -> None:
    (tmp_path / "net.py").write_text("raise SystemExit('it was run')")
    page = tmp_path / "page.md"
    page.write_text(f"<!-- vpcalc: {marker} -->\n<!-- /vpcalc -->\n")
    with pytest.raises(InputError, match="a marker runs no code but vpcalc's own"):
        vpcalc.embed(page)


def test_curves_over_resolution_and_a_roofline() -> None:
    found = vpcalc.plot_resolution(["net.py:Net", "vgg11"], low=64, high=128, step=32).to_dict()
    own = {point["side"]: point["macs"] for point in found["data"] if point["series"] == "net.py:Net"}
    assert own == {side: _model("net.py:Net", input=side).to_dict()["macs"] for side in (64, 96, 128)}
    roof = vpcalc.plot_roofline("net.py:Net", device="a100_80gb", input=64, args={"depth": 3})
    assert roof.chart.subtitle == "float32, batch 1; an inference, operator by operator"


def test_in_letters_its_modules_and_operators_are_forms() -> None:
    found = vpcalc.model("net.py:Net", input="1,3,H,W", args={"dim": "C"})
    said = found.to_dict()
    assert said["formula"]["macs"]["valid"].startswith("H and W multiples of 28")
    assert [stage["name"] for stage in said["stages"]] == ["stem", "blocks.0", "blocks.1", "head"]
    assert said["stages"][1]["output"] == ["1", "H/4", "W/4", "C"]
    assert said["verdict"] == "agrees"
    for h, w, dim in ((56, 84, 32), (224, 28, 48)):
        at = {"H": h, "W": w, "C": dim}
        there = _model("net.py:Net", input=f"{h}x{w}", args={"dim": dim}).to_dict()
        for quantity in ("macs", "params", "activations", "fvcore"):
            assert eval(said[quantity]["python"], {}, at) == there[quantity], quantity
        for mine, its in zip(said["stages"], there["stages"], strict=True):
            assert eval(mine["macs"]["python"], {}, at) == its["macs"]
        assert sum(eval(form["python"], {}, at) for form in said["operators"].values()) == there["macs"]


def test_figures_and_pictures_are_in_numbers() -> None:
    for ask in (vpcalc.figure, vpcalc.draw, vpcalc.plot_stages, vpcalc.memory):
        with pytest.raises(InputError, match=r"H is a letter; .* takes numbers"):
            ask("net.py:Net", input="1,3,H,W")


def test_work_of_its_own_forward_is_a_stage_of_tables_and_pictures() -> None:
    shapes = {"input": "1,10,16;10,10"}
    said = _model("net.py:Lines", **shapes).to_dict()
    assert [stage["name"] for stage in said["stages"]] == ["frozen", "positions", "out", "(itself)"]
    assert said["macs"] == 2 * 10 * 16 * 16 + 2 * 10 * 10 * 16
    bars = vpcalc.plot_stages("net.py:Lines", **shapes).to_dict()["data"]
    assert sum(bar["macs"] for bar in bars) == said["macs"]
    assert vpcalc.draw("net.py:Lines", **shapes).draw("svg")


def test_a_table_ends_the_form_and_a_mask_is_as_long_as_what_it_masks() -> None:
    formula = _model("net.py:Lines", input="1,10,16;10,10").to_dict()["formula"]["macs"]
    assert (formula["text"], formula["valid"]) == ("32N² + 512N", "N ≤ 64")
    with pytest.raises(InputError, match="IndexError: index 64 is out of range for 64 rows"):
        _model("net.py:Lines", input="1,65,16;65,65")
    fit = vpcalc.memory("net.py:Lines", input="1,10,16;10,10", fit="1MB", solve="batch", check=False).fitted
    assert fit is not None
    assert fit.answer > 100


def test_vectors_are_drawn(tmp_path: Path) -> None:
    vpcalc.draw("net.py:Net", input=224).save(tmp_path / "net.png")
    assert (tmp_path / "net.png").stat().st_size > 1000


@pytest.mark.slow
def test_a_program_that_ends_itself_is_one_line(vpcalc: Any) -> None:
    for command in (("model", "net.py:Ending", "--input", "1,4"), ("formula", "net.py:Ending", "--input", "1,N")):
        done = vpcalc(*command)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "SystemExit" in done.stderr
