"""Sweeps: every row is what a call of its own gives, and nothing is lost, wrapped or left half written."""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any

import numpy
import pytest

import vpcalc
from vpcalc.algebra.floors import ceil_div, floor_div
from vpcalc.algebra.polynomial import Polynomial, constant, symbols
from vpcalc.architectures import ARCHITECTURES
from vpcalc.arrays import Compiled, Most
from vpcalc.arrays.forms import prepared
from vpcalc.cost import Quantity
from vpcalc.layers import LAYERS
from vpcalc.sweeps.axes import Axis, Grid
from vpcalc.where import read_condition
from vpcalc.where_arrays import holds

from .pace import mostly_slow

COUNTED = ("macs", "params", "fvcore", "activations", "flops")


def rows_of(sweep: Any) -> list[dict[str, Any]]:
    return list(sweep.records())


def values_of(text: str) -> list[Any]:
    """What a test's own axis stands for, read in the plainest way."""
    if ";" in text:
        return [tuple(map(int, each.split(","))) for each in text.split(";")]
    found: list[Any] = []
    for piece in text.split(","):
        if ":" in piece:
            first, last, step = [*map(int, piece.split(":")), 1][:3]
            found += range(first, last + 1, step)
        else:
            found.append(int(piece) if piece.isdecimal() else piece)
    return found


def alone(target: str, set: Mapping[str, Any], config: Mapping[str, Any], memory: bool = False) -> dict[str, Any]:
    """One configuration by a call of its own; an InputError where it is refused."""
    architecture = ARCHITECTURES[target]
    axes, changed = architecture.family.axes, dict(set)
    sizes = axes.point(architecture.sizes)
    batch = config.get("batch", 1)
    for name, value in config.items():
        whole_name, _, place = name.rpartition("_")
        if name in axes:
            sizes[name] = value
        elif name == axes.equal:
            sizes = dict.fromkeys(sizes, value)
        elif name in architecture.settings:
            changed[name] = value
        elif name != "batch":
            entries = list(changed.get(whole_name, architecture.config[whole_name]))
            entries[int(place) - 1] = value
            changed[whole_name] = tuple(entries)
    given = dict(
        zip(axes.options, sizes.values() if len(axes.options) > 1 else [tuple(sizes.values())], strict=True)
    )
    if len(sizes) == 1:
        given = {axes.options[0]: next(iter(sizes.values()))}
    ask = partial(vpcalc.memory, train=True) if memory else vpcalc.model
    found: dict[str, Any] = ask(target, **given, set=changed, batch=batch, check=False).to_dict()  # type: ignore[operator]
    return found


MODELS: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "swin": ("swin_t", {"H": "33:300:7", "W": "224,225,97", "C": "47:54,96", "M": "4:9", "r": "1,4"}, {}),
    "swin heads": ("swin_t", {"C": "32:96:8", "heads": "2,4,8,16;4,4,8,8", "depths_3": "1,6", "batch": "1:3"}, {}),
    "swin entry": ("swin_s", {"heads_2": "1:8", "C": "48,96", "input": "224,231"}, {}),
    "depths behind": ("swin_t", {"C": "95,96", "depths_2": "1:3", "heads_1": "2,3"}, {}),
    "heads alone": ("vit_ti_16", {"heads": "1:13"}, {}),
    "entries alone": ("pvt_tiny", {"heads_2": "1:9", "R_3": "1:5"}, {}),
    "vit": (
        "vit_ti_16",
        {"input": "100:300:9", "P": "7:20", "heads": "2,3", "C": "30,64,96", "depth": "1,12"},
        {},
    ),
    "deit": ("deit_t", {"H": "16:40", "C": "191:194"}, {"P": 8}),
    "pvt": ("pvt_tiny", {"H": "60:260:11", "W": "224", "C_2": "63:66", "heads_2": "1:3", "R_1": "4,7,8"}, {}),
    "pvt_v2": ("pvt_v2_b0", {"input": "33:300:13", "R_1": "3,8", "linear": "true,false", "P": "5,7"}, {}),
    "resnet": ("resnet18", {"H": "20:90", "C": "16:64:16", "depths": "2,2,2,2;1,2,3,1", "classes": "0,10"}, {}),
    "vgg": ("vgg11", {"H": "40:80:3", "W": "33,64", "C": "8:24:8", "norm": "true,false"}, {}),
    "convnext": ("convnext_t", {"H": "32:90:5", "k": "3:8", "P": "2:5", "C": "16:18"}, {}),
    "exfuse": ("exfuse_resnet50", {"H": "64:200:17", "k": "7,15", "classes": "1:21:5"}, {"C": 16}),
    "semantic_fpn": ("semantic_fpn", {"H": "64:200:17", "backbone": "swin_t,pvt_tiny,resnet18", "C": "8,16"}, {}),
    "upernet": (
        "upernet",
        {"H": "64:200:40", "backbone": "swin_t,resnet18", "auxiliary": "true,false"},
        {"C": 16},
    ),
    "retinanet": ("retinanet", {"H": "64:200:17", "depth": "1:3", "anchors": "3,9", "classes": "1,80"}, {"C": 16}),
    "mask_rcnn": (
        "mask_rcnn",
        {"H": "64:200:40", "proposals": "1,300", "convs": "0,2", "stages": "1:3", "backbone": "swin_t,resnet18"},
        {"C": 16, "hidden": 8},
    ),
    "transformer": ("transformer_base", {"S": "1:50:7", "T": "9,20", "N": "1:3", "h": "2:8", "d_k": "16,64"}, {}),
    "t5": ("t5_small", {"tokens": "5,64", "part": "both,encoder,decoder", "layers": "1,6", "d_kv": "8,64"}, {}),
    "retnet": (
        "retnet_1_3b",
        {"N": "1:64:9", "form": "parallel,recurrent,chunkwise", "heads": "3,8"},
        {"layers": 2},
    ),
    "rnn": ("lstm", {"T": "1:9", "d": "1:5", "n": "1:6:2", "layers": "1:3", "bidirectional": "true,false"}, {}),
}


