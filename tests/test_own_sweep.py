"""Modules of a reader's own, swept as they stand in rows of a comparison."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy
import pytest
from typer.testing import CliRunner

import vpcalc
from vpcalc import InputError
from vpcalc.algebra.polynomial import symbol
from vpcalc.arrays.regimes import DiffersError, Found, Regimes
from vpcalc.cli.app import application
from vpcalc.placing import read_placed
from vpcalc.sweeps.subjects import OurModel
from vpcalc.testing import assert_cost

from .test_own_rows import SOURCE

GRID = {"h": [3, 7, 8, 14, 20], "w": [7, 9, 15, 16], "C": [12, 32, 64, 65]}
OTHERS = {"M": [2, 7], "heads": [1, 4], "a": [1, 4], "k": [3, 4], "R": [2, 3]}
"""Sizes on and off the lattice of windows, reductions and heads."""

COLUMNS = ("macs", "params", "activations", "saved_bytes", "peak_bytes", "backward_macs")


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)


def _derived(row: str, at: Mapping[str, int]) -> dict[str, str] | None:
    """What derive counts of a row at one size; None where the module refuses it."""
    read = read_placed(row)
    shape = ",".join(
        str(at["h"] * at["w"]) if side == "hw" else str(at.get(side, side)) for side in read.layout.split(",")
    )
    arguments = {name: at.get(str(value), value) for name, value in read.arguments.items()}
    try:
        found = vpcalc.derive(read.target, input=shape, args=arguments).to_dict()
    except InputError:
        return None
    return {name: found[name]["text"] for name in COLUMNS if name in found}


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ("own.py:Along(dim=C)@1,hw,C", ("macs", "params", "activations")),
        ("own.py:Full(dim=C,heads=heads)@1,hw,C", COLUMNS),
        ("own.py:Windowed(dim=C,window=M,heads=a)@1,h,w,C", COLUMNS),
        ("own.py:Unpadded(dim=C,window=M,heads=a)@1,h,w,C", COLUMNS),
        ("own.py:Depthwise(dim=C,k=k)@1,C,h,w", COLUMNS),
        ("own.py:Halo(dim=C,window=M,heads=a)@1,h,w,C", COLUMNS),
        ("own.py:Both(dim=C,heads=heads,window=M,stride=R)@1,h,w,C", COLUMNS),
        ("own.py:Halved(dim=C)", COLUMNS),
        ("own.py:small(dim=C)@1,hw,C", COLUMNS),
        ("own.py:inner(dim=C)@1,hw,C", COLUMNS),
    ],
)
def test_every_configuration_is_what_derive_counts_there(row: str, columns: tuple[str, ...]) -> None:
    """Windows that pad or refuse, heads that do not divide, a decision on the width, numbers that torch wants."""
    vary = {**GRID, **{name: OTHERS[str(name)] for name in read_placed(row).arguments.values() if name in OTHERS}}
    sweep = vpcalc.sweep(row, vary=vary, columns=columns)
    rows = {tuple(each[name] for name in vary): each for each in sweep.records()}
    every = list(product(*vary.values()))
    assert len(rows) + sweep.counts.left.total() == len(every)
    for at in random.Random(row).sample(every, 5):
        expected = _derived(row, dict(zip(vary, at, strict=True)))
        assert (expected is None) == (at not in rows)
        if expected is not None:
            found = {name: str(rows[at][name]) for name in columns if name in expected}
            assert found == {name: expected[name] for name in found}
            assert {*found} >= {"macs", "params"}


def test_what_only_fvcore_prices_is_counted_by_model_too(tmp_path: Path) -> None:
    """A function that the outermost module calls, without a product or a weight of its own."""
    (tmp_path / "pooled.py").write_text(
        "from torch import nn\nclass Pooled(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.fc = nn.Linear(12, 5)\n    def forward(self, x):\n        "
        "return self.fc(nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))\n"
    )
    alone = vpcalc.model("pooled.py:Pooled", input="1,3,7,4").to_dict()
    assert alone["fvcore"] == alone["macs"] + 3 * 7 * 4 == sum(alone["operators"].values())
    (row,) = vpcalc.sweep("pooled.py:Pooled@1,3,h,4", vary={"h": [7]}, columns="fvcore").records()
    assert row["fvcore"] == alone["fvcore"]


DROPPED = """
from torch import nn
from own import Full
class Dropped(nn.Sequential):
    def __init__(self, dim, p=0.1):
        super().__init__(Full(dim, 2), nn.Dropout(p), nn.ReLU(), nn.Linear(dim, dim))
        self[3].weight.requires_grad_(False)
        self.register_buffer("scale", self[3].weight.new_zeros(dim))
