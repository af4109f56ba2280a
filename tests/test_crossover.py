"""Where one costs less than the other: every claim of a boundary against the layers' and models' own figures."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import vpcalc
from vpcalc.algebra.boundaries import always, exceeds, lattice_of, with_values
from vpcalc.algebra.conditions import spell
from vpcalc.algebra.domains import Where, at_least, divides, left_on, positive
from vpcalc.algebra.floors import ceil_div, floor_div, on_lattice
from vpcalc.algebra.polynomial import constant, symbols
from vpcalc.answers.crossover import Crossovers
from vpcalc.answers.sides import Side, notes_of
from vpcalc.cost import Quantity
from vpcalc.errors import InputError
from vpcalc.everywhere import Condition, Regime
from vpcalc.layers import LAYERS
from vpcalc.symbolic import SYMBOL_OF

h, w, C, M, R = symbols("h w C M R")

LAYER_PAIRS = [
    ("msa", "wmsa"),
    ("msa", "sra"),
    ("wmsa", "sra"),
    ("swmsa", "linear_sra"),
    ("retention", "retention_chunkwise"),
    ("msa", "ffn"),
    ("msa", "conv_ffn"),
    ("axial", "wmsa"),
    ("talking_heads", "retention_recurrent"),
    ("linear_attention", "sra"),
]


def cost_of(id: str, point: dict[str, int]) -> int | None:
    """What a layer costs in plain numbers; None where it refuses them."""
    try:
        cost = LAYERS[id].build(**{dim: point[SYMBOL_OF.get(dim, dim)] for dim in LAYERS[id].dims})
    except InputError:
        return None
    return int(cost.total(Quantity.MACS))


def said_at(found: dict[str, Any], point: dict[str, int]) -> set[str | None]:
    """Who is said to be cheaper at a point; all that is said of it has to agree."""
    return {
        boundary["cheaper"]
        for boundary in found["boundaries"]
        if eval(boundary["when"]["python"], dict(point)) and eval(boundary["condition"]["python"], dict(point))
    }


def told(first: str, second: str, one: int, other: int) -> set[str | None]:
    """Who is cheaper; where both cost the same a boundary may say so, or nothing."""
    return {first} if one < other else {second} if other < one else set()


@pytest.mark.quick(5)
@pytest.mark.parametrize(("first", "second"), LAYER_PAIRS)
def test_boundaries_are_true_at_every_size(first: str, second: str) -> None:
    found = vpcalc.crossover(first, second).to_dict()
    letters = {SYMBOL_OF.get(dim, dim) for id in (first, second) for dim in LAYERS[id].dims}
    dice, compared = random.Random(f"{first} {second}"), 0
    for turn in range(300):
        top = (6, 20, 130)[turn % 3]
        point = {letter: dice.randint(1, top) for letter in sorted(letters)}
        if "a" in point and turn % 4:
            point["C"] = point["a"] * dice.randint(1, 12)
        one, other = cost_of(first, point), cost_of(second, point)
        if one is None or other is None:
            assert not said_at(found, point), point
            continue
        assert said_at(found, point) - {None} == told(first, second, one, other), point
        compared += 1
    assert compared > 60


def test_the_classic_one_is_tidy() -> None:
    """Liu et al. 2021, equations 1 and 2: W-MSA costs less where the grid has more tokens than a window."""
    found = vpcalc.crossover("msa", "wmsa")
    (boundary, *_) = found.to_dict()["boundaries"]
    assert boundary["cheaper"] == "wmsa"
    assert boundary["condition"]["text"] == "hw > M²"
    assert boundary["when"]["text"] == "M | h, M | w, a | C"


def intervals_of(found: Crossovers) -> dict[int, str | None]:
    """Every size with who is cheaper there."""
    every = {}
    for interval in found.intervals:
        for size in range(interval.first, interval.last + 1):
            assert size not in every
            every[size] = interval.cheaper if interval.outcome == "cheaper" else interval.outcome
    return every


def test_intervals_hold_every_size() -> None:
    found = vpcalc.crossover("msa", "wmsa", at={"C": 96, "M": 7, "heads": 3, "w": "h"}, range={"h": "1:90"})
    every = intervals_of(found)
    assert sorted(every) == list(range(1, 91))
    for size, cheaper in every.items():
        point = {"h": size, "w": size, "C": 96, "M": 7, "a": 3}
        one, other = cost_of("msa", point), cost_of("wmsa", point)
        assert one is not None
        assert other is not None
        assert cheaper == ("msa" if one < other else "wmsa" if other < one else "equal"), size
    assert every[7] == "equal"
    assert every[15] == "msa"  # 9 windows are padded to 21 x 21


def test_intervals_of_forms_that_divide_by_their_letter() -> None:
    """A state of retention has C²/a elements: whole where a divides C, and a quotient by the letter."""
    at = {"w": 32, "C": 6, "h": 4}
    every = intervals_of(vpcalc.crossover("axial", "retention_recurrent", at=at, range={"a": "1:20"}))
    for a, cheaper in every.items():
        one, other = (cost_of(id, {**at, "a": a}) for id in ("axial", "retention_recurrent"))
        expected = (
            {"unknown"} if one is None or other is None else told("axial", "retention_recurrent", one, other)
        )
        assert {cheaper} == expected


def test_a_region_is_looked_at_cell_by_cell() -> None:
    plot = vpcalc.plot_region(
        "msa", "wmsa", at={"C": 96, "heads": 3, "w": "h"}, range={"h": "2:40", "M": "2:9"}
    ).to_dict()
    assert len(plot["data"]) == 39 * 8
    for cell in plot["data"]:
        point = {"h": cell["h"], "w": cell["h"], "C": 96, "M": cell["M"], "a": 3}
        one, other = cost_of("msa", point), cost_of("wmsa", point)
        assert one is not None
        assert other is not None
        assert cell["cheaper"] == ("msa" if one < other else "wmsa" if other < one else "equal"), cell
    with pytest.raises(InputError, match="leaves h, w, M; a region is over two symbols"):
        vpcalc.plot_region("msa", "wmsa", at={"C": 96, "heads": 3})
    with pytest.raises(InputError, match="from 7 to 7 is one size"):
        vpcalc.plot_region("msa", "wmsa", at={"C": 96, "heads": 3, "w": "h"}, range={"M": "7:7"})


@pytest.mark.slow
def test_a_region_says_what_crossover_says_of_sizes_without_a_cost(inside: Callable[..., Any]) -> None:
    sizes = {"H": "1:40", "W": "16:40"}
    notes = vpcalc.crossover("swin_t", "vit_s_16", range=sizes).to_dict()["notes"]
    assert any("vit_s_16 refuses H ≤ 15" in note for note in notes)
    plot = vpcalc.plot_region("swin_t", "vit_s_16", range=sizes)
    assert plot.to_dict()["notes"] == notes
    (table,) = plot.tables()
    assert list(table.notes) == notes
    done = inside("plot", "region", "swin_t", "vit_s_16", "--range", "H=1:40", "--range", "W=16:40")
    assert all(note in done.stderr for note in notes)


def macs_of(model: str, size: int, **changed: int) -> int | None:
    """What a model costs on a square image; None where it refuses it."""
    try:
        return int(vpcalc.model(model, input=size, set=changed, check=False).to_dict()["macs"])
    except InputError:
        return None


def test_models_with_settings() -> None:
    found = vpcalc.crossover("vit_s_16(depth=8)", "pvt_small", at={"W": "H"}, range={"H": "1:300"})
    every = intervals_of(found)
    for size in (16, 31, 32, 100, 224, 225, 256, 300):
        one, other = macs_of("vit_s_16", size, depth=8), macs_of("pvt_small", size)
        if one is None or other is None:
            assert every[size] == "unknown"
        else:
            assert every[size] == ("vit_s_16(depth=8)" if one < other else "pvt_small"), size


def test_settings_may_be_lists() -> None:
    at, deep = {"H": 224, "W": 224}, "swin_t(depths=2,2,18,2)"
    (found,) = vpcalc.crossover("swin_t(depths=2,2,6,2)", deep, at=at).boundaries
    assert (found.cheaper, found.condition) == ("swin_t(depths=2,2,6,2)", None)


def test_a_sequence_beside_a_grid() -> None:
    found = vpcalc.crossover("recurrent", "msa")
    assert {"C", "h", "w"} <= {letter for side in found.sides for letter in side.letters}
    point = {"h": 3, "w": 5, "C": 8, "a": 2}
    assert said_at(found.to_dict(), point) == {"recurrent"}
    assert "RNN layer is taken on the grid: T = hw, d = C, n = C" in found.to_dict()["notes"]
    assert cost_of("recurrent", {"T": 15, "d": 8, "n": 8}) == 15 * 2 * 64


def test_two_quantities_of_one() -> None:
    found = vpcalc.crossover("vit_s_16", "vit_s_16", quantity="params,activations")
    assert found.to_dict()["boundaries"][0]["condition"]["text"] == "(HW)² + 164352HW < 19959578624"
    told = set()
    for side in (224, 320, 336, 512):
        figures = vpcalc.model("vit_s_16", input=side, check=False).to_dict()
        cheaper = "params" if figures["params"] < figures["activations"] else "activations"
        assert said_at(found.to_dict(), {"H": side, "W": side}) == {f"vit_s_16:{cheaper}"}, side
        told.add(cheaper)
    assert told == {"params", "activations"}


def test_a_condition_says_what_divides_a_number() -> None:
    found = vpcalc.crossover("msa", "wmsa", at={"C": 96}).to_dict()
    assert found["boundaries"][0]["when"]["text"] == "a | 96, M | h, M | w"
    point = {"h": 14, "w": 14, "C": 96, "M": 7}
    assert said_at(found, {**point, "a": 3}) == {"wmsa"}
    assert said_at(found, {**point, "a": 5}) == set()


def test_a_range_is_in_the_conditions() -> None:
    found = vpcalc.crossover("msa", "wmsa", range={"h": "8:9", "M": "2:3"})
    assert {True, False} == {boundary.floored for boundary in found.boundaries}
    for boundary in found.boundaries:
        for part in boundary.when.where.parts:
            assert (part.low("h"), part.high("h"), part.low("M"), part.high("M")) == (8, 9, 2, 3)
    tied = vpcalc.crossover("swin_t", "vit_s_16", at={"W": "H"}, range={"W": "16:32", "H": "20:40"})
    assert tied.range == (20, 32)
    assert [(each.first, each.last) for each in tied.intervals] == [(20, 31), (32, 32)]


def test_bytes_are_explored_at_the_sizes_that_are_asked_about() -> None:
    at = {"C": 600, "heads": 12, "r": 4, "w": "h"}
    found = vpcalc.crossover("msa", "ffn", quantity="saved_bytes", at=at, range={"h": "1:30"})
    assert [note for note in found.sides[0].notes if "h from 1 to 30, w from 1 to 30, C from 600 to 600" in note]
    at = {"h": 4, "w": 4, "heads": 1, "r": 4}
    usual = vpcalc.crossover("msa", "ffn", quantity="saved_bytes", at=at)
    assert usual.range == (1, 512)  # and not where nothing was looked at


OWN = """
import torch
from torch import nn