@pytest.mark.quick(4)
@pytest.mark.parametrize("case", MODELS)
def test_rows_are_what_calls_one_by_one_give(case: str) -> None:
    target, vary, set = MODELS[case]
    sweep = vpcalc.sweep(target, vary=vary, set=set, columns=COUNTED)
    _agree(sweep, vary, lambda config: alone(target, set, config), COUNTED, draws=24)


def _agree(sweep: Any, vary: Mapping[str, str], ask: Any, columns: Iterable[str], draws: int) -> None:
    """Random configurations of a sweep against calls; none is missing and none is there that is refused."""
    values = {name: values_of(text) for name, text in vary.items()}
    rows = {tuple(_plain(row[name]) for name in vary): row for row in rows_of(sweep)}
    total = prod(map(len, values.values()))
    assert len(rows) == sweep.counts.kept
    assert len(rows) + sum(sweep.counts.left.values()) == total == sweep.counts.configurations
    dice, seen = random.Random(repr(sorted(vary))), 0
    for _ in range(draws):
        config = {name: dice.choice(each) for name, each in values.items()}
        row = rows.get(tuple(config.values()))
        try:
            found = ask(config)
        except vpcalc.InputError:
            assert row is None, config
            continue
        assert row is not None, config
        assert {name: row[name] for name in columns} == {name: found[name] for name in columns}, config
        seen += 1
    assert seen


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else str(value).lower() if isinstance(value, bool) else value


def test_autocast_is_of_no_layer() -> None:
    with pytest.raises(vpcalc.InputError, match="--amp bfloat16: is of models and of code; msa is a layer"):
        vpcalc.sweep("msa", vary={"C": "32,64"}, amp="bf16")


BYTES = (
    "saved_bytes",
    "peak_bytes",
    "forward_peak_bytes",
    "inference_bytes",
    "training_bytes",
    "buffers_bytes",
    "step_peak_bytes",
)

IN_BYTES = {
    "swin": ("swin_t", {"H": "56,60,61", "C": "31,32,60", "batch": "1:3"}, {"depths": "1,2", "heads": "2,4"}),
    "vit": ("vit_ti_16", {"input": "16:70:9", "C": "1:7", "heads": "1:3", "batch": "1,2"}, {"depth": 2}),
    "pvt": ("pvt_tiny", {"H": "64,65,97", "R_1": "7,8", "C_1": "62:64", "batch": "1,2"}, {"depths": "1,1,1,1"}),
    "pooled to one": ("vgg11_bn", {"P": "1:3", "hidden": "1,33"}, {"C": 8}),
    "lstm": ("lstm", {"T": "1:3", "n": "1:4", "d": "1,8", "batch": "1:3"}, {}),
    "transformer": ("transformer_base", {"S": "1:7", "T": "1,6", "d_k": "1,3", "batch": "1,2"}, {"N": 1}),
}


@pytest.mark.parametrize("case", mostly_slow(IN_BYTES, quick=["vit", "pooled to one"]))
def test_bytes_are_what_calls_one_by_one_give(case: str) -> None:
    target, vary, set = IN_BYTES[case]
    sweep = vpcalc.sweep(target, vary=vary, set=set, columns=BYTES)
    _agree(sweep, vary, lambda config: alone(target, set, config, memory=True), BYTES, draws=8)


def test_autocast_takes_what_a_call_alone_says() -> None:
    vary = {"input": "64,97", "batch": "1,3"}
    for row in rows_of(vpcalc.sweep("resnet18", vary=vary, columns=("training_bytes", "peak_bytes"), amp="fp16")):
        at = {name: row[name] for name in vary}
        found = vpcalc.memory("resnet18", train=True, amp="float16", check=False, **at).to_dict()
        assert (row["training_bytes"], row["peak_bytes"]) == (found["training_bytes"], found["peak_bytes"])


@pytest.mark.parametrize("optimizer", ["lion", "adafactor", "adamw8bit"])
def test_an_optimizer_keeps_what_a_call_alone_says(optimizer: str) -> None:
    """Around 64² = 4096 numbers, from which on 8 bits are kept."""
    columns = ("optimizer_bytes", "training_bytes")
    small = {"depth": 1, "heads": 1}
    sweep = vpcalc.sweep("vit_ti_16", vary={"C": "62:66"}, set=small, columns=columns, optimizer=optimizer)
    for row in rows_of(sweep):
        alone_ = vpcalc.memory(
            "vit_ti_16", train=True, set={**small, "C": row["C"]}, optimizer=optimizer, check=False
        )
        found = alone_.to_dict()
        assert row["optimizer_bytes"] == found["optimizer_bytes"]
        assert row["training_bytes"] == found["total_bytes"]


@pytest.mark.parametrize("id", sorted(LAYERS))
def test_layers_are_what_they_build(id: str) -> None:
    """At random dimensions, far apart: a form that holds at some sizes only would show."""
    dice = random.Random(id)
    dims = LAYERS[id].dims
    vary = {name: sorted(dice.sample(range(1, 40), 4)) for name in dims[:4]}
    set = {name: dice.choice((2, 4, 6)) for name in dims[4:]}
    sweep = vpcalc.sweep(id, vary=vary, set=set, columns=COUNTED)
    rows = {tuple(row[name] for name in vary): row for row in rows_of(sweep)}
    for config in product(*vary.values()):
        try:
            cost = LAYERS[id].build(**dict(zip(vary, config, strict=True)), **set)
        except vpcalc.InputError:
            assert config not in rows
            continue
        row = rows.pop(config)
        assert {n: row[n] for n in COUNTED} == {n: int(cost.total(Quantity(n))) for n in COUNTED}, config
    assert not rows