"""


@pytest.mark.quick(1)
@pytest.mark.parametrize("how", [{}, {"dtype": "bfloat16", "optimizer": "momentum"}, {"amp": "float16"}])
def test_every_column_of_a_model_is_one_of_a_module(tmp_path: Path, how: Mapping[str, str]) -> None:
    """In train mode for what is of training, as memory has it: dropout keeps its mask."""
    (tmp_path / "dropped.py").write_text(DROPPED)
    ours = {*OurModel.columns.fget(None)} - {"cache_bytes", "bound_ns", "step_peak_bytes"}  # type: ignore[attr-defined]
    vary = {"N": range(3, 99, 2), "C": [8, 24]}
    rows = list(vpcalc.sweep("dropped.py:Dropped(dim=C)@2,N,C", vary=vary, columns=tuple(ours), **how).records())
    assert len(rows) == 96
    for row in rows[::40]:
        size = {"input": f"2,{row['N']},{row['C']}", "args": {"dim": row["C"]}}
        found = vpcalc.model("dropped.py:Dropped", **size).to_dict()
        for train in (False, True):
            there = vpcalc.memory("dropped.py:Dropped", **size, **how, train=train)
            assert there.ok
            found |= {name: value for name, value in there.to_dict().items() if value is not None}
        assert {name: found[name] for name in ours} == {name: row[name] for name in ours}


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("attention", "fused", "code decides that itself"), ("optimizer", "adafactor", "vpcalc memory knows all")],
)
def test_what_a_sweep_of_code_cannot_have_is_refused(option: str, value: str, said: str) -> None:
    with pytest.raises(InputError, match=f"--{option} {value}: .*{said}"):
        vpcalc.sweep("own.py:Full(dim=C)", vary={"h": [2]}, set={"w": 1, "C": 8}, **{option: value})


def test_what_autocast_does_within_a_function_is_told(tmp_path: Path) -> None:
    (tmp_path / "recurrent.py").write_text("from torch import nn\ndef make(): return nn.LSTM(4, 8)\n")
    said = "@N,2,4: cannot be executed on symbols: what autocast casts within lstm is not followed"
    with pytest.raises(InputError, match=said):
        list(vpcalc.sweep("recurrent.py:make@N,2,4", vary={"N": [1, 2]}, amp="fp16").records())


ROW = "own.py:Windowed(dim=C,window=M,heads=heads)@1,h,w,C"


def test_conditions_and_choices_speak_of_its_names() -> None:
    vary: dict[str, Any] = {"h": "7:21:7", "heads": "2:4", "C": "32:96:32"}
    settings = {"w": 14, "M": 7}
    rows = list(vpcalc.sweep(ROW, vary=vary, set=settings).records())
    assert [row for row in rows if row["heads"] * 32 == row["C"]] == list(
        vpcalc.sweep(ROW, vary=vary, set=settings, where="heads*32 == C").records()
    )
    least = sorted(rows, key=lambda row: row["macs"])[:2]
    assert [row["macs"] for row in least] == [
        row["macs"] for row in vpcalc.sweep(ROW, vary=vary, set=settings, top=2, by="macs").records()
    ]
    front = list(vpcalc.sweep(ROW, vary=vary, set=settings, pareto="macs,-h").records())
    assert {row["h"] for row in front} == {7, 14, 21}
    assert all(row["C"] == 32 for row in front)


def test_it_may_be_an_object_of_python_and_a_batch() -> None:
    from torch import nn

    row = vpcalc.placed(nn.Linear, "1,h,w,C", in_features="C", out_features=10)
    (one,) = vpcalc.sweep(row, vary={"h": [3]}, set={"w": 5, "C": 7}).records()
    assert (one["macs"], one["params"]) == (3 * 5 * 7 * 10, 7 * 10 + 10)
    (four,) = vpcalc.sweep(row, vary={"h": [3]}, set={"w": 5, "C": 7}, batch=4).records()
    assert (four["macs"], four["params"]) == (4 * one["macs"], one["params"])


def test_brackets_are_arguments_and_settings_wherever_they_stand() -> None:
    vary, others = {"N": [49, 98]}, {"C": 96, "heads": 3}
    placed = vpcalc.sweep("own.py:Full(dim=C,heads=heads)", input="1,N,C", vary=vary, set=others)
    plain = vpcalc.sweep(
        "own.py:Full", input="1,N,C", args={"dim": "C", "heads": "a"}, vary=vary, set={"C": 96, "a": 3}
    )
    assert list(placed.records()) == list(plain.records())
    ours = vpcalc.sweep("swin_t(C=48,depths=2,2,18,2)", vary={"input": [224, 256]})
    assert list(ours.records()) == list(
        vpcalc.sweep("swin_t", set={"C": 48, "depths": "2,2,18,2"}, vary={"input": [224, 256]}).records()
    )


def test_the_command_line_takes_it_and_goes_on_elsewhere(tmp_path: Path) -> None:
    given = ["sweep", ROW, "--vary=h=7:28", "--vary=heads=2,4", "--set=w=30", "--set=C=32", "--set=M=7"]
    done = CliRunner().invoke(application(), [*given, "--format", "json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert [(row["h"], row["heads"]) for row in rows] == [*product(range(7, 29), (2, 4))]
    file = tmp_path / "costs.csv"
    done = CliRunner().invoke(application(), [*given, "-o", str(file), "--backend", "processes", "--jobs", "1"])
    assert done.exit_code == 0, done.output
    lines = file.read_text().splitlines()
    assert lines[0] == "h,heads,macs,params"
    assert lines[1:] == [",".join(str(row[name]) for name in ("h", "heads", "macs", "params")) for row in rows]
    again = CliRunner().invoke(application(), [*given, "-o", str(file), "--resume", "--force"])
    assert again.exit_code == 0, again.output
    assert file.read_text().splitlines() == lines


def test_a_folder_may_have_the_signs_of_rows_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "me@home (1)"
    folder.mkdir()
    (folder / "own.py").write_text(SOURCE)
    for target in (f"{folder}/own.py:Full(dim=C,heads=2)@1,N,C", "own.py:Full(dim=C,heads=2)@1,N,C"):
        (row,) = vpcalc.sweep(target, vary={"N": [3]}, set={"C": 4}).records()
        assert row["macs"] == 4 * 3 * 4**2 + 2 * 3**2 * 4
    assert vpcalc.formula(f"{folder}/own.py:Full", input="1,N,C", args={"dim": "C"}).form.text == "4NC² + 2N²C"


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        (
            "dim=8,16",
            "name 'dim' is not known; an argument of the factory is varied by a letter: --arg dim=C --vary C=8,16",
        ),
        ("dmi=8,16", "argument of own.py:Full 'dmi' is not known; did you mean dim? Known: dim, heads"),
        ("batch=1:4", "name 'batch' is not known; give 1,9,8 a letter for it: --input B,3,H,W or B,N,C"),
    ],
)
def test_what_has_no_letter_is_told_how_to_have_one(vary: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        vpcalc.sweep("own.py:Full", vary=[vary], input="1,9,8", args={"dim": 8})
    assert str(refused.value) == f"--vary: {said}"


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("ask", "name", "field"),
    [
        (vpcalc.derive, "args", "macs"),
        (vpcalc.formula, "args", "form"),
        (vpcalc.model, "args", "formula"),
        (vpcalc.memory, "args", "total_bytes"),
        (vpcalc.figure, "args", "value"),
        (vpcalc.draw, "args", "data"),
        (vpcalc.plot_stages, "args", "data"),
        (vpcalc.plot_roofline, "args", "data"),
        (vpcalc.page, "args", "forms"),
        (partial(vpcalc.check_formula, "4NC² + 2N²C"), "args", "derived"),
        (partial(vpcalc.audit, counters=["fvcore"]), "set", "exact"),
    ],
)
def test_brackets_and_a_shape_are_options_in_every_command(ask: Any, name: str, field: str) -> None:
    """Where a command takes letters they are the grid's: heads is a, and hw a product."""
    in_letters = ask in (vpcalc.derive, vpcalc.formula, vpcalc.page) or field == "derived"
    dim, heads, tokens, shape = ("C", "heads", "hw", "1,h*w,C") if in_letters else ("8", "2", "6", "1,6,8")
    more = {"device": "a100_80gb"} if ask is vpcalc.plot_roofline else {}
    target = f"own.py:Full(dim={dim},heads={heads})@1,{tokens},{dim}"
    given = {name: {"dim": dim, "heads": "a" if in_letters else "2"}, "input": shape, **more}
    told = ask(target, **more).to_dict()
    assert told[field] == ask("own.py:Full", **given).to_dict()[field]
    assert told[field]
    for option, both in {"input": {"input": shape}, "arg": {name: {"dim": 3}}}.items():
        with pytest.raises(InputError, match=f"--(set|{option})( dim)?: .*(stands|in the brackets)"):
            ask(target, **more, **both)