class Pooled(nn.Module):
    def __init__(self, dim, r=4):
        super().__init__()
        self.q, self.kv, self.out, self.r = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim), r

    def forward(self, x):
        b, h, w, c = x.shape
        pooled = nn.functional.avg_pool2d(x.permute(0, 3, 1, 2), self.r).flatten(2).transpose(1, 2)
        k, v = self.kv(pooled).chunk(2, -1)
        q = self.q(x).reshape(b, h * w, c)
        return self.out((q @ k.transpose(1, 2)).softmax(-1) @ v)
"""


def test_letters_of_ours_that_are_no_grid_s_are_explained() -> None:
    notes = vpcalc.crossover("linear_attention", "sra").tables()[0].notes
    assert notes[-1] == "a: attention heads; R: spatial reduction ratio of SRA"
    assert not any("channels" in note for note in vpcalc.crossover("msa", "axial").tables()[0].notes)


def test_a_module_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    row = "own.py:Pooled(dim=C)@1,h,w,C"
    at = {"C": 32, "M": 7, "heads": 1, "w": "h"}
    found = vpcalc.crossover("wmsa", row, at=at, range={"h": "1:80", "w": "1:80", "C": "32:32"})
    every = intervals_of(found)
    assert every[3] == "unknown"  # nothing is left of a grid of 3 x 3
    for size in (4, 20, 47, 48, 49, 50, 53, 80):
        pooled = (size // 4) ** 2
        own = 2 * size**2 * 32**2 + 2 * pooled * 32**2 + 2 * size**2 * pooled * 32
        ours = cost_of("wmsa", {"h": size, "w": size, "C": 32, "M": 7, "a": 1})
        assert ours is not None
        assert every[size] == (row if own < ours else "wmsa" if ours < own else "equal"), size
    halved = "own.py:Pooled(dim=C,r=2)@1,h,w,C"
    beside = vpcalc.crossover(row, halved, at={"C": 32, "w": "h"}, range={"h": "8:16", "w": "8:16", "C": "32:32"})
    assert [side.title for side in beside.sides] == [row, halved]  # one factory's two


# -- what a proof of it rests on ---------------------------------------------------------------------


def test_always_needs_what_the_domain_says() -> None:
    domain = positive("hwM") & at_least(h - M) & at_least(w - M)
    assert always(domain, at_least(h * w - M * M))
    assert not always(domain, at_least(h * w - M * M - 1))
    assert not always(positive("hwM") & at_least(h - M), at_least(h * w - M * M))
    assert always(domain, at_least(ceil_div(h, M) * M * w))
    assert not always(domain, at_least(floor_div(h - M - 3, constant(2))))
    assert always(positive("hw") & at_least(h - 2) & at_least(h - w), at_least(h * h - w * w))
    tiled = positive("hwM") & divides(M, h) & divides(M, w)  # a positive multiple is no less
    assert always(tiled, at_least(h * w - M * M))
    assert (tiled & at_least(M - h - 1)).empty
    assert (positive("h") & divides(constant(7), h)).low("h") == 7
    assert not always(positive("hM") & divides(M, h).negation(), at_least(h - M))
    assert not always(positive("hM") & divides(M, h + 1), at_least(h - M))
    falls = floor_div(h + w, M) * floor_div(h * h - w, M + 1)  # -210 at h = M = 1, w = 20
    assert not always(positive("hwM"), at_least(h * w + falls))


def test_what_is_divided_out_is_positive() -> None:
    everything = Where((positive("hwMR"),))
    large = Where((positive("hwMR") & at_least(h - R),))
    floor = floor_div(h, R)
    assert exceeds(2 * h * w * C, 2 * M * M * C, everything).spell("text") == "hw > M²"
    assert exceeds(floor * h, floor * w, everything).spell("text") == "⌊h/R⌋h > ⌊h/R⌋w"
    assert exceeds(floor * h, floor * w, large).spell("text") == "h > w"
    assert exceeds(constant(9), h * h, everything).spell("text") == "h² < 9"


def test_domains_take_values() -> None:
    where = Where((positive("haC") & divides(symbols("a")[0], C) & at_least(h - 7),))
    assert with_values(where, {"a": 3, "C": 96}).parts[0].guards == (at_least(h - 7),)
    assert not with_values(where, {"a": 5, "C": 96}).parts
    assert not with_values(where, {"h": 6}).parts
    tied = with_values(where, {"h": C})
    assert tied.holds({"a": 4, "C": 8})
    assert not tied.holds({"a": 4, "C": 4})
    tidy = on_lattice(ceil_div(h, constant(4)) * ceil_div(w, M))
    assert tidy is not None
    lattice = lattice_of(tidy, "hwM")
    assert lattice.holds({"h": 8, "w": 9, "M": 3})
    assert not lattice.holds({"h": 8, "w": 9, "M": 2})
    assert not lattice.holds({"h": 6, "w": 9, "M": 3})
    stretch = positive("h") & at_least(h - 224) & at_least(239 - h)
    assert spell(Where((stretch,)), "text") == "224 ≤ h ≤ 239"
    assert spell(Where((stretch,)), "latex") == r"224 \le h \le 239"
    assert spell(Where((stretch,)), "python") == "h >= 224 and h <= 239"
    assert spell(Where((stretch & divides(constant(224), h),)), "text") == "h = 224"
    assert spell(Where((stretch & divides(constant(7), h),)), "text") == "224 ≤ h ≤ 239, 7 | h"
    equal = positive("hw") & at_least(h - w - 1) & at_least(w + 1 - h)
    assert {spelling: spell(Where((equal,)), spelling) for spelling in ("text", "python", "excel")} == {
        "text": "h = w + 1",
        "python": "h == w + 1",
        "excel": "h=w+1",
    }
    blocks = on_lattice(ceil_div(h, constant(224)))
    assert blocks is not None
    assert spell(left_on(Where((stretch,)), blocks), "text") == "h = 224"
    wide = positive("hw") & at_least(w - 9)
    left = Where(tuple(wide & divides(constant(224), h + more) for more in (0, 7, 6, 5, 4, 2)))
    assert spell(left, "text") == "w ≥ 9, h mod 224 ∈ {0, 217, …, 220, 222}"
    assert spell(left, "latex") == r"w \ge 9,\ h \bmod 224 \in \{0, 217, \dots, 220, 222\}"
    assert spell(left, "typst") == 'w >= 9 "and" h mod 224 in {0, 217, dots.h, 220, 222}'
    assert (
        ElementTree.fromstring(f"<math>{spell(left, 'mathml')}</math>").findtext("mtext") == "0, 217, …, 220, 222"
    )
    for size in range(200, 700):
        assert eval(spell(left, "python"), {"h": size, "w": 9}) == (size % 224 in {0, 217, 218, 219, 220, 222})
    apart = Where((wide & divides(constant(4), h + 1), positive("hw") & divides(constant(4), h + 2)))
    assert spell(apart, "text") == "w ≥ 9, 4 | h + 1 or 4 | h + 2"
    none = positive("h") & at_least(h - 16) & at_least(24 - h) & divides(constant(32), h)
    assert none.empty is True
    even, odd = divides(constant(224), h), divides(constant(4), h + 1)
    assert (positive("h") & even & odd).empty is (positive("h") & odd & even).empty is True
    assert (positive("h") & even & divides(constant(4), h).negation()).empty is True
    assert (positive("hw") & even & divides(constant(4), w + 1)).empty is False
    assert (positive("h") & even & divides(constant(9), h + 1)).empty is False
    assert (positive("h") & divides(constant(4), h) & divides(constant(8), h).negation()).empty is False
    beyond = positive("hwM") & at_least(M - w - 1) & at_least(w - h)
    assert (beyond & divides(M, h)).empty is (beyond & divides(M, w)).empty is True
    assert (positive("hM") & at_least(M - h) & divides(M, h)).empty is False


def test_what_windows_tile_is_said_without_floors() -> None:
    windows = floor_div(h, M) * floor_div(w, M)
    tidy = on_lattice(windows * M * M + floor_div(C, 4))
    assert tidy is not None
    heads = divides(4 * floor_div(C, 4), windows * C)
    assert not heads.holds({"h": 7, "w": 7, "C": 3, "M": 7})  # nothing is divided by no heads
    here = positive("hwCM") & heads & at_least(h - M) & at_least(windows * M * M - h * w)
    assert spell(left_on(Where((here,)), tidy), "text") == "every size"
    more = here & at_least(h - 2 * M) & at_least(windows * (M * M - 4 * C) - 1)
    assert spell(left_on(Where((more,)), tidy), "text") == "h ≥ 2M, M² > 4C"
    assert not left_on(Where((more & at_least(M - h - 1),)), tidy).parts  # more than a multiple
    assert not left_on(Where((here & heads.negation(),)), tidy).parts


# -- the command -------------------------------------------------------------------------------------


def test_the_command(inside: Callable[..., Any]) -> None:
    done = inside("crossover", "msa", "wmsa", "--format", "json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["command"] == "crossover"
    assert found["between"] == ["msa", "wmsa"]
    assert {"text", "latex", "python"} == set(found["boundaries"][0]["condition"])
    assert "hw > M²" in inside("crossover", "msa", "wmsa").stdout
    assert "⌈h/M⌉" in inside("crossover", "msa", "wmsa", "--everywhere").stdout
    assert "$hw > M^{2}$" in inside("crossover", "msa", "wmsa", "--format", "latex").stdout
    assert "<mo>&gt;</mo>" in inside("crossover", "msa", "wmsa", "--format", "html").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("msa", "wmsaa"), "did you mean wmsa"),
        (("msa", "msa"), "both are the same"),
        (("msa", "swin_t"), "no symbol in common; --at h=H ties two"),
        (("msa", "wmsa", "--at", "Q=3"), "--at 'Q' is not known"),
        (("msa", "wmsa", "--at", "C=-1"), "--at C '-1': must be a whole number"),
        (("msa", "wmsa", "--at", "C=C"), "is the symbol itself"),
        (("msa", "wmsa", "--at", "w=h", "--at", "h=w"), "that symbol is given a value itself"),
        (("msa", "wmsa(M=7"), "crossover 'wmsa(M=7'"),
        (("swin_t(2)", "vit_s_16"), "'2' is no argument"),
        (("msa", "wmsa", "--at", "heads=3", "--at", "a=4"), "--at a=4: a is given a value twice"),
        (("msa", "wmsa", "--at", "heads=C", "--at", "C=8"), "--at a=C: that symbol is given a value itself"),
        (("msa", "wmsa", "--range", "q=1:9"), "symbol of --range 'q' is not known"),
        (("msa", "wmsa", "--range", "h=0:9"), "--range h 0: must be a whole number"),
        (("msa", "wmsa(Q=7)"), "'Q' is not known"),
        (("msa", "wmsa", "-q", "macs,params,flops"), "two apart by a comma"),
        (("msa", "wmsa", "-q", "mac"), "did you mean macs"),
        (("msa", "sra(R=8)", "--at", "h=4", "--at", "w=4"), "no size at which both"),
        (("swin_t", "vit_s_16", "--at", "W=H", "--range", "H=9:3"), "9 is more than 3"),
    ],
)
def test_bad_input_is_one_line(inside: Callable[..., Any], words: tuple[str, ...], said: str) -> None:
    done = inside("crossover", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not done.stdout


def test_sizes_that_no_condition_describes_are_some() -> None:
    """A side may have forms at most sizes and leave some open that cannot be written."""
    every, few = positive(["h"]), positive(["h"]) & at_least(2 - h)
    for domain, said in ((every, "at some sizes"), (few, "where h ≤ 2")):
        side = Side("one", "One", "saved_bytes", (Regime(Condition(Where((domain,)))),))
        assert notes_of(side) == (f"One has no settled form {said}",)