def test_a_layer_is_what_compare_gives() -> None:
    sweep = vpcalc.sweep("wmsa", vary={"h": "5:60:11", "w": "7,56", "C": "32,96", "M": "7,8"}, set={"heads": 4})
    for row in random.Random(1).sample(rows_of(sweep), 8):
        dims = {name: row[name] for name in ("h", "w", "C", "M")}
        (alone_,) = vpcalc.compare(**dims, heads=4, rows=["wmsa"], check=False).to_dict()["rows"]
        assert (row["macs"], row["params"]) == (alone_["macs"], alone_["params"])


def test_a_form_is_what_formula_evaluates() -> None:
    form = vpcalc.formula("swin_t").form.polynomial
    for row in rows_of(vpcalc.sweep("swin_t", vary={"H": "224:1120:224", "W": "448,896"}, columns="macs")):
        assert row["macs"] == form.at({"H": row["H"], "W": row["W"]})


OWN = """
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, width, 3, stride=2), nn.Linear(width, 10)

    def forward(self, x):
        x = self.one(x)
        if x.shape[-1] > 20:
            x = nn.functional.avg_pool2d(x, 2)
        return self.two(x.mean((2, 3)))
"""


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param(("macs", "params", "activations"), marks=pytest.mark.slow),
        pytest.param(("macs", "saved_bytes", "peak_bytes"), marks=pytest.mark.slow),
    ],
)
def test_a_module_of_ones_own(columns: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(OWN)
    sweep = vpcalc.sweep(
        f"{file}:Net",
        vary={"H": "1:60:3", "W": "30:60:7", "C": [4, 9]},
        input="B,3,H,W",
        args={"width": "C"},
        set={"B": 2},
        columns=columns,
    )
    rows = {(row["H"], row["W"], row["C"]): row for row in rows_of(sweep)}
    refused = {(1, W) for W in range(30, 61, 7)} | {(4, W) for W in (44, 51, 58)}  # kernel, then pooling
    assert {*product(range(1, 61, 3), range(30, 61, 7), (4, 9))} - {*rows} == {
        (H, W, C) for H, W in refused for C in (4, 9)
    }
    for H, W, C in random.Random(2).sample(sorted(rows), 4):
        found = vpcalc.model(f"{file}:Net", input=f"2,3,{H},{W}", args={"width": C}, check=False).to_dict()
        if "saved_bytes" in columns:
            found |= vpcalc.memory(f"{file}:Net", input=f"2,3,{H},{W}", args={"width": C}, check=False).to_dict()
        assert {n: rows[H, W, C][n] for n in columns} == {n: found[n] for n in columns}


# -- arrays -------------------------------------------------------------------------------------------------


def _form(dice: random.Random) -> Polynomial:
    letters = symbols("H W C M")
    found = constant(dice.randint(-5, 5))
    for _ in range(dice.randint(1, 6)):
        term = constant(dice.choice((-7, -1, 1, 3, 10)))
        for _ in range(dice.randint(1, 4)):
            letter = dice.choice(letters)
            by = dice.choice((2, 3, 7, letters[3], letters[2] * 2))
            rounded = floor_div(letter + dice.randint(-9, 9), by), ceil_div(letter, by)
            term *= dice.choice((letter, letter, *rounded))
        found += term
    return found


@pytest.mark.parametrize("top", [40, 10**6])
def test_compiled_forms_are_what_they_are_at_each_point(top: int) -> None:
    """Random forms on random axes, where 64 bits are enough and where they are not."""
    dice = random.Random(top)
    for _ in range(120):
        form = _form(dice)
        names = sorted(form.letters) or ["H"]
        axes = [dice.randrange(3) for _ in names]
        sizes, point_of = {}, {}
        lengths = [dice.randint(1, 4) for _ in range(3)]
        for name, axis in zip(names, axes, strict=True):
            values = [dice.randint(1, top) for _ in range(lengths[axis])]
            sizes[name] = numpy.array(values).reshape([-1 if at == axis else 1 for at in range(3)])
            point_of[name] = (axis, values)
        found = numpy.broadcast_to(Compiled(form).at(sizes), lengths)
        for at in product(*map(range, lengths)):
            point = {name: values[at[axis]] for name, (axis, values) in point_of.items()}
            assert int(found[at]) == form.at(point), (form, point)


def test_what_may_pass_64_bits_goes_through_pythons_integers() -> None:
    h, w, C = symbols("h w C")
    form = 4 * h * w * C**2 + 2 * (h * w) ** 2 * C - 3 * h**2 * w**2 * C
    ends = numpy.array([10**6]).reshape(1, 1), numpy.array([3, 10**6]).reshape(-1, 1)
    found = Compiled(form).at({"h": ends[0], "w": ends[1], "C": ends[0]})
    assert found.dtype == object
    assert [*found.flat] == [form.at({"h": 10**6, "w": w, "C": 10**6}) for w in (3, 10**6)]
    small = numpy.array([[900]])
    assert Compiled(form).at({"h": small, "w": small, "C": small}).dtype == numpy.int64
    values = prepared([Compiled(form)], {"h": ends[0], "w": ends[0], "C": ends[0]})
    assert Most([Compiled(form), Compiled(-form)]).value(values).max() == abs(form.at(dict.fromkeys("hwC", 10**6)))


def test_bounds_hold_between_and_not_only_at_the_ends() -> None:
    """x² − 10¹⁸x is small at both ends of 1 … 10¹⁸ and wraps in the middle."""
    (x,) = symbols("x")
    form = x * x - 10**12 * x
    found = Compiled(form).at({"x": numpy.array([1, 5 * 10**11, 10**12])})
    assert [*map(int, found)] == [1 - 10**12, -25 * 10**22, 0]


def test_figures_beyond_64_bits_are_exact() -> None:
    vary = {"H": "1000,65536", "W": "65536", "C": "96,999936", "batch": "1,1000000"}
    sweep = vpcalc.sweep("swin_t", vary=vary, set={"heads": "1,2,4,8"})
    rows = rows_of(sweep)
    assert {row["macs"] > 2**63 for row in rows} == {True, False}
    assert sweep.counts.wide
    for row in rows:
        assert row["macs"] == alone("swin_t", {"heads": "1,2,4,8"}, {name: row[name] for name in vary})["macs"]
    assert [row["macs"] for row in rows] == sweep.to_pandas()["macs"].tolist()


# -- conditions and choices ---------------------------------------------------------------------------------

CONDITIONS = (
    "a < b and b*32 == c or not a != 4",
    "a/b > 3/7 or c % a == 1 and -c // b < -2",
    "a - b - c <= -(b / c) * 2.5 or a > 0.3k",
    "b == 0 or a / b >= 2",
    "c // b % 3 == 1 or (a / 7) // (b / 2) == -1 or -c % (a / 2) > 1",
    "1 < a <= b != c",
    "word == 'x' and a > 2",
    "a * a * a * a * a * a > 10 * c * 1e18",
    "truth or a == 1",
)


@pytest.mark.parametrize("text", CONDITIONS)
def test_conditions_on_arrays_are_those_of_rows(text: str) -> None:
    dice = random.Random(text)
    expression = read_condition("--where", text, ("a", "b", "c", "word", "truth"))
    a = [dice.randint(-3, 10) for _ in range(20)] + [10**7, -(10**7)]
    b, c = [dice.randint(-2, 4) for _ in range(6)], [dice.choice((-64, 32, 96, 7, 1)) for _ in range(4)]
    b = [value for value in b if value or "b ==" in text] or [1]
    a = [value for value in a if value]
    arrays: dict[str, Any] = {"a": numpy.array(a).reshape(-1, 1, 1), "b": numpy.array(b).reshape(1, -1, 1)}
    arrays |= {"c": numpy.array(c), "word": "x", "truth": False}
    found = numpy.broadcast_to(holds(expression, arrays), (len(a), len(b), len(c)))
    expected = [
        expression.holds({"a": x, "b": y, "c": z, "word": "x", "truth": False}) for x, y, z in product(a, b, c)
    ]
    assert found.reshape(-1).tolist() == expected
    assert len({*expected}) > 1


def test_a_condition_that_divides_by_0_is_refused_where_a_row_refuses_it() -> None:
    zero = {"a": numpy.array([1, 2]), "b": numpy.array([0, 1])}
    expression = read_condition("--where", "b != 0 and a / b > 1", ("a", "b"))
    assert holds(expression, zero).tolist() == [False, True]
    with pytest.raises(vpcalc.InputError, match=r'--where "a % b == 0": divided by b, which is 0'):
        holds(read_condition("--where", "a % b == 0", ("a", "b")), zero)


GRID = {"h": "7:56:7", "w": "7:63:4", "C": "32:160:32", "M": "3:9", "heads": "1,2,4,3"}


def _brute() -> list[dict[str, Any]]:
    return rows_of(vpcalc.sweep("wmsa", vary=GRID, columns="macs,params,activations"))


@pytest.mark.parametrize("keys", ["macs,-params", "macs,-h,-w", "-macs,params,activations", "activations,-C"])
def test_the_front_is_that_of_brute_force(keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpcalc.sweeps.work.ABOUT", 1000)
    rows = [row for row in _brute() if row["macs"] < 10**7 and row["heads"] * 16 == row["C"]]
    signs = [(key.strip("-"), -1 if key.startswith("-") else 1) for key in keys.split(",")]
    points = [tuple(sign * row[name] for name, sign in signs) for row in rows]
    front = [
        row
        for place, (row, point) in enumerate(zip(rows, points, strict=True))
        if not any(all(p <= q for p, q in zip(other, point, strict=True)) for other in {*points} - {point})
        and point not in points[:place]
    ]
    where = "macs < 10M and heads*16 == C"
    found = rows_of(vpcalc.sweep("wmsa", vary=GRID, where=where, pareto=keys, columns="macs,params,activations"))
    name, sign = signs[0]
    assert found == sorted(front, key=lambda row: sign * row[name])
    assert len(found) >= 2


def test_the_first_of_a_front_are_of_the_front_of_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stretches are joined now and then, and until all are there nothing is cut but what loses."""
    monkeypatch.setattr("vpcalc.sweeps.work.ABOUT", 20)
    monkeypatch.setattr("vpcalc.answers.sweep.MANY", 1)
    vary = {"w": "8", "heads": "1,2,4", "M": "7,2,4", "C": "16,32,64", "h": "4:40:3"}
    asked: dict[str, Any] = {"vary": vary, "pareto": "macs,-h"}
    front = rows_of(vpcalc.sweep("wmsa", **asked))
    assert len(front) > 3
    for more in ({}, {"output": tmp_path / "front.csv"}):
        sweep = vpcalc.sweep("wmsa", **asked, top=3, by="-params", **more)
        assert rows_of(sweep) == sorted(front, key=lambda row: -row["params"])[:3]
        assert sweep.to_dict()["cut"] == {"limit": 0, "top": len(front) - 3, "listed": 0}


def test_json_says_how_many_rows_were_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpcalc.answers.sweep.LISTED", 100)
    found = vpcalc.sweep("wmsa", vary=GRID, limit=1000, where="h % 2 == 1").to_dict()
    assert found["configurations"] == 1000
    assert found["cut"] == {"limit": 15800, "top": 0, "listed": found["kept"] - 100}
    asked = {"vary": {"C": range(60, 73)}, "top": 2, "by": "macs", "where": "C < 72"}
    found = vpcalc.sweep("swin_t", **asked).to_dict()  # type: ignore[arg-type]
    assert (found["kept"], found["unmet"], found["left_out"][0]["configurations"]) == (2, 1, 8)
    assert found["cut"] == {"limit": 0, "top": 2, "listed": 0}


@pytest.mark.parametrize("by", ["macs", "-activations", "-h"])
def test_the_first_are_those_of_brute_force(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpcalc.sweeps.work.ABOUT", 700)
    sign, name = (-1, by[1:]) if by.startswith("-") else (1, by)
    rows = sorted((row for row in _brute() if row["h"] % 2), key=lambda row: sign * row[name])[:37]
    sweep = vpcalc.sweep("wmsa", vary=GRID, where="h % 2 == 1", top=37, by=by, columns="macs,params,activations")
    assert rows_of(sweep) == rows


def test_figures_beyond_64_bits_are_chosen_among() -> None:
    vary = {"H": "60000:65536:1111", "W": "65536", "C": "8,800000", "batch": "1,1000000"}
    set = {"heads": "1,2,4,8"}
    rows = rows_of(vpcalc.sweep("swin_t", vary=vary, set=set))
    first = vpcalc.sweep("swin_t", vary=vary, set=set, top=3, by="-macs")
    assert rows_of(first) == sorted(rows, key=lambda row: -row["macs"])[:3]
    front = rows_of(vpcalc.sweep("swin_t", vary=vary, set=set, pareto="macs,-batch,-C"))
    assert len(front) == 4
    assert {row["H"] for row in front} == {60000}


def test_boxes_are_the_grid_in_order() -> None:
    grid = Grid((Axis("a", range(3)), Axis("b", (5, 6, 7, 8)), Axis("c", range(2)), Axis("d", range(5))))
    dice = random.Random(3)
    for _ in range(200):
        start, stop = sorted(dice.randint(0, grid.size) for _ in range(2))
        places = [
            at
            for box in grid.boxes(start, stop)
            for at in product(*(range(*part.indices(side)) for part, side in zip(box, grid.shape, strict=True)))
        ]
        assert places == list(product(*map(range, grid.shape)))[start:stop]


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ("14:28:7", [14, 21, 28]),
        ("2,8:12:3, 5", [2, 8, 11, 5]),
        ("7", [7]),
        (7, [7]),
        ([3, 1], [3, 1]),
        (range(2, 9, 3), [2, 5, 8]),
        (range(8, 1, -3), [2, 5, 8]),
    ],
)
def test_values_are_read(given: Any, values: list[int]) -> None:
    (axis,) = vpcalc.sweep("swin_t", vary={"C": given}).work.grid.axes
    assert list(axis.values) == values
    assert [*map(int, axis.texts)] == values


# -- outputs, ends and beginnings ---------------------------------------------------------------------------

COMMAND = [
    sys.executable,
    "-m",
    "vpcalc",
    "sweep",
    "wmsa",
    *(f"--vary={name}={text}" for name, text in GRID.items()),
]


def run(*more: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *more], capture_output=True, text=True, check=False, timeout=100, **options)


def refused(*more: str, **options: Any) -> str:
    """The one line that unusable input gets."""
    done = run(*more, **options)
    assert done.returncode == 2, done
    assert not done.stdout
    (line,) = done.stderr.splitlines()
    return line.removeprefix("vpcalc: ")


def test_a_file_has_all_rows_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpcalc.sweeps.work.ABOUT", 500)
    file = tmp_path / "costs.csv"
    vpcalc.sweep("wmsa", vary=GRID, columns="macs,params,activations", output=file).completed()
    with file.open(newline="") as lines:
        rows = [{name: int(value) for name, value in row.items()} for row in csv.DictReader(lines)]
    assert rows == _brute()
    assert sorted(tmp_path.iterdir()) == [file]


def test_a_front_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from vpcalc.answers.sweep_plot import plot_sweep

    file = tmp_path / "front.svg"
    sweep = vpcalc.sweep("swin_t", vary={"M": [7, 8], "C": "48:192:24"}, pareto="macs,-params", where="macs < 5G")
    plot: Any = plot_sweep(sweep)
    plot.save(file)
    rows = rows_of(sweep)
    assert [(point.x, point.y) for point in plot.chart.points] == [(row["macs"], row["params"]) for row in rows]
    assert file.read_bytes().startswith(b"<?xml")
    with pytest.raises(vpcalc.InputError, match="a picture needs --pareto with two keys"):
        plot_sweep(vpcalc.sweep("swin_t", vary={"M": [7, 8]}))


def test_lists_and_words_in_a_file(tmp_path: Path) -> None:
    file, vary = tmp_path / "costs.csv", {"depths": "1,2;2,1", "heads": "2,4;4,4", "C": "8,16"}
    sweep = vpcalc.sweep("swin_t", vary=vary, output=file)
    assert sweep.to_dict()["output"] == str(file)
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 8 == sweep.counts.kept
    assert {row["depths"] for row in rows} == {"1,2", "2,1"}
    assert [int(row["macs"]) for row in rows] == [
        row["macs"] for row in rows_of(vpcalc.sweep("swin_t", vary=vary))
    ]


def test_numbers_and_truths_are_no_texts_in_a_table() -> None:
    """Of 0 classes no form is a letter's; it is a number all the same."""
    vary = {"classes": "10,0", "norm": "true,false", "C": "8"}
    chosen = vpcalc.sweep("vgg11", vary=vary, input=32, pareto="macs,-classes")
    assert [row["classes"] for row in rows_of(chosen)] == [0, 10]
    assert rows_of(vpcalc.sweep("vgg11", vary=vary, input=32, pareto=["macs", "-classes"])) == rows_of(chosen)
    pytest.importorskip("pandas")
    sweep = vpcalc.sweep("vgg11", vary=vary, input=32)
    assert sweep.to_pandas().to_dict("records") == rows_of(sweep)


def test_entries_of_lists_that_are_varied_are_compared() -> None:
    vary = {"depths": ["2,2,6,2", "2,2,18,2"], "C": "48,96"}
    found = rows_of(vpcalc.sweep("swin_t", vary=vary, input=64, where="depths_3*C > 600 and depths_1 == 2"))
    assert [(row["depths"][2], row["C"]) for row in found] == [(18, 48), (18, 96)]


def test_an_output_that_exists_is_replaced_only_if_asked(tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    file.write_text("mine")
    assert refused("-o", str(file)) == f"--output {str(file)!r}: exists; --force replaces it"
    assert file.read_text() == "mine"
    assert run("-o", str(file), "--force").returncode == 0
    assert file.read_text().startswith("h,w,C,M,heads,macs,params\n7,7,32,3,1,")
    for name in ("front.svg", "costs.txt"):
        (tmp_path / name).write_text("mine")
        assert refused("-o", str(tmp_path / name)).endswith("exists; --force replaces it")
        assert (tmp_path / name).read_text() == "mine"


def _begun(folder: Path, stretch: int) -> tuple[list[str], dict[str, str]]:
    """A command that goes on slowly enough to be killed, and its surroundings."""
    script = (
        "import sys, time\n"
        f"import vpcalc.sweeps.work as work; work.ABOUT = {stretch}\n"
        "stretch = work.Work.stretch\n"
        "def slowly(self, start, stop): time.sleep(0.02); return stretch(self, start, stop)\n"
        "work.Work.stretch = slowly\n"
        f"sys.argv = ['vpcalc', *{COMMAND[3:]!r}, *sys.argv[1:]]\n"
        "from vpcalc.cli.app import main; main()\n"
    )
    return [sys.executable, "-c", script], {**os.environ, "COLUMNS": "100"}


KILLED = [(), ("--pareto", "macs,-params,-h"), ("--top", "50", "--by", "macs")]


@pytest.mark.parametrize("more", [KILLED[0], *(pytest.param(m, marks=pytest.mark.slow) for m in KILLED[1:])])
def test_what_is_killed_goes_on_and_loses_nothing(more: tuple[str, ...], tmp_path: Path) -> None:
    """Killed again and again, each time some parts further on, until it is through: the same file as at one go."""
    whole, file = tmp_path / "whole.csv", tmp_path / "killed.csv"
    assert run("-o", str(whole), *more).returncode == 0
    command, surroundings = _begun(tmp_path, 600)
    dice, kills, seen = random.Random(4), 0, 0

    def found() -> int:
        return len([*(tmp_path / "killed.csv.parts").glob("*.part")])

    for _ in range(40):
        options = ["-o", str(file), "--resume", *more]
        with subprocess.Popen([*command, *options], env=surroundings, stderr=subprocess.PIPE) as process:
            enough = seen + dice.randint(1, 5)
            while kills < 3 and process.poll() is None and found() < enough:
                time.sleep(0.002)
            if kills < 3 and process.poll() is None:
                time.sleep(dice.uniform(0, 0.02))  # anywhere within the next part
                process.send_signal(signal.SIGKILL)
                kills += 1
                process.wait()
                assert found() >= enough
                seen = found()
                assert not file.exists()
                continue
            process.wait(60)
            assert process.returncode == 0, process.stderr and process.stderr.read()
            break
    assert kills == 3
    assert file.read_bytes() == whole.read_bytes()
    assert sorted(tmp_path.iterdir()) == [file, whole]


@pytest.mark.slow
def test_what_was_begun_is_gone_on_with_only_if_it_is_the_same(tmp_path: Path) -> None:
    file, folder = tmp_path / "costs.csv", tmp_path / "costs.csv.parts"
    parts = vpcalc.sweep("wmsa", vary=GRID, columns="macs", output=file)
    from vpcalc.sweeps.parts import Counts, Parts

    Parts(file, parts.work, parts._key()).begin(resume=False, force=False, counts=Counts())
    assert refused("-o", str(file)).endswith("was begun and not finished; --resume goes on, --force begins anew")
    line = refused("-o", str(file), "--resume", "--columns", "params")
    assert line == f'--resume: {str(folder)!r} is of another sweep: columns was ["macs"] and is ["params"]; ' + (
        "--force alone begins anew"
    )
    (folder / "sweep.json").write_text("{")
    assert "is damaged" in refused("-o", str(file), "--resume")
    (folder / "mine.txt").write_text("mine")
    assert run("-o", str(file), "--force").returncode == 0
    assert file.exists()
    assert [*folder.iterdir()] == [folder / "mine.txt"]


def _cut(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:-7])


def _one_digit(part: Path) -> None:
    text = bytearray(part.read_bytes())
    text[-2] ^= 1
    part.write_bytes(text)


def _two_lines_swapped(part: Path) -> None:
    *first, one, other = part.read_bytes().splitlines(keepends=True)
    part.write_bytes(b"".join([*first, other, one]))


def _as_a_csv_file(part: Path) -> None:
    part.write_bytes(b"h,w,C,M,heads,macs,params\n" + part.read_bytes().partition(b"\n")[2])


def _another(part: Path) -> None:
    part.write_bytes(part.with_name("00000000.part").read_bytes())


def _a_further(part: Path) -> None:
    part.with_name("00000099.part").write_bytes(part.read_bytes())


@pytest.mark.parametrize("more", [{}, {"top": 30, "by": "macs"}], ids=["all", "top"])
@pytest.mark.parametrize(
    "damage", [_cut, _one_digit, _two_lines_swapped, _as_a_csv_file, _another, _a_further, Path.unlink]
)
def test_a_part_that_was_changed_is_done_again(
    damage: Callable[[Path], object], more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vpcalc.sweeps.parts import Counts, Parts

    monkeypatch.setattr("vpcalc.sweeps.work.ABOUT", 3000)
    file, part = tmp_path / "costs.csv", tmp_path / "costs.csv.parts" / "00000001.part"
    ask = partial(vpcalc.sweep, "wmsa", vary=GRID, columns="macs", **more)
    whole = ask(output=tmp_path / "whole.csv").completed()
    begun = ask()
    parts = Parts(file, begun.work, begun._key())
    parts.begin(resume=False, force=False, counts=Counts())
    for found in islice(begun._each(), 3):
        parts.write(*found)
    damage(part)
    sweep = ask(output=file, resume=True).completed()
    assert file.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert sweep.counts == replace(whole.counts, redone=0 if damage is Path.unlink else 1)
    # and what is changed while it goes on is found before anything is written
    parts.begin(resume=False, force=True, counts=Counts())
    for found in begun._each():
        parts.write(*found)
    file.unlink()
    damage(part)
    with pytest.raises(vpcalc.InputError, match="was changed meanwhile; --resume does again what is missing"):
        parts.end(Counts())
    assert not file.exists()


def test_a_full_disk_ends_in_one_line_and_what_was_found_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

    # or Python would cut off the compiled modules that it caches, too, and others would read them
    uncached = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    line = refused("-o", str(file), preexec_fn=full, env=uncached)
    assert line.startswith(f"--output {str(file)!r}: cannot be written: File too large")
    assert not file.exists()
    assert run("-o", str(file), "--resume").returncode == 0
    assert len(file.read_text().splitlines()) == len(_brute()) + 1
    os.mkfifo(tmp_path / "pipe.csv")
    assert "is not an ordinary file" in refused("-o", str(tmp_path / "pipe.csv"))


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--vary", "w=9:3"), "--vary w: is given twice; put all its values into one, apart by commas"),
        (("--vary", "x=3"), "--vary: name 'x' is not known; known: C, M, batch, h, heads, w"),
        (("--vary", "batch"), "--vary 'batch': must be NAME=VALUES, such as C=64,96,128:512:32"),
        (("--vary", "batch=9:3"), "--vary batch=9:3: is empty; FROM must be at most TO"),
        (("--vary", "batch="), "--vary batch=: no values; must be such as batch=2:8 or batch=2,4,8"),
        (("--vary", "batch=1:2:0"), "--vary batch 0: must be a whole number from 1 to 1000000"),
        (("--vary", "batch=2,2"), "--vary batch: 2 stands twice"),
        (("--vary", "batch=1e3"), "--vary batch '1e3': must be a whole number from 1 to 1000000"),
        (
            ("--vary", "batch=1:1000000"),
            "--vary: 16,800,000,000 configurations; give fewer values, or --limit N for the first N of them",
        ),
        (("--set", "C=3"), "--vary C: has a value that stays; take one of the two away"),
        (("--set", "D=3"), "dimension of wmsa 'D' is not known; known: C, M, batch, h, heads, w"),
        (("--columns", "mac"), "--columns: quantity 'mac' is not known; did you mean macs?"),
        (
            ("--columns", "step_peak_bytes"),
            "--columns: quantity 'step_peak_bytes' is not known here; models of ours have it",
        ),
        (("--pareto", "macs,C,x"), "--pareto: column 'x' is not known"),
        (("--pareto", "macs"), "--pareto macs: needs two columns or more; --top 1 --by macs is the best by one"),
        (("--top", "3"), "--top 3: needs --by, such as --by macs"),
        (("--by", "macs"), "--by macs: needs --top, such as --top 10"),
        (("--top", "0", "--by", "macs"), "--top 0: must be a whole number from 1 to 1000000"),
        (("--where", "mac < 3"), "--where \"mac < 3\": name 'mac' is not known; did you mean macs"),
        (("--where", "macs / (h - 7) < 3"), '--where "macs / (h - 7) < 3": divided by a term, which is 0'),
        (("--limit", "0"), "--limit 0: must be a whole number from 1 to 999999999999"),
        (("--resume",), "--resume: needs --output; without one nothing is kept between runs"),
        (("--input", "224"), "--input: wmsa is a layer; its dimensions are h, w, C, heads, M, batch"),
        (("--arg", "a=3"), "--arg a: only of code; --set NAME=VALUE is for wmsa"),
        (("--backend", "spark"), "--backend 'spark' is not known; known: dask, processes, ray"),
        (("--dtype", "int3"), "--dtype 'int3' is not known"),
        (
            ("-o", "costs.csv.gz"),
            "--output 'costs.csv.gz': ends in none of .csv, .parquet, .svg, .pdf, .png, .txt; .csv and .parquet "
            "have all rows",
        ),
        (
            ("-o", "/nowhere/costs.csv"),
            "--output '/nowhere/costs.csv': cannot be written: No such file or directory",
        ),
    ],
)
def test_unusable_input_gets_one_line(
    more: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from vpcalc.cli.app import main

    monkeypatch.setattr(sys, "argv", ["vpcalc", *COMMAND[3:], *more])
    with pytest.raises(SystemExit) as end:
        main()
    shown = capsys.readouterr()
    assert end.value.code == 2
    assert not shown.out
    assert shown.err.removeprefix("vpcalc: ").startswith(line)
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("target", "vary", "more", "line"),
    [
        ("swin_t", {}, {}, "--vary: give what to vary"),
        ("swin", {"C": "96"}, {}, "TARGET 'swin' is not known"),
        ("wmsa", {"C": "96"}, {}, "--vary: wmsa has dimensions without a value: --vary h=VALUES"),
        ("swin_t", {"H": "224", "input": "224"}, {}, "--vary input: H is varied, too; both say the same"),
        ("swin_t", {"depths": "2,2,6,0"}, {}, "--vary depths 0: must be a whole number from 1 to"),
        ("swin_t", {"depths": "2,2;3", "depths_1": "2"}, {}, "--vary depths_1: depths is varied, too"),
        ("swin_t", {"C": "96"}, {"where": "depths == 2"}, "name 'depths' is not known; did you mean depths_"),
        ("resnet18", {"C": "8"}, {"attention": "fused"}, "--attention fused: resnet18 has no softmax attention"),
        ("swin_t", {"H": "70000"}, {}, "--vary H 70000: must be a whole number from 1 to 65536"),
        ("swin_t", {"C": "1:1000000", "M": "1:1000000", "r": "1:100000000"}, {}, "--vary r 100000000: must be"),
        (
            "swin_t",
            dict.fromkeys(("C", "M", "r", "P"), "1:1000000"),
            {},
            "--vary: 1,000,000,000,000,000,000,000,000 conf",
        ),
    ],
)
def test_unusable_input_is_refused(target: str, vary: Any, more: dict[str, Any], line: str) -> None:
    with pytest.raises(vpcalc.InputError) as error:
        vpcalc.sweep(target, vary=vary, **more)
    assert line in str(error.value)


def test_the_first_of_very_many() -> None:
    """10²⁴ configurations, of which a few are asked for."""
    vary = {"r": "1:1000000", "P": "4:1000000", "C": "48:1000000:48", "batch": "1:1000000"}
    sweep = vpcalc.sweep("swin_t", vary=vary, limit=1000)
    rows = rows_of(sweep)
    assert [row["batch"] for row in rows] == [*range(1, 1001)]
    assert rows[-1]["macs"] == alone("swin_t", {}, {"r": 1, "P": 4, "C": 48, "batch": 1000})["macs"]


def test_what_is_missing_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package in ("pyarrow", "polars", "pandas"):
        monkeypatch.setitem(sys.modules, package, None)
    sweep = vpcalc.sweep("wmsa", vary={**GRID, "h": "7"})
    for name in ("arrow", "polars", "pandas"):
        with pytest.raises(vpcalc.InputError, match=f"to_{name}: needs .*, which"):
            getattr(sweep, f"to_{name}")()
    with pytest.raises(vpcalc.InputError, match="--output: Parquet needs pyarrow"):
        vpcalc.sweep("wmsa", vary=GRID, output=tmp_path / "costs.parquet").completed()
    assert not any(tmp_path.iterdir())


def test_json_has_what_the_contract_says() -> None:
    done = run("--top", "3", "--by", "macs", "--format", "json")
    found = json.loads(done.stdout)
    assert (found["command"], found["configurations"], found["kept"]) == ("sweep", 16800, 3)
    assert [row["macs"] for row in found["rows"]] == sorted(row["macs"] for row in _brute())[:3]


# -- elsewhere ----------------------------------------------------------------------------------------------


def test_arrow_polars_and_parquet_have_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr("vpcalc.sweeps.work.ABOUT", 4)
    vary, file = (
        {"C": "96,999936", "H": "224,65536", "batch": "1,1000000"},
        tmp_path / "costs.parquet",
    )
    sweep = vpcalc.sweep("swin_t", vary=vary, set={"heads": "1,2,4,8"}, output=file)
    table = sweep.completed() and parquet.read_table(file)
    rows = rows_of(vpcalc.sweep("swin_t", vary=vary, set={"heads": "1,2,4,8"}))
    assert [{name: int(value) for name, value in row.items()} for row in table.to_pylist()] == rows
    assert str(table.schema.field("macs").type) == "decimal128(38, 0)"
    assert sorted(tmp_path.iterdir()) == [file]
    again = vpcalc.sweep("swin_t", vary=vary, set={"heads": "1,2,4,8"})
    assert again.to_arrow().to_pylist() == table.to_pylist()
    polars = pytest.importorskip("polars", reason="polars is not installed")
    assert again.to_polars().equals(polars.from_arrow(table))


@pytest.mark.slow
def test_processes_give_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _the_same_file(tmp_path, monkeypatch, backend="processes", jobs=2)


@pytest.mark.slow
def test_two_workers_of_dask_give_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="dask[distributed] is not installed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        _the_same_file(tmp_path, monkeypatch, backend=f"dask:{cluster.scheduler_address}")


@pytest.mark.by_hand
def test_two_workers_of_ray_give_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray: Any = import_module("ray")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        _the_same_file(tmp_path, monkeypatch, backend="ray", jobs=2)
    finally:
        ray.shutdown()


def _the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **who: Any) -> None:
    monkeypatch.setattr("vpcalc.sweeps.work.ABOUT", 1500)
    for name, more in {
        "all": {},
        "front": {"pareto": "macs,-params,-h"},
        "top": {"top": 9, "by": "-macs"},
    }.items():
        here, there = tmp_path / f"{name}-here.csv", tmp_path / f"{name}-there.csv"
        vpcalc.sweep("wmsa", vary=GRID, output=here, **more).completed()
        vpcalc.sweep("wmsa", vary=GRID, output=there, **more, **who).completed()
        assert here.read_bytes() == there.read_bytes()


def test_rows_that_are_not_shown_are_told(inside: Callable[..., Any]) -> None:
    """A CSV of 10,000 rows that looks whole would be taken for all."""
    words = ("sweep", "ffn", "--vary", "h=1:101", "--vary", "w=1:100", "--set", "C=8", "--set", "r=4")
    done = inside(*words, "--format", "csv")
    assert len(done.stdout.splitlines()) == 10_001
    assert done.stderr == "vpcalc: the first 10,000 of 10,100 rows; -o FILE.csv has all\n"
    assert not inside(*words, "--limit", "10000", "--format", "csv").stderr