def test_several_targets_have_brackets_of_their_own() -> None:
    two, four = (f"own.py:Full(dim={dim},heads=2)" for dim in (2, 4))
    macs = vpcalc.diff(f"{two}@1,N,2", f"{four}@1,N,4").to_dict()["macs"]
    assert [macs[side]["text"] for side in ("base", "head")] == ["4N² + 16N", "8N² + 64N"]
    beside = vpcalc.side_by_side([f"{two}@1,9,2", f"{four}@1,9,4"]).to_dict()
    assert [each["macs"] for each in beside["models"]] == [16 * 9 + 4 * 81, 64 * 9 + 8 * 81]
    wide, narrow = "swin_t", "swin_t(C=48)"
    found = vpcalc.plot_resolution([wide, narrow], low=64, high=128, step=64).to_dict()["data"]
    for name, settings in ((wide, {}), (narrow, {"C": 48})):
        macs = vpcalc.model("swin_t", input=128, set=settings, check=False).to_dict()["macs"]
        assert {"series": name, "side": 128, "macs": macs} in found
    bars = vpcalc.plot_operators([wide, narrow], input=64).to_dict()
    assert bars["inputs"]["models"] == [wide, narrow]


def test_a_test_of_cost_may_name_its_target() -> None:
    for target, shape in (("own.py:Full(dim=4,heads=2)@1,9,4", None), ("own.py:Full(dim=4,heads=2)", "1,9,4")):
        assert assert_cost(target, shape, macs=64 * 9 + 8 * 81).macs
    with pytest.raises(InputError, match="is a name; give its inputs as a shape"):
        assert_cost("own.py:Full(dim=4)", macs=3)


