"""Designs: what comes out is the best of all that brute force finds, and a certificate that lies is found out."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy
import pytest

import vpcalc
from vpcalc.architectures import ARCHITECTURES
from vpcalc.cost import Quantity
from vpcalc.sweeps import bounded, growing, keeping, relaxed
from vpcalc.sweeps.certificate import configurations, counts_of, differences
from vpcalc.sweeps.subjects import STEP

from .conftest import Run
from .pace import mostly_slow

design: Any = vpcalc.design
model: Any = vpcalc.model
memory: Any = vpcalc.memory

SPACES: dict[str, tuple[str, list[str], dict[str, list[Any]], dict[str, Any]]] = {
    "swin": (
        "swin_t",
        ["C=32:64:32", "depths_3=2:8:2", "M=6:8"],
        {"C": [32, 64], "depths_3": [2, 4, 6, 8], "M": [6, 7, 8]},
        {"input": 224},
    ),
    "vit": (
        "vit_ti_16",
        ["C=64:192:64,depth=1:6"],
        {"C": [64, 128, 192], "depth": [*range(1, 7)]},
        {"input": 96},
    ),
    "vit heads": (
        "vit_ti_16",
        ["C=32:96:32", "heads=1:4", "depth=1:3"],
        {"C": [32, 64, 96], "heads": [1, 2, 3, 4], "depth": [1, 2, 3]},
        {"input": 64},
    ),
    "pvt": (
        "pvt_tiny",
        ["C_3=64:320:64", "depths_2=1:3", "R_1=4,8"],
        {"C_3": [64, 128, 192, 256, 320], "depths_2": [1, 2, 3], "R_1": [4, 8]},
        {"input": 96},
    ),
    "lists": (
        "pvt_tiny",
        ["C_3=64,256,320", "depths_2=1,2,4", "R_1=2,4,24"],
        {"C_3": [64, 256, 320], "depths_2": [1, 2, 4], "R_1": [2, 4, 24]},
        {"input": 96},
    ),
    "resnet": (
        "resnet18",
        ["C=8:40:8", "depths_1=1:3", "depths_4=1:3", "block=basic,bottleneck"],
        {"C": [8, 16, 24, 32, 40], "depths_1": [1, 2, 3], "depths_4": [1, 2, 3], "block": ["basic", "bottleneck"]},
        {"input": 64},
    ),
    "transformer": (
        "transformer_base",
        ["d_model=64:320:64", "N=1:4", "vocab=1000:3000:500"],
        {"d_model": [*range(64, 321, 64)], "N": [1, 2, 3, 4], "vocab": [*range(1000, 3001, 500)]},
        {"src": 12, "tgt": 7},
    ),
}
FOLLOW: dict[str, dict[str, tuple[str, Callable[[int], Any]]]] = {
    "swin_t": {"C": ("heads", lambda C: [C // 32 * 2**stage for stage in range(4)])},
    "vit_ti_16": {"C": ("heads", lambda C: C // 64)},
    "pvt_tiny": {"C_3": ("heads_3", lambda C: C // 64)},
    "transformer_base": {"d_model": ("h", lambda d: d // 64)},
}
ALSO: dict[str, dict[str, tuple[str, Callable[[int], Any]]]] = {
    "transformer_base": {"d_model": ("d_ff", lambda d: 4 * d)}
}


def brute(case: str) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, int]]]:
    """Every configuration of a space that is not refused, by a call of its own."""
    target, _, values, sizes = SPACES[case]
    own = model(target, check=False).config
    for chosen in itertools.product(*values.values()):
        config = dict(zip(values, chosen, strict=True))
        moved = dict(config)
        for table in (FOLLOW, ALSO):
            for name, (other, of) in table.get(target, {}).items():
                if name in config and other not in config:
                    moved[other] = of(config[name])
        changes: dict[str, Any] = {}
        for name, value in moved.items():
            setting, _, place = name.rpartition("_")
            if place.isdecimal():
                entries = list(changes.get(setting, own[setting]))
                entries[int(place) - 1] = value
                changes[setting] = tuple(entries)
            else:
                changes[name] = tuple(value) if isinstance(value, list) else value
        try:
            found = model(target, **sizes, set=changes, check=False).to_dict()
        except vpcalc.InputError:
            continue
        yield config, changes, {name: found[name] for name in ("macs", "params")}


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}


@pytest.mark.quick(3)
@pytest.mark.parametrize("case", SPACES)
def test_rows_are_the_best_of_brute_force(case: str) -> None:
    target, free, values, sizes = SPACES[case]
    all_of_them = list(brute(case))
    dice = random.Random(case)
    places = {name: list(each) for name, each in values.items()}
    for budgets in (dice.choice((("macs",), ("params",))), ("macs", "params")):
        limits = {
            name: dice.choice(all_of_them)[2][name] + dice.randrange(2) * dice.randrange(10**5) for name in budgets
        }
        fitting = [each for each in all_of_them if all(each[2][name] <= most for name, most in limits.items())]
        if not fitting:
            continue

        def nearness(each: Any, limits: dict[str, int] = limits) -> Any:
            config, _, figures = each
            shares = [Fraction(figures[name], most) for name, most in limits.items()]
            return -min(shares), -sum(shares), [places[name].index(value) for name, value in config.items()]

        expected = sorted(fitting, key=nearness)[:4]
        found = design(target, free=free, **sizes, **limits, top=4)
        assert found.ok, found.faults
        assert [plain(row["config"]) for row in found.rows] == [changes for _, changes, _ in expected]
        for row, (_, _, figures) in zip(found.rows, expected, strict=True):
            assert {name: row[name] for name in figures} == figures
            assert row["left"] == {name: most - figures[name] for name, most in limits.items()}

        front = design(target, free=free, **sizes, **limits, pareto="macs,-params")
        assert front.ok, front.faults
        points = {(each[2]["macs"], -each[2]["params"]) for each in fitting}
        best = [p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)]
        assert [(row["macs"], -row["params"]) for row in front.rows] == sorted(best)


@pytest.mark.slow
def test_memory_is_counted_for_each_configuration() -> None:
    free = "C=64:192:64,depth=1:5"
    counted = {}
    for C, depth in itertools.product((64, 128, 192), range(1, 6)):
        set = {"C": C, "heads": C // 64, "depth": depth}
        asked = {"input": 64, "set": set, "batch": 3}
        taken = memory("vit_ti_16", **asked, train=True, check=False).to_dict()
        macs = model("vit_ti_16", input=64, set=set, check=False).to_dict()["macs"]
        counted[C, depth] = macs, taken["training_bytes"], taken["step_peak_bytes"]
    for most in sorted(total for _, total, _ in counted.values())[1::4]:
        fitting = {key: macs for key, (macs, *taken) in counted.items() if max(taken) <= most}
        expected = sorted(fitting, key=lambda key: -fitting[key])[:3]
        asked = {"input": 64, "batch": 3, "free": free, "top": 3, "train": True}
        found = design("vit_ti_16", macs="100G", memory=most, **asked)
        assert found.ok, found.faults
        rows = [(row["config"]["C"], row["config"]["depth"]) for row in found.rows]
        assert [fitting[row] for row in rows] == [fitting[key] for key in expected]
        assert all(row["training_bytes"] == counted[key][1] for row, key in zip(found.rows, rows, strict=True))


def test_what_fits_a_design_fits_a_step_of_training() -> None:
    """Twelve blocks sum up to less than the budget, and their step takes 150,707,420 bytes more than it."""
    asked: dict[str, Any] = {"input": "800x1280", "batch": 2, "train": True, "amp": "float16"}
    found = design("deit_t", macs="100G", memory="7910MB", free="depth=11:12", **asked)
    assert [row["config"]["depth"] for row in found.rows] == [11]
    taken = [memory("deit_t", **asked, set={"depth": n}, check=False).to_dict() for n in (11, 12)]
    assert [each["step_peak_bytes"] <= 7_910_000_000 for each in taken] == [True, False]
    assert taken[1]["training_bytes"] <= 7_910_000_000
    assert found.ok, found.faults


@pytest.mark.slow
def test_memory_in_mixed_precision_is_what_memory_says() -> None:
    asked: dict[str, Any] = {"input": 64, "batch": 2, "train": True, "amp": "fp16"}
    budget: dict[str, Any] = {"macs": "1G", "memory": "400MB", "free": "C=64,96,depths_3=2:6:2", "top": 3}
    found = design("swin_t", **budget, **asked)
    for row in found.rows:
        total = memory("swin_t", **asked, set=plain(row["config"]), check=False).to_dict()["training_bytes"]
        assert row["training_bytes"] == total <= 400_000_000
    assert "at batch 2, autocast to float16" in found.tables()[0].title
    assert found.rows != design("swin_t", **budget, **asked | {"amp": None}).rows


def test_memory_alone_wants_parameters() -> None:
    best = design("vit_ti_16", memory="40MB", input=64, top=1, free="C,depth=1:4").rows[0]
    assert best["inference_bytes"] <= 40_000_000
    for C, depth in itertools.product(range(64, 1025, 64), range(1, 5)):
        set = {"C": C, "heads": C // 64, "depth": depth}
        params = (
            ARCHITECTURES["vit_ti_16"]
            .cost((64, 64), {**ARCHITECTURES["vit_ti_16"].config, **set})
            .total(Quantity.PARAMS)
        )
        if best["params"] < params <= 10_000_000:
            found = memory("vit_ti_16", input=64, set=set, check=False).to_dict()
            assert found["inference_bytes"] > 40_000_000


HELD: dict[str, tuple[str, str, dict[str, Any]]] = {
    "swin": ("swin_t", "C=32:96:32,depths_1=2:6:2,depths_3=2:10:2,depths_4=2:6:2", {"input": 64}),
    "swin trained": ("swin_t", "C=32:64:32,depths_1=2:6:2,depths_2=2:4:2,depths_4=2:8:2", {"train": True}),
    "swin in turn": ("swin_t", "C=32:64:32,depths_1=1:4,depths_4=1:3", {"input": 70, "train": True}),
    "pvt": ("pvt_tiny", "depths=1:4", {"input": 64, "set": {"C": "16,32,40,64"}}),
    "pvt trained": (
        "pvt_v2_b0",
        "C_3=64:160:32,depths_2=1:4,depths_3=1:5",
        {"input": 96, "batch": 2, "train": True},
    ),
    "resnet": ("resnet18", "C=8:32:8,depths=1:3", {"input": 64, "batch": 3}),
    "convnext": ("convnext_t", "C=8:32:8,depths_2=1:5,depths_3=1:9", {"input": 64}),
    "layers that are counted at once": ("lstm", "n=16:64:16,layers=1:6", {"tokens": 5}),
    "an encoder and a decoder": ("t5_small", "d_model=64:192:64,layers=1:4", {"src": 6, "tgt": 6}),
    "two budgets": ("pvt_tiny", "depths=1:4", {"input": 64, "macs": "400M"}),
}


@pytest.mark.parametrize("case", mostly_slow(HELD, quick=["layers that are counted at once"]))
def test_memory_alone_is_filled_as_brute_force_fills_it(case: str) -> None:
    """All configurations of a space counted one by one, at budgets between and at what they take."""
    target, free, more = HELD[case]
    asked: dict[str, Any] = {"memory": "1TiB", "macs": None, **more}
    macs = asked["macs"] and 400_000_000
    space = design(target, free=free, top=1, **asked).search.space
    quantity = "training_bytes" if "train" in more else "inference_bytes"
    names = [lever.name for lever in space.levers]
    counted = {
        places: space.counted(dict(zip(names, places, strict=True)), ["macs", "params", quantity])
        for places in itertools.product(*(range(1, lever.count + 1) for lever in space.levers))
    }
    places_of = (dict(zip(names, places, strict=True)) for places in counted)
    step = {tuple(at.values()): space.counted(at, [STEP])[STEP] if "train" in more else 0 for at in places_of}
    aim = "macs" if macs else "params"
    dice = random.Random(case)
    taken = sorted(figures[quantity] for figures in counted.values())
    for most in (*dice.sample(taken[3:], 4), 2 * taken[-1], taken[7] - 1):
        fitting = [
            places
            for places, figures in counted.items()
            if max(figures[quantity], step[places]) <= most and (not macs or figures["macs"] <= macs)
        ]
        expected = sorted(fitting, key=lambda places: (-counted[places][aim], places))[:4]
        found = design(target, free=free, **{**asked, "memory": most}, top=4)
        assert found.ok, found.faults
        assert [tuple(row.at.values()) for row in found.search.kept.ended()] == expected
        within = bounded.Within(0, found.search.slices[0], found.search.limits, found.search.memory)
        corners = numpy.asarray([*counted])
        if corners.shape[1] == len(within.part.top):  # no lever is gone through
            least = found.search.memory.least(0, within.sizes(corners), within.sizes(corners))
            assert numpy.all(least <= [figures[quantity] for figures in counted.values()])


@pytest.mark.slow
@pytest.mark.parametrize("target", ["swin_t", "pvt_tiny", "pvt_v2_b0", "resnet18", "convnext_t"])
@pytest.mark.parametrize("train", [False, True])
def test_four_stages_under_memory_alone(target: str, train: bool) -> None:
    found = design(target, memory="4GiB", train=train)
    assert found.ok, found.faults
    assert found.search.looked_at < 200_000
    assert all(row["left"][found.budgets[0].quantity] >= 0 for row in found.rows)


@pytest.mark.slow
def test_of_equal_configurations_the_first_are_counted() -> None:
    """Two stages of as many channels: hundreds of depths hold equally many parameters."""
    found = design("vgg11", memory="1GiB")
    assert found.ok, found.faults
    assert found.search.looked_at < 60_000
    assert len(found.search.memory.counted) < 100
    rows = [row["config"]["depths"] for row in found.rows]
    assert len({row["params"] for row in found.rows}) == 1
    assert rows == sorted(rows)
    assert [depths[3] for depths in rows] == [1, 2, 3, 4, 5]


def test_sums_of_steps_are_those_that_can_be_made() -> None:
    dice = random.Random(5)
    for _ in range(60):
        steps = tuple(sorted({dice.randint(1, 40) * dice.choice([1, 2, 6]) for _ in range(dice.randint(1, 4))}))
        made = {0}
        for number in range(1, 400):
            made |= {number} if any(number - step in made for step in steps) else set()
        expected = [max(each for each in made if each <= number) for number in range(400)]
        assert relaxed.sums_below(steps, numpy.arange(400)).tolist() == expected


def test_free_levers_end_where_nothing_fits() -> None:
    found = design("swin_t", macs="4.5G", params="28M")
    assert found.ok, found.faults
    assert configurations(found.search) == sum(counts_of(found.search).values()) > 5_000_000
    assert found.search.looked_at < 20_000
    (part,) = found.search.slices
    for letter, top in part.top.items():
        at = {**part.least, letter: top + 1}
        config = found.search.space.config(at)
        costs = model("swin_t", set=config, check=False).to_dict()
        assert costs["macs"] > 4_500_000_000 or costs["params"] > 28_000_000
    dice = random.Random(1)
    last = min(Fraction(row["macs"], 4_500_000_000) for row in found.rows)
    for _ in range(20):
        config = found.search.space.config({letter: dice.randint(1, top) for letter, top in part.top.items()})
        costs = model("swin_t", set=config, check=False).to_dict()
        if costs["macs"] <= 4_500_000_000 and costs["params"] <= 28_000_000:
            share = min(Fraction(costs["macs"], 4_500_000_000), Fraction(costs["params"], 28_000_000))
            assert share <= last or plain(config) in [plain(row["config"]) for row in found.rows]


def test_a_wrong_bound_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> Any:
        return design("vit_ti_16", macs="1G", params="5M", input=96)

    right = asked()
    assert right.ok
    loses = keeping.Nearest.loses
    monkeypatch.setattr(keeping.Nearest, "loses", lambda self, low, high, places: loses(self, low, low, places))
    assert any("without a reason" in fault for fault in asked().faults)
    monkeypatch.undo()

    passed = bounded.Within.passed

    def tighter(self: bounded.Within, low: Any, high: Any) -> Any:
        limits = [limit._replace(most=limit.most * 9 // 10) for limit in self.limits]
        return passed(bounded.Within(self.number, self.part, limits, None), low, high)

    monkeypatch.setattr(bounded.Within, "passed", tighter)
    assert any("without a reason" in fault for fault in asked().faults)
    monkeypatch.undo()

    top = growing._top
    monkeypatch.setattr(growing, "_top", lambda *given: max(1, top(*given) - 1))
    assert any("was left out" in fault for fault in asked().faults)
    monkeypatch.undo()

    cut = bounded.Closed.add
    monkeypatch.setattr(bounded.Closed, "add", lambda self, low, high, why: cut(self, low[1:], high[1:], why[1:]))
    assert any("are in a box" in fault for fault in asked().faults)
    monkeypatch.undo()

    part = right.search.slices[0]
    forms = {**part.forms, "macs": part.forms["macs"] + part.forms["params"]}
    right.search.slices[0] = replace(part, forms=forms)
    assert any("a count" in fault for fault in differences(right.search))


def test_explained_steps_are_differences() -> None:
    found = design("swin_t", macs="4.5G", params="28M", free="C,depths_3,M=7:9", explain=True)
    best = found.rows[0]
    before = model("swin_t", set=plain(best["config"]), check=False).to_dict()
    for step in found.steps:
        at = dict(best["config"])
        if step.lever == "C":
            C = int(step.after)
            at |= {"C": C, "heads": [C // 32 * 2**stage for stage in range(4)]}
        elif step.lever == "depths_3":
            at["depths"] = [*at["depths"][:2], int(step.after), at["depths"][3]]
        else:
            at["M"] = int(step.after)
        after = model("swin_t", set=plain(at), check=False).to_dict()
        assert step.costs == {name: after[name] - before[name] for name in ("macs", "params")}
        assert step.fits == (after["macs"] <= 4_500_000_000 and after["params"] <= 28_000_000)
        if step.lever == "depths_3":
            assert step.slopes["macs"] * 2 == step.costs["macs"]
        if step.lever == "C":  # aC² + bC: 2aC + b is no cost of one more, which is a more
            a, b = (int(part) for part in re.findall(r"(\d+)C", step.forms["macs"]))
            assert f"; derivative at 96: {2 * a * 96 + b:,}" in next(w for w in found.words() if "macs in C" in w)
    assert "grow with C, depths_3" in found.certificate
    assert "nothing fits from C = 128" in found.certificate
    assert any(note.startswith("cheapest in macs") for note in found.words())


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("swin_t", {}, "give a budget"),
    ("swin_t", {"macs": "much"}, "--macs 'much': must be a number"),
    ("swin_t", {"macs": -4}, "must be a number"),
    ("swin_t", {"memory": 3}, "--memory 3 bytes: nothing fits; the smallest"),
    ("upernet", {"macs": "900G", "free": "backbone"}, "needs values, such as --free backbone=swin_t"),
    ("swin_t", {"macs": "10k"}, "C = 32, heads = 1,2,4,8, depths = 2,2,2,2, takes 369,501,184 macs and 2,539,478"),
    ("swin_t", {"macs": "4G", "free": "C,Q"}, "--free: setting 'Q' is not known"),
    ("swin_t", {"macs": "4G", "free": "C=33:60"}, "none is a multiple of 32"),
    (
        "swin_t",
        {"macs": "4G", "free": "C=48,96,120"},
        "C=48,96,120: 48 is no multiple of 32, where heads are whole",
    ),
    ("swin_t", {"macs": "4G", "free": "M,C=64:96,100"}, "C=64:96,100: 100 is no multiple of 32"),
    ("swin_t", {"macs": "4G", "free": "C=32:256:12"}, "C=32:256:12: 44 is no multiple of 32"),
    ("resnet18", {"macs": "4G", "attention": "fused"}, "--attention fused: resnet18 has no softmax attention"),
    ("swin_t", {"macs": "4G", "free": "C,C"}, "is given twice"),
    ("swin_t", {"macs": "4G", "free": "C", "set": {"C": 64}}, "take --set C away"),
    ("swin_t", {"macs": "4G", "free": "input"}, "needs values"),
    ("swin_t", {"macs": "4G", "free": "H=1:9999,W=1:9999"}, "one by one"),
    ("swin_t", {"macs": "4G", "free": "C="}, "must be names such as"),
    ("swin_t", {"macs": "4G", "pareto": "macs"}, "needs two columns"),
    ("swin_t", {"macs": "4G", "top": 0}, "--top 0: must be a whole number"),
    ("swin_x", {"macs": "4G"}, "did you mean swin_t"),
    (
        "net.py:make",
        {"macs": "4G"},
        "is code; see vpcalc models; layers and code: vpcalc sweep net.py:make --vary",
    ),
    ("transformer_base", {"macs": "5G", "set": {"head": False}, "free": "vocab,N"}, "macs do not limit it"),
    ("convnext_t", {"params": "900M", "free": "C_1"}, "'C_1' is not known"),
]


@pytest.mark.parametrize(("target", "asked", "said"), BAD)
def test_bad_input_is_refused(target: str, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(vpcalc.InputError) as refused:
        design(target, **asked)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_values_that_are_given_are_used_or_spoken_of() -> None:
    between = design("swin_t", macs="40G", free="C=30:100").search.space.levers[0]
    assert [between.spelled(n + 1) for n in range(between.count)] == ["32", "64", "96"]
    rows = design("swin_t", macs="4G", free="C=48,60,72", set={"heads": "3,6,12,24"}).rows
    assert [row["config"]["C"] for row in rows] == [72, 60, 48]
    (table,) = design("swin_t", macs="9G", free="C=96").tables()
    assert table.title == "swin_t at 224×224: at most 9.000 G MACs"
    assert table.notes[-2:] == ("Before that: 1 configuration: 1 looked at.", "Evaluated: 1 box.")
    (table,) = design("swin_t", macs="9G", free="H=224,256").tables()
    assert table.title == "swin_t: at most 9.000 G MACs"
    (table,) = design("vit_ti_16", macs="9G", free="heads=2,5").tables()
    assert any("1 of 2 combinations are refused, such as: heads = 5 does not" in note for note in table.notes)


def test_bad_input_is_one_line(vpcalc: Run) -> None:
    done = vpcalc("design", "swin_t", "--memory", "12MiB")
    assert done.returncode == 2
    assert not done.stdout
    assert done.stderr.count("\n") == 1
    assert "C = 32, heads = 1,2,4,8, depths = 2,2,2,2, takes 16,775,656 bytes" in done.stderr


def test_too_many_boxes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST", 100)
    with pytest.raises(vpcalc.InputError, match="more than 100 boxes of configurations"):
        design("swin_t", macs="4.5G", params="28M")


def test_figures_beyond_64_bits() -> None:
    found = design("transformer_base", macs="1e23", free="d_model=64000:640000:64000,N=1000:900000:1000", top=3)
    assert found.ok, found.faults
    assert 1 << 64 < found.rows[0]["macs"] <= 10**23
    config = {**ARCHITECTURES["transformer_base"].config, **plain(found.rows[0]["config"])}
    cost = ARCHITECTURES["transformer_base"].cost((128, 128), config)
    assert found.rows[0]["macs"] == cost.total(Quantity.MACS)


def test_a_front_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST", 3)
    with pytest.raises(vpcalc.InputError, match="more than 3 rows in the front"):
        design("vit_ti_16", macs="1G", pareto="macs,-params")