def test_a_shape_behind_a_model_of_ours_is_refused() -> None:
    with pytest.raises(InputError, match="a shape behind @ is of code; swin_t has options for its size"):
        vpcalc.model("swin_t(C=48)@224")
    with pytest.raises(InputError, match="all dimensions of msa are symbols here; vpcalc figure takes numbers"):
        vpcalc.formula("msa(h=3)")


@pytest.mark.parametrize(
    ("target", "more", "said"),
    [
        (
            "own.py:Windowed(dim=C)@1,h,w,C",
            {},
            "sweep own.py:Windowed(dim=C)@1,h,w,C: window and heads are not bound",
        ),
        ("own.py:Full(dim=C)@1,foo,C", {}, "'foo' is no symbol; must be a letter such as C, heads or hw"),
        ("own.py:Full(dim=C", {}, "must be TARGET(NAME=VALUE,…)@SHAPE"),
        (
            "own.py:Full(dims=C)",
            {},
            "sweep own.py:Full(dims=C): argument of Full 'dims' is not known; did you mean dim?",
        ),
        ("own.py:Full(dim=C/2)", {}, "C/2 is no product of symbols such as 4*C; give its number"),
        ("own.py:Full(dim=C)", {}, "has letters without a value: --vary w=VALUES --vary C=VALUES, or --set"),
        ("own.py:Full(dim=C)@1,hw,C", {"input": "1,N,C"}, "stands behind @; take one of the two away"),
        ("own.py:Full(dim=C)", {"args": {"dim": 3}}, "--arg dim: stands in the brackets of"),
        ("own.py:Full(dim=C)@B,hw,C", {"batch": 3}, "--batch 3: the shape B,hw,C has its batch in it"),
        ("own.py:Full", {}, "--input: give the shape of own.py:Full's input"),
        ("gone.py:Full", {}, "TARGET: no file 'gone.py'"),
        ("wmsa@1,hw,C", {}, "sweep wmsa@1,hw,C: wmsa is no code"),
        ("wmsa(M=7)", {"set": {"M": 8}}, "--set M: stands in the brackets of wmsa(M=7), too"),
    ],
)
def test_a_target_that_cannot_be_swept_is_refused_in_one_line(target: str, more: Any, said: str) -> None:
    with pytest.raises(InputError) as refused:
        vpcalc.sweep(target, vary={"h": [7]}, **more)
    assert said in str(refused.value).removeprefix("vpcalc: ")
    assert "\n" not in str(refused.value)


def test_a_document_sweeps_it_only_where_it_is_trusted(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    sweep = f"sweep '{ROW}' --vary h=7:21:7 --set w=14 --set C=32 --set M=7 --set heads=2 --format markdown"
    page.write_text(f"<!-- vpcalc: {sweep} -->\n<!-- /vpcalc -->\n")
    with pytest.raises(InputError, match="runs no code but vpcalc's own"):
        vpcalc.embed(page)
    vpcalc.embed(page, trust=True)
    assert "| 21 |" in page.read_text()
    (tmp_path / "odd.md").write_text(
        "<!-- vpcalc: sweep 'timm:vit_tiny_patch16_224(checkpoint_path=x)@1,3,h,w' --vary h=7 -->\n"
        "<!-- /vpcalc -->\n"
    )
    with pytest.raises(InputError, match="checkpoint_path"):
        vpcalc.embed(tmp_path / "odd.md")


class _Alike:
    """8y, of which a run at x = 8 says xy; or more than its form, at every size but one."""

    def __init__(self, wrong: bool) -> None:
        self.wrong = wrong

    def at(self, point: Mapping[str, int]) -> Found:
        y = symbol("y")
        return Found((), {"bytes": (y * symbol("x") if point["x"] == 8 else 8 * y,)})

    def count(self, point: Mapping[str, int]) -> dict[str, int]:
        return {"bytes": 8 * point["y"] + (self.wrong and point["x"] != 8)}


@pytest.mark.parametrize("wrong", [False, True])
def test_a_form_that_holds_by_chance_gives_way_to_one_that_is_counted(wrong: bool) -> None:
    regimes = Regimes(_Alike(wrong), {"x": (8, 200), "y": (1, 9)})
    sizes = {"x": numpy.arange(8, 200)[:, None], "y": numpy.arange(1, 9)[None]}
    if wrong:
        with pytest.raises(DiffersError):
            list(regimes.parts(sizes))
        return
    ((regime, part),) = regimes.parts(sizes)
    found = numpy.broadcast_to(regime.evaluated(part.sizes)["bytes"], part.shape)
    assert (found == 8 * sizes["y"]).all()
    assert regimes.confirmed == 2


HEADS = """
from torch import nn


class Attend(nn.Module):
    def __init__(self, dim, heads=8):
        super().__init__()
        self.heads, self.q, self.few = heads, nn.Linear(dim, dim), nn.Conv1d(dim, dim, 4, 4)

    def forward(self, x):
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        few = split(self.few(x.mT).mT)
        return nn.functional.scaled_dot_product_attention(split(self.q(x)), few, few)


class Projected(Attend):
    def __init__(self, dim):
        super().__init__(dim)
        self.kv = nn.Linear(dim, 2 * dim)

    def forward(self, x):
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = map(split, self.kv(self.few(x.mT).mT).chunk(2, -1))
        return nn.functional.scaled_dot_product_attention(split(self.q(x)), k, v)
"""


@pytest.mark.parametrize(("name", "dim"), [("Attend", 64), ("Projected", 64), ("Projected", 128)])
def test_a_size_that_is_a_number_by_chance_has_the_form_of_others(tmp_path: Path, name: str, dim: int) -> None:
    """At N = 32 there are 8 keys, 8 heads and, of a width of 64, as many channels of each."""
    (tmp_path / "heads.py").write_text(HEADS)
    row, given = f"heads.py:{name}(dim={dim})@1,N,{dim}", {"args": {"dim": dim}, "train": True}
    rows = list(vpcalc.sweep(row, vary={"N": "32:64:4"}, columns="saved_bytes").records())
    for size in (32, 64):
        there = vpcalc.memory(f"heads.py:{name}", input=f"1,{size},{dim}", **given)
        assert there.ok
        for each in rows:
            assert there.forms["saved_bytes"].gives(each["saved_bytes"], {"N": each["N"]})


@pytest.mark.parametrize("row", ["own.py:Depthwise(dim=8)@1,C,h,w", "own.py:Full(dim=C,heads=2)@1,hw,C"])
def test_a_size_that_stays_may_be_one_of_the_input_alone(row: str) -> None:
    stays = {"C": 8, "w": 9}
    for found in vpcalc.sweep(row, vary={"h": [5, 6]}, set=stays, columns=("macs", "params")).records():
        assert _derived(row, {**stays, "h": found["h"]})["macs"] == str(found["macs"])  # type: ignore[index]
