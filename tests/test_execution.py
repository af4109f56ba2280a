"""PyTorch executed on symbolic sizes: forms of modules from their own runs, held against another's counts."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import vpcalc
from vpcalc.algebra.conditions import spell
from vpcalc.algebra.floors import ceil_div, floor_div, remainder
from vpcalc.algebra.polynomial import Polynomial, as_polynomial, constant, symbol, symbols
from vpcalc.answers.executed import Executed
from vpcalc.errors import InputError
from vpcalc.execution import regions
from vpcalc.execution.domains import domain, joined, where
from vpcalc.execution.guards import Guard
from vpcalc.execution.guards import Path as Decisions
from vpcalc.execution.outcome import BeyondError
from vpcalc.execution.prices import PRICES, Product
from vpcalc.execution.program import Fixed, Input, Inputs
from vpcalc.execution.regimes import Explorer, HeldError
from vpcalc.execution.regions import Range, Region, _answers, vanishes
from vpcalc.execution.rules.registry import RULES
from vpcalc.execution.sizes import Size

from .pace import mostly_slow

B, H, N, W = symbols("B H N W")
IMAGE = (Input((1, 3, "H", "W")),)
ROWS = (Input((1, "N", 8)),)


# -- sizes --------------------------------------------------------------------------------------------


def size(name: str, value: int, path: Decisions) -> Size:
    return Size(value, symbols(name)[0], path)


def test_a_size_is_a_number_and_its_form() -> None:
    path = Decisions()
    h = size("H", 453, path)
    padded = h + (7 - h % 7) % 7
    assert (padded.value, padded.form) == (455, 7 * ceil_div(H, 7))
    assert ((h * 0.5).trunc().value, (h * 0.5).trunc().form) == (226, floor_div(H, 2))
    assert (-(-h // 4)).form == ceil_div(H, 4)
    assert not [noted for noted in path if noted.why != "int of a float"]


def test_decisions_are_noted_once_and_one_way_round() -> None:
    path = Decisions()
    h, w = size("H", 453, path), size("W", 30, path)
    assert h > w
    assert not w >= h
    assert h % 4 != 0
    assert h + 1 > 0  # true of every size: nothing to note
    assert [(n.guard, n.outcome) for n in path] == [
        (Guard(H - W - 1, ">="), True),
        (Guard(remainder(H, 4), "=="), False),
    ]


def test_factors_that_are_at_least_1_are_cancelled() -> None:
    """Of ``M²⌈h/M⌉⌈w/M⌉C = M²⌈h/M⌉⌈w/M⌉a⌊C/a⌋``, as a view asks of a window attention, a | C remains."""
    h, w, c, m, heads = symbols("h w C M a")
    rows = m**2 * ceil_div(h, m) * ceil_div(w, m)
    path = Decisions()
    path.equal(rows * c - rows * heads * floor_div(c, heads), True)
    path.at_least(remainder(c, heads) - 1, False)  # the same question
    path.at_least(-remainder(-h, m), False)
    path.at_least(rows * c - rows * m, True)
    path.equal(h * floor_div(h, m) * (c - 3), False)  # this floor may be 0
    path.at_least(floor_div(h + m, m) * (c - w), True)
    divides = remainder(c, heads)
    assert [(n.guard, n.outcome) for n in path] == [
        (Guard(divides, "=="), True),
        (Guard(-remainder(h, m), "=="), False),
        (Guard(c - m, ">="), True),
        (Guard(m - h - 1, ">="), False),
        (Guard(c - 3, "=="), False),
        (Guard(c - w, ">="), True),
    ]
    whole = Range(dict.fromkeys("hwCMa", (1, 300))).whole()
    for noted in path:
        whole = whole.where(noted.guard, noted.outcome)
    written = domain([whole])
    assert written.text == "C ≠ 3, a | C, M ∤ h, C ≥ M, h ≥ M, C ≥ w"
    rng = random.Random(4)
    for _ in range(400):
        point = {name: rng.randrange(1, 30) for name in "hwCMa"}
        assert (point in whole) == eval(written.python, {}, point), point


def test_signs_beyond_64_bits() -> None:
    """Of forms near 0 and far from it, at sizes whose products do not fit 64 bits."""
    h, w, c, m = symbols("h w C M")
    rows = m**2 * ceil_div(h, m) * ceil_div(w, m)
    rng = random.Random(8)
    columns = {n: numpy.array([rng.randrange(1, 1 << rng.choice((3, 12))) for _ in range(4000)]) for n in "hwCM"}
    columns["C"][::3] = columns["h"][::3]
    points = [dict(zip(columns, sizes, strict=True)) for sizes in zip(*map(list, columns.values()), strict=True)]
    points = [{name: int(size) for name, size in point.items()} for point in points]
    for form in (
        rows * c * 2**30 - rows * h * 2**30,
        rows * h * c * w - h**6,
        c**6 * w - h**6 * w - 1,
        2**65 * (h - c),
    ):
        values = [form.at(point) for point in points]
        assert 1 << 63 < max(map(abs, values)) < 1 << 100
        assert min(map(abs, values)) < 1 << 10
        assert _answers(Guard(form, ">="), columns).tolist() == [value >= 0 for value in values]
        assert _answers(Guard(form, "=="), columns).tolist() == [value == 0 for value in values]


@pytest.mark.parametrize("far", [1, 2**34])
@pytest.mark.parametrize("near", [None, {"h": 200, "w": 31, "C": 7}])
def test_lines_that_are_looked_at_together_give_what_they_do_one_by_one(
    monkeypatch: pytest.MonkeyPatch, near: Mapping[str, int] | None, far: int
) -> None:
    h, w, c = symbol("h"), symbol("w"), symbol("C")
    whole = Range({"h": (1, 300), "w": (1, 300), "C": (1, 40)}).whole()
    product, rows = far * h**3 * w, floor_div(h + c - 1, c) * floor_div(w, 7)
    found, dice = 0, random.Random(17)
    for _ in range(30):
        region = whole
        for _ in range(dice.randint(1, 3)):
            form = dice.choice(
                (
                    h - w * dice.randint(1, 3),
                    rows - c * dice.randint(1, 40),
                    product - far * c**4,
                    remainder(h * w, c),
                )
            )
            region = region.where(Guard(form, dice.choice(("==", ">="))), dice.random() < 0.7)
        if region.surely_empty:
            continue
        seed, drawn = dice.random(), []
        for missed in (regions.MISSED, 10**9):
            monkeypatch.setattr(regions, "MISSED", missed)
            rng = random.Random(seed)
            drawn.append((list(region._candidates(rng, near)), rng.getstate()))
            monkeypatch.undo()
        assert drawn[0] == drawn[1]
        found += 0 < len(drawn[0][0]) < 40
        assert all(point in region for point in drawn[0][0])
    assert found > 2


def test_a_float_that_is_no_fraction_holds_its_letter() -> None:
    path = Decisions()
    n = size("N", 100, path)
    assert (n**0.5).trunc().form == as_polynomial(10)
    assert set(path.held) == {"N"}
    other = Decisions()
    assert (size("N", 100, other) * 0.1 * 0.5).trunc().value == 5
    assert set(other.held) == {"N"}


def test_a_product_with_a_float_is_that_with_a_fraction_where_they_were_compared() -> None:
    path = Decisions()
    n = size("N", 100, path)
    assert (n * 0.1).trunc().form == floor_div(N, 10)
    assert not path.held


@pytest.mark.parametrize(
    ("way", "number", "times", "over"),
    [
        ("floor", 90, 0.7, False),  # 62.99…: not 63
        ("floor", 91, 0.7, False),
        ("floor", 100, 0.7, False),
        ("ceil", 50, 1.1, False),  # 55.000…1: not 55
        ("ceil", 60, 1.1, False),
        ("floor", 100, 1.1, True),
        ("floor", 45, 1.4, False),
    ],
)
def test_a_product_with_a_float_is_that_with_a_fraction_around_a_size(
    way: str, number: int, times: float, over: bool
) -> None:
    """Where no fraction is right at every size, the path says at which it is."""
    path = Decisions()
    n = size("N", number, path)
    found = getattr(n / times if over else n * times, way)()
    assert not path.held
    alike = [m for m in range(1, 3000) if all(note.guard.holds({"N": m}) == note.outcome for note in path)]
    assert number in alike
    assert len(alike) < 2999
    rounded = getattr(math, way)
    for m in alike:
        assert found.form.at({"N": m}) == rounded(m / times if over else m * times), m


@pytest.mark.parametrize("relation", mostly_slow(["<", "<=", ">", ">="], quick=1))
def test_a_product_with_a_float_is_compared_as_it_is(relation: str) -> None:
    compare = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[relation]
    for h, w in ((45, 63), (45, 62), (45, 64), (90, 126), (90, 125), (12, 40)):
        for swap in (False, True):
            path = Decisions()
            one, other = size("W", w, path), size("H", h, path) * 1.4
            truth = compare(other, one) if swap else compare(one, other)
            assert not path.held
            assert truth == (compare(h * 1.4, w) if swap else compare(w, h * 1.4))
            notes = list(path)
            for a, b in product(range(1, 140), range(1, 200)):
                if all(note.guard.holds({"H": a, "W": b}) == note.outcome for note in notes):
                    assert truth == (compare(a * 1.4, b) if swap else compare(b, a * 1.4)), (a, b)


def test_the_root_of_a_square_has_its_form() -> None:
    path = Decisions()
    a, n = size("a", 12, path), size("N", 144, path)
    side = (a * a * 9).root()
    assert side.value == 36
    assert side.form == symbol("a") * 3
    assert not path.held
    assert n.root().form is None
    assert (a * a + 1).root().form is None
    negative = (a // 4 - 9) * (a // 4 - 9)
    assert negative.root().form is None


# -- regions ------------------------------------------------------------------------------------------


def test_forms_are_compared_at_every_size_of_a_region() -> None:
    whole = Range({"H": (1, 4096), "W": (1, 4096)}).whole()
    rng = random.Random(1)
    up = sum((ceil_div(H, 4 * k) * ceil_div(W, 4 * k) * (k + 3) for k in (1, 2, 4, 7, 14)), Polynomial({}))
    down = sum((ceil_div(H, 4 * k) * floor_div(W, 4 * k) * (k + 3) for k in (1, 2, 4, 7, 14)), Polynomial({}))
    tiled = whole.where(Guard(remainder(W, 112), "=="), True)
    assert vanishes(up - down, tiled, rng) is True
    assert vanishes(up - down, whole.where(Guard(remainder(W, 56), "=="), True), rng) is False
    assert vanishes(up - down, whole, rng) is False
    one_size = whole.where(Guard(H - W, "=="), True)
    assert vanishes(floor_div(H * W, 3) - floor_div(H * H, 3), one_size, rng) is None, "tried, not decided"


def test_sizes_that_no_floor_tells_apart_are_looked_at_once() -> None:
    """Of 4096 × 4096 sizes 128 × 128 are other ones to floors by 32, one of which alone is this."""
    rows, columns = ceil_div(H, 32), ceil_div(W, 32)
    whole = Range({"H": (1, 4096), "W": (1, 4096)}).whole()
    divides = Guard(floor_div(columns, rows) * rows - columns, "==")
    alone = whole.where(divides, True).where(Guard(rows * columns - 113 * 113, "=="), True)
    alone = alone.where(Guard(rows - 2, ">="), True).where(Guard(columns - 128, ">="), False)
    found = alone.find(random.Random(0))
    assert found is not None
    assert (-(-found["H"] // 32), -(-found["W"] // 32)) == (113, 113)
    nowhere = whole.where(Guard(rows - 65, ">="), True).where(Guard(columns - rows - 1, ">="), True)
    assert nowhere.where(divides, True).empty() is True
    windows = ceil_div(columns, rows) * rows - columns
    assert vanishes(windows, whole.where(divides, True), random.Random(0)) is True
    assert vanishes(windows * (rows - 1), whole.where(divides, False), random.Random(0)) is False
    twice = whole.where(Guard(rows + 1 - columns, ">="), True).where(Guard(columns - rows, ">="), True)
    assert vanishes((columns - rows) * (columns - rows - 1) * floor_div(H * 3, 7), twice, random.Random(0)) is None


def test_equations_of_three_letters_are_solved_for_one() -> None:
    whole = Range({"B": (1, 4096), "H": (1, 4096), "W": (1, 4096)}).whole()
    rows, columns = ceil_div(H, 32) - 1, ceil_div(W, 32) - 1
    places = Guard(B * rows * columns - 127 * 127 * 4093, "==")
    assert whole.where(places, True).find(random.Random(0)) == {"B": 4093, "H": 4065, "W": 4065}
    assert whole.where(places, True).where(Guard(B - 4093, ">="), False).empty() is True
    one = whole.where(Guard(B * ceil_div(H, 32) * ceil_div(W, 32) - 1, "=="), True)
    assert not one.others, "each factor is 1"
    assert [one.values(name).tolist() for name in "BHW"] == [[1], [*range(1, 33)], [*range(1, 33)]]
    none = Guard(floor_div(H - 9, 2) * floor_div(W - 9, 2) - 1, "==")
    assert {"B": 1, "H": 7, "W": 8} in whole.where(none, True), "both may be -1"


def test_what_is_met_anyway_is_not_said() -> None:
    """A regime said ``H ≥ 8, W ≤ 7; or H ≤ 7, W ≤ 7, H ≥ W + 1``."""
    whole = Range({"H": (1, 512), "W": (1, 512)}).whole()
    wide, longer = Guard(H - 8, ">="), Guard(H - W - 1, ">=")
    narrow = whole.where(Guard(W - 8, ">="), False)
    parts = narrow.where(wide, True), narrow.where(wide, False).where(longer, True)
    assert domain(parts).text == domain(parts[::-1]).text == "W ≤ 7, H ≥ W + 1"
    assert domain((parts[0].where(longer, True),)).text == "H ≥ 8, W ≤ 7"
    apart = (
        narrow.where(wide, False).where(longer, True),
        narrow.where(wide, True).where(Guard(H - 2 * W, ">="), True),
    )
    assert len(joined(apart)) == 2


def test_conditions_of_one_form_are_asked_once() -> None:
    """A regime said ``HW = 1, HW >= 16``, which is nowhere."""
    bounds = {"H": (1, 8), "W": (1, 8)}
    whole, one, many = Range(bounds).whole(), Guard(H * W - 5, "=="), Guard(H * W - 16, ">=")
    assert whole.where(one, True).where(many, True).empty() is True
    assert whole.where(many, True).where(one, True).empty() is True
    assert whole.where(many, False).where(one, True).others == ((one, True),)
    assert whole.where(one, True).where(Guard(4 - H * W, ">="), False).others == ((one, True),)
    rng = random.Random(0)
    for _ in range(400):
        region, conditions = whole, []
        for _ in range(rng.randint(2, 4)):
            form = rng.choice((1, -1)) * rng.choice((H * W, H * W, H + W)) + rng.randint(-20, 20)
            conditions.append((Guard(form, rng.choice(("==", ">="))), rng.random() < 0.5))
            region = region.where(*conditions[-1])
        for h, w in product(range(1, 9), repeat=2):
            point = {"H": h, "W": w}
            assert (point in region) == all(guard.holds(point) == outcome for guard, outcome in conditions)


def test_a_region_without_another() -> None:
    whole = Range({"H": (1, 40), "W": (1, 40)}).whole()
    guards = [
        Guard(H - 12, ">="),
        Guard(remainder(W, 3), "=="),
        Guard(W - 20, ">="),
        Guard(H - W, ">="),
        Guard(H * 2 - W, "=="),
    ]
    rng = random.Random(3)
    for _ in range(40):
        one, other = whole, whole
        for guard in guards:
            one = one.where(guard, rng.random() < 0.5) if rng.random() < 0.4 else one
            other = other.where(guard, rng.random() < 0.5) if rng.random() < 0.4 else other
        parts = one.without(other)
        for h, w in product(range(1, 41), repeat=2):
            point = {"H": h, "W": w}
            assert sum(point in part for part in parts) == (point in one and point not in other)


def test_bounds_of_factors_decide_a_product() -> None:
    whole = Range({"H": (1, 4096), "W": (1, 4096)}).whole()
    large = whole.where(Guard(H - 16, ">="), True).where(Guard(W - 8, ">="), True)
    quarters = floor_div(H, 4) * floor_div(W, 4)
    assert large.where(Guard(quarters - 7, "=="), True).empty() is True
    assert large.where(Guard(quarters - 8, "=="), True).empty() is False
    assert large.where(Guard(quarters - 8, ">="), False).empty() is True
    assert large.where(Guard(3000 - quarters, ">="), False).empty() is False
    assert large.where(Guard(quarters - 2 * H - 1025, "=="), True).empty() is not True
    assert whole.where(Guard(floor_div(H - 3, 4) * W - 7, "=="), True).empty() is not True, "a factor below 0"


@pytest.mark.parametrize("seed", range(20))
def test_a_comparison_of_forms_is_right(seed: int) -> None:
    """Against every size of a small range."""
    rng = random.Random(seed)
    values = range(1, 41)
    region = Range({"H": (1, 40), "W": (1, 40)}).whole()
    for name in ("H", "W"):
        region = region.where(Guard(remainder(symbols(name)[0], rng.choice((2, 3, 4))), "=="), rng.random() < 0.5)
    parts = [floor_div(x + rng.randrange(6), rng.choice((2, 3, 4, 6))) for x in (H, H, W, W)]
    form = (
        parts[0] * parts[2] - parts[1] * parts[3] * rng.choice((0, 1)) - rng.randrange(3) * (parts[0] - parts[1])
    )
    true = all(form.at({"H": a, "W": b}) == 0 for a in values for b in values if {"H": a, "W": b} in region)
    assert vanishes(form, region, rng) is true


def test_forms_are_compared_where_they_have_a_value() -> None:
    """Windows of a quarter of the channels: with fewer than four nothing is divided by them."""
    h, C = symbols("h C")
    whole = Range({"h": (1, 4096), "C": (1, 4096)}).whole()
    forms = floor_div(h * C, floor_div(C, 4)), h + 4
    assert whole.most(forms, random.Random(0)) == forms
    assert whole.most((*forms, h), random.Random(0)) == forms
    assert regions.equal_on(forms, (*forms, h), whole) is None
    assert regions.equal_on(forms, (forms[0], h), whole) is False
    never = Range({"h": (1, 9), "C": (1, 3)}).whole()
    assert never.most(forms, random.Random(0)) == forms


def test_a_condition_is_said_once() -> None:
    """That there is a window and that the grid is as high as one are the same."""
    h, C = symbols("h C")
    whole = Range({"h": (1, 4096), "C": (1, 4096)}).whole()
    region = whole.where(Guard(floor_div(h, C) - 1, ">="), True).where(Guard(h - C, ">="), True)
    found = where([region])
    assert found is not None
    assert spell(found, "text") == "h ≥ C"


def test_domains_are_written_as_people_write_them() -> None:
    whole = Range({"H": (1, 4096), "W": (1, 4096)}).whole()
    tall, wide = Guard(H - 193, ">="), Guard(W - 193, ">=")
    both = whole.where(tall, True).where(wide, True)
    assert domain([both]).text == "H ≥ 193, W ≥ 193"
    assert domain([both.where(Guard(remainder(H, 4), "=="), True)]).text == "4 | H, H ≥ 196, W ≥ 193"
    assert domain([whole]).text == ""
    split = [whole.where(tall, False), whole.where(tall, True).where(wide, False)]
    assert set(domain(split).text.split("; or ")) == {"H ≤ 192", "W ≤ 192"}
    few, even = whole.where(tall, False), whole.where(Guard(remainder(H, 2), "=="), True).where(tall, True)
    assert domain([few, even]).text == "(H ≤ 192 or 2 | H and H ≥ 194)"
    most = [whole.where(Guard(remainder(H, 12) - 3, ">="), True).where(Guard(remainder(H, 12) - 5, "=="), False)]
    assert domain(most).text == "H mod 12 ∈ {3, 4, 6, …, 11}"
    assert domain(most).latex == r"H \bmod 12 \in \{3, 4, 6, \dots, 11\}"
    area = whole.where(Guard(H * W - 1000001, ">="), False)
    assert domain([area]).python == "1000000 >= H*W"


@pytest.mark.parametrize("seed", range(30))
def test_what_is_written_is_the_set(seed: int) -> None:
    """The Python expression of a union of regions is true exactly in it."""
    rng = random.Random(seed)
    extent = Range({"H": (1, 60), "W": (1, 60)})
    regions = []
    for _ in range(rng.randrange(1, 4)):
        region = extent.whole()
        for _ in range(rng.randrange(1, 4)):
            x = rng.choice((H, W))
            guard = rng.choice(
                (
                    Guard(x - rng.randrange(60), ">="),
                    Guard(remainder(x, rng.choice((2, 3, 5))), "=="),
                    Guard(remainder(x, 11) - rng.randrange(1, 11), ">="),
                    Guard(H - W, ">="),
                )
            )
            region = region.where(guard, rng.random() < 0.6)
        regions.append(region)
    code = compile(domain(regions).python, "when", "eval")
    for a in range(1, 61):
        for b in range(1, 61):
            point = {"H": a, "W": b}
            assert bool(eval(code, dict(point))) == any(point in region for region in regions)


@pytest.mark.parametrize("seed", range(40))
def test_two_products_are_compared_letter_by_letter(seed: int) -> None:
    """Where one ratio is the largest there is: the part is the same, and has no condition on both letters."""
    rng = random.Random(seed)
    low = rng.choice((1, 8))
    extent = Range({"H": (low, 50), "W": (low, 40)})

    def ends(x: Polynomial) -> tuple[Polynomial, Polynomial]:
        step, inner = rng.choice((2, 3, 4)), rng.choice((1, 2))
        less, more = floor_div(x + rng.randrange(2), step * inner) * step, floor_div(x + rng.randrange(2), inner)
        return (less, more) if rng.random() < 0.8 else (floor_div(x - 1, step), ceil_div(x - 1, step))

    (a, c), (b, d) = ends(H), ends(W)
    guard = Guard(a * b - c * d if rng.random() < 0.7 else c * d - a * b, rng.choice(("==", ">=")))
    region = extent.whole().where(Guard(remainder(H, 3) - 1, ">="), rng.random() < 0.5)
    for outcome in (True, False):
        part = region.where(guard, outcome)
        for h in range(low, 51):
            for w in range(low, 41):
                point = {"H": h, "W": w}
                assert (point in part) == (point in region and guard.holds(point) == outcome), (guard, point)


def test_what_divides_both_sides_is_said_of_each() -> None:
    """As of CoAtNet, with pooled sides as long as strided ones, and of Hiera, whose windows have to fit."""
    whole = Range({"H": (1, 4096), "W": (1, 4096)}).whole()
    large = whole.where(Guard(H - 4, ">="), True).where(Guard(W - 4, ">="), True)
    up, down = (f(x - 1, 16) if f is ceil_div else f(x + 1, 16) for x, f in ((H, ceil_div), (H, floor_div)))
    across, along = ceil_div(W - 1, 16), floor_div(W + 1, 16)
    both = large.where(Guard(up * across - down * along, "=="), True)
    assert domain([both]).text == "H mod 16 ∈ {0, 1, 15}, H ≥ 15, W mod 16 ∈ {0, 1, 15}, W ≥ 15"
    fits = Guard(64 * floor_div(H, 32) * floor_div(W, 32) - floor_div(H, 4) * floor_div(W, 4), ">=")
    fitting = large.where(fits, True)
    assert domain([fitting]).text == "H mod 32 ∈ {0, …, 3}, H ≥ 32, W mod 32 ∈ {0, …, 3}, W ≥ 32"
    assert domain([fitting.where(Guard(remainder(H, 4), "=="), True)]).text.startswith("32 | H, ")
    beside = large.where(Guard(remainder(H, 32), "=="), True).where(fits, False)
    assert domain([beside]).text == "32 | H, W mod 32 ∈ {4, …, 31}"


# -- modules ------------------------------------------------------------------------------------------


class Branch(nn.Module):
    """All pairs up to 3000 tokens, a linear map beyond."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(x) if x.shape[1] > 3000 else self.a(x) @ x.transpose(1, 2)


class Padded(nn.Module):
    """Windows of 7, padded only where they do not divide, as Swin's code pads."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 4, 4, stride=4)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] % 4:
            x = F.pad(x, (0, 0, 0, 4 - x.shape[2] % 4))
        if x.shape[3] % 4:
            x = F.pad(x, (0, 4 - x.shape[3] % 4))
        x = self.c(x)
        x = F.pad(x, (0, -x.shape[3] % 7, 0, -x.shape[2] % 7))
        b, c, h, w = x.shape
        x = x.view(b, c, h // 7, 7, w // 7, 7).permute(0, 2, 4, 3, 5, 1).reshape(-1, 49, c)
        return x @ x.transpose(1, 2)


class Half(nn.Module):
    """Sizes by floats, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        x = F.interpolate(x, size=(int(h * 0.5), int(w * 0.5)), mode="bilinear")
        return self.b(F.interpolate(self.a(x), scale_factor=2))


class Area(nn.Module):
    """A branch on the product of two sides."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x[..., ::2, ::2] if x.shape[-1] * x.shape[-2] > 100000 else x)


class Forgets(nn.Module):
    """Overwrites a setting in forward, as transformers' Swin does with its window."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 100
        self.l = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        self.most = min(self.most, x.shape[1])
        return self.l(x[:, : self.most])


class Table(nn.Module):
    """A table of 100 positions, whose end the meta device does not see."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Embedding(100, 8)
        self.l = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.l(x + self.places(torch.arange(x.shape[1], device=x.device).unsqueeze(0)))


class Loop(nn.Module):
    """As many layers as tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        for i in range(x.shape[1]):
            x = x + self.l(x[:, i : i + 1])
        return x


class Two(nn.Module):
    """Two branches that matter together: four regimes."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 8)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x = self.l(x) if x.shape[1] > 50 else x
        return self.l(self.l(y)).sum() + x.sum() if y.shape[1] > 70 else self.l(y).sum() + x.sum()


def fixed(make: type[nn.Module], inputs: tuple[Input, ...]) -> Fixed:
    return Fixed([make().to("meta")], Inputs(inputs))


def explored(make: type[nn.Module], inputs: tuple[Input, ...], bounds: Mapping[str, tuple[int, int]]) -> Any:
    program = fixed(make, inputs)

    def count(point: Mapping[str, int]) -> int | None:
        try:
            return program.counts(point).macs
        except Exception:
            return None

    start = {name: min(low + 210 + 7 * i, high) for i, (name, (low, high)) in enumerate(bounds.items())}
    return Explorer(program.execute, count, Range(bounds)).explore([start]), count


def check_everywhere(found: Any, count: Any, points: list[dict[str, int]]) -> None:
    """Every size has its regime, and the regime its count."""
    for point in points:
        regime = found.at(point)
        assert regime is not None, point
        expected = None if regime.refused else regime.leader.execution.macs.at(point)
        real = isinstance(regime.leader.execution.error, IndexError)  # the counter does not see where a table ends
        assert real or expected == count(point), point


SQUARE = {"H": (1, 1024), "W": (1, 1024)}


@pytest.mark.parametrize(
    ("make", "forms"),
    [
        (
            Padded,
            {
                9 * 4 * 16 * 0
                + 192 * ceil_div(H, 4) * ceil_div(W, 4)
                + 49 * 49 * 4 * ceil_div(H, 28) * ceil_div(W, 28)
            },
        ),
        (Half, None),
        (Area, {216 * ceil_div(H, 2) * ceil_div(W, 2), 216 * ceil_div(H, 4) * ceil_div(W, 4)}),
    ],
)
def test_images(make: type[nn.Module], forms: set[Polynomial] | None) -> None:
    found, count = explored(make, IMAGE, SQUARE)
    assert not found.open
    if forms is not None:
        assert {r.leader.execution.macs for r in found.regimes if not r.refused} == forms
    rng = random.Random(3)
    points = [{"H": rng.randrange(1, 1025), "W": rng.randrange(1, 1025)} for _ in range(40)]
    check_everywhere(
        found, count, points + [{"H": a, "W": b} for a in (1, 2, 28, 29, 223) for b in (1, 3, 4, 224)]
    )


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (Branch, {"N ≥ 3001": 16 * N, "N ≤ 3000": 64 * N + 8 * N**2}),
        (Forgets, {"N ≥ 100": as_polynomial(6400), "N ≤ 99": 64 * N}),
        (Table, {"N ≤ 100": 64 * N, "N ≥ 101": None}),
    ],
)
def test_sequences(make: type[nn.Module], expected: dict[str, Polynomial | None]) -> None:
    found, count = explored(make, ROWS, {"N": (1, 65536)})
    got = {domain(r.regions).text: None if r.refused else r.leader.execution.macs for r in found.regimes}
    assert got == expected
    assert not found.open
    check_everywhere(found, count, [{"N": n} for n in (1, 2, 99, 100, 101, 500, 2999, 3000, 3001, 65536)])


def test_branches_that_matter_together() -> None:
    found, count = explored(Two, (Input((1, "N", 8)), Input((1, "M", 8))), {"N": (1, 300), "M": (1, 300)})
    assert len(found.regimes) == 4
    check_everywhere(found, count, [{"N": n, "M": m} for n in (50, 51) for m in (70, 71)])


def test_a_loop_is_no_form() -> None:
    with pytest.raises(HeldError, match="N: a loop"):
        explored(Loop, ROWS, {"N": (1, 65536)})


def test_a_module_is_as_it_was_built_for_every_run() -> None:
    program = fixed(Forgets, ROWS)
    program.counts({"N": 5})
    assert program.module.most == 100
    assert program.execute({"N": 60}).macs == 64 * N


# -- planted mistakes -----------------------------------------------------------------------------------


def test_a_wrong_rule_is_caught_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    right = RULES["conv2d"]
    monkeypatch.setitem(RULES, "conv2d", lambda *a, **k: [side + 1 for side in right(*a, **k)])
    with pytest.raises(BeyondError, match="conv2d: its rule says"):
        explored(Area, IMAGE, SQUARE)


def test_a_wrong_price_is_caught_by_the_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    right = PRICES["linear"]
    monkeypatch.setitem(PRICES, "linear", lambda *a, **k: [*right(*a, **k), Product(*map(constant, (1, 0, 0)))])
    with pytest.raises(BeyondError, match="the counter sees"):
        explored(Branch, ROWS, {"N": (1, 4096)})


def test_a_floor_that_is_wrong_beyond_the_first_run_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A form that gives the number of its own run and no other: counts elsewhere refute it."""
    right = PRICES["conv2d"]

    def price(out: Any, x: Tensor, *args: Any, **kwargs: Any) -> list[Product]:
        (made,) = right(out, x, *args, **kwargs)
        side = out[2]
        return [made if not isinstance(side, Size) else made._replace(macs=made.macs + side.form - side.value)]

    monkeypatch.setitem(PRICES, "conv2d", price)
    found, _ = explored(Area, IMAGE, SQUARE)
    assert found.open, "a form that counts refute is never whole"


def test_without_counts_two_idle_branches_would_hide_a_third(monkeypatch: pytest.MonkeyPatch) -> None:
    """A branch that only two others together reach: one flip at a time does not see it, the counts do."""

    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.l = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            y = self.l(x)
            short, odd = x.shape[1] <= 400, x.shape[1] % 2 == 1
            if short:
                y = y * 1
            if odd:
                y = y * 1
                return self.l(y) if short else y
            return y

    found, count = explored(Hidden, ROWS, {"N": (1, 1000)})
    check_everywhere(found, count, [{"N": n} for n in range(1, 1001, 7)])


# -- what a user sees ------------------------------------------------------------------------------------


def test_the_answer() -> None:
    result = vpcalc.derive(Padded, "1,3,H,W", quantity="macs")
    assert isinstance(result, Executed)
    found = result.to_dict()
    assert found["complete"] is True
    assert found["range"] == {"H": [1, 4096], "W": [1, 4096]}
    assert found["macs"]["text"] == "97HW/4"  # 12HW and 49·4·HW/16
    assert found["valid"] == {"H": 28, "W": 28}
    (regime,) = found["regimes"]
    assert regime["when"] == {"text": "", "latex": "", "python": "True"}
    assert regime["verdict"] == "executed"
    for sizes in ({"H": 1, "W": 1}, {"H": 453, "W": 28}):
        assert eval(regime["macs"]["python"], dict(sizes)) == fixed(Padded, IMAGE).counts(sizes).macs
    assert "executed: holds for every size" in "".join(result.tables()[0].notes)


def test_a_range_is_asked_for() -> None:
    result = vpcalc.derive(Branch, "1,N,8", range={"N": "1:2000"}).to_dict()
    assert (result["range"], len(result["regimes"])) == ({"N": [1, 2000]}, 1)
    for text, message in (("2000", "FROM:TO"), ("5:2", "more than"), ("0:9", "--range N")):
        with pytest.raises(InputError, match=message):
            vpcalc.derive(Branch, "1,N,8", range={"N": text})
    with pytest.raises(InputError, match="symbol of --range"):
        vpcalc.derive(Branch, "1,N,8", range={"M": "1:9"})


def test_a_module_that_is_built_on_symbols() -> None:
    """Channels and heads are letters too."""
    result = vpcalc.derive("torch.nn:Linear", "1,N,C", {"in_features": "C", "out_features": "D"})
    assert isinstance(result, Executed)
    assert str(result.everywhere) == "NCD"
    assert result.to_dict()["params"]["text"] == "CD + D"


class Shrinking(nn.Module):
    """Windows of 7 that shrink to the grid where it is smaller, with a table of biases that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.merge = nn.Conv2d(3, 4, 2, stride=2), nn.Linear(16, 4)
        self.bias = nn.Parameter(torch.zeros(49, 49))

    def windows(self, x: Tensor) -> Tensor:
        _, h, w, _ = x.shape
        side = min(h, w, 7)
        x = F.pad(x, (0, 0, 0, -w % side, 0, -h % side))
        x = x.view(1, x.shape[1] // side, side, x.shape[2] // side, side, 4).transpose(2, 3)
        x = x.reshape(-1, side * side, 4)
        x = (x @ x.mT + self.bias) @ x
        up, across = -(-h // side), -(-w // side)
        x = x.view(1, up, across, side, side, 4).transpose(2, 3).reshape(1, up * side, across * side, 4)
        return x[:, :h, :w]

    def forward(self, x: Tensor) -> Tensor:
        x = self.windows(self.embed(x).movedim(1, -1))
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = torch.cat([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], -1)
        return self.windows(self.merge(x))


def test_windows_that_shrink_are_refused_on_exactly_the_rest() -> None:
    found, count = explored(Shrinking, IMAGE, SQUARE)
    assert not found.open
    (runs,) = (regime for regime in found.regimes if not regime.refused)
    assert domain(runs.regions).text == "H ≥ 26, W ≥ 26"
    rng = random.Random(5)
    points = [{"H": rng.randint(1, most), "W": rng.randint(1, most)} for most in (60, 60, 1024) for _ in range(40)]
    check_everywhere(found, count, points)


class Alternating(nn.Module):
    """Patches of 4, then of 2: in windows of 7, padded where they need it, and against rows that are pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.ModuleList((nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 4, 2, 2)))
        self.pools = nn.ModuleList((nn.Conv2d(4, 4, 8, 8), nn.Conv2d(4, 4, 4, 4)))

    def forward(self, x: Tensor) -> Tensor:
        for patch, pool in zip(self.patches, self.pools, strict=True):
            x = patch(x)
            _, c, h, w = x.shape
            right, below = (7 - w % 7) % 7, (7 - h % 7) % 7
            y = F.pad(x, (0, right, 0, below))
            y = y.view(c, y.shape[2] // 7, 7, y.shape[3] // 7, 7).transpose(2, 3).reshape(-1, 49, c)
            y = (y @ y.mT @ y).view(1, c, h + below, w + right)
            x = x + (y[:, :, :h, :w] if right or below else y)
            rows, pooled = x.flatten(2), pool(x).flatten(2)
            x = (rows.mT @ pooled @ pooled.mT).mT.view(1, c, h, w)
        return x


def test_a_form_of_another_region_holds_in_all() -> None:
    """Where a side needs no padding, ``7⌈h/7⌉`` is written as h: of a dozen forms the padded one is for all."""
    found, count = explored(Alternating, IMAGE, SQUARE)
    runs, refused = found.regimes
    assert not found.open
    assert refused.refused
    assert domain(runs.regions).text == "H ≥ 32, W ≥ 32"
    rng = random.Random(5)
    check_everywhere(found, count, [{"H": rng.randint(1, 1024), "W": rng.randint(1, 1024)} for _ in range(60)])


class Written(nn.Module):
    """Windows of the 32nd part of each side, whose number a mask is looked up by."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 4, 4, stride=4)
        self.masks: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = x.shape[2] // 32, x.shape[3] // 32
        x = self.embed(x)
        for side, parts in ((x.shape[2], rows), (x.shape[3], columns)):
            if parts == 0 or side % parts:
                raise ValueError("windows do not fit")
            self.masks.get(f"{side // parts} of {side}")
        return x.view(1, 4, x.shape[2] // rows, rows, x.shape[3] // columns, columns)


def test_no_size_is_refused_for_a_number_that_none_has_met() -> None:
    """It runs wherever windows fit, with another number each time: at 224 among few sizes that were tried."""
    with pytest.raises(HeldError, match="a number that is written as text"):
        explored(Written, IMAGE, {"H": (1, 4096), "W": (1, 4096)})


class Grouped(nn.Module):
    """Groups of four that are repeated: from 4 samples on they are as many as before where ⌊B/4⌋² = B."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        groups = x.view(min(4, x.shape[0]), -1, *x.shape[1:]).mean(0, keepdim=True)
        each = groups.repeat(groups.shape[1], 1, 1, 1).flatten(0, 1)
        return self.linear(torch.cat([x, each], 1))


def test_what_is_asked_behind_a_refusal_is_followed() -> None:
    """Counts fail at most sizes of that side, and one of them runs."""
    found = vpcalc.derive(Grouped, "B,5,16", range={"B": "1:64"}, quantity="macs").to_dict()
    assert found["complete"]
    (runs,) = (regime for regime in found["regimes"] if "macs" in regime)
    assert [b for b in range(1, 65) if eval(runs["when"]["python"], {}, {"B": b})] == [1, 16]


class Fitting(Shrinking):
    """The same without the table: small grids run too, in windows of their shorter side."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))


@pytest.mark.slow
def test_which_side_is_longer_matters_to_small_grids_only() -> None:
    """A comparison that is idle where windows fit is asked again where they do not."""
    found, count = explored(Fitting, IMAGE, SQUARE)
    rng = random.Random(5)
    points = [{"H": rng.randint(1, most), "W": rng.randint(1, most)} for most in (12, 30, 60) for _ in range(60)]
    check_everywhere(found, count, points)
    assert not found.open
    assert domain(found.regimes[0].regions).text == "H ≥ 30, W ≥ 30"


@pytest.mark.slow
def test_swin_of_transformers_at_every_size() -> None:
    """From one pixel to 4096: one form where its windows fit, and a refusal on exactly the rest."""
    found = vpcalc.derive("transformers:swin", "1,3,H,W", {"num_channels": 3})
    assert isinstance(found, Executed)
    assert found.explored.complete
    assert found.domain.text == "H ≥ 193, W ≥ 193"
    assert [regime.refused for regime in found.regimes] == [False, True]
    rest = found.regimes[1]
    for size in ({"H": 192, "W": 4096}, {"H": 193, "W": 192}, {"H": 1, "W": 1}, {"H": 28, "W": 1000}):
        assert size in rest
    assert {"H": 193, "W": 193} in found.explored.main


def test_what_was_not_found_is_not_nothing() -> None:
    """A form that is not 0 at two sizes in sixteen million is not said to vanish, nor are they said to be none."""
    rare = Range({"H": (1, 4096), "W": (1, 4096)}).whole().where(Guard(H * W - 4093 * 4091, "=="), True)
    assert {"H": 4093, "W": 4091} in rare
    assert rare.empty() is not True
    assert vanishes(H - W, rare, random.Random(1)) is not True


def test_a_condition_and_its_contrary_leave_nothing() -> None:
    whole = Range({"H": (1, 4096), "W": (1, 4096)}).whole()
    one = whole.where(Guard(H - W * floor_div(H, W), "=="), True)
    assert one.empty() is False
    assert one.where(Guard(W * floor_div(H, W) - H, "=="), False).empty() is True


def test_a_set_of_sizes_is_written_exactly() -> None:
    """Sizes that stand apart, periods that begin or end within the range: what is printed is the set."""
    rng = random.Random(4)
    for _ in range(300):
        extent = Range({"N": (rng.randint(1, 9), rng.randint(300, 700))})
        values = extent.values("N")
        period = rng.randint(2, 12)
        rests = rng.sample(range(period), rng.randint(1, period - 1))
        mask = (
            numpy.isin(values % period, rests) & (values >= rng.randint(1, 60)) & (values <= rng.randint(200, 700))
        )
        for size in rng.sample(range(1, 80), rng.randint(0, 4)):
            mask[values == size] ^= True
        python = domain([Region(extent, {"N": mask}, ())]).python
        code = compile(python, "when", "eval")
        assert [bool(eval(code, {"N": int(size)})) for size in values] == mask.tolist(), python
    extent = Range({"N": (1, 99)})
    mask = numpy.isin(extent.values("N"), [3, *range(10, 100, 2)])
    small = domain([Region(extent, {"N": mask}, ())])
    assert small.text == "(N = 3 or 2 | N and N ≥ 10)"


PRIVATE = ("torch._", "torch.nn.init._", "sym_node", "SymNode", "._C", "_cdata", "_sequence_nr")
THEIR_FILES = {"private.py", "hooks.py", "nodes.py"}


def test_private_names_of_torch_are_in_three_files() -> None:
    for path in sorted(Path(vpcalc.__file__).parent.rglob("*.py")):
        if path.name in THEIR_FILES or "peers" in path.parts:
            continue
        lines = [
            line
            for line in path.read_text(encoding="utf-8").splitlines()
            if ("import" in line or "torch." in line) and "torch.ops.aten._" not in line
        ]
        assert not [line for line in lines if any(name in line for name in PRIVATE)], path.name


@pytest.mark.parametrize(("version", "executed"), [("2.12.1", False), ("2.13.0+cpu", True), ("3.0.0a0", True)])
def test_an_older_torch_counts_and_says_so(version: str, executed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", version)
    found = vpcalc.derive(lambda: nn.Linear(8, 4), "N,8")
    assert str(found.macs) == "32N"
    assert isinstance(found, Executed) is executed
    if not isinstance(found, Executed):
        assert found.why == "runs on symbols are tried with torch 2.13 and later"


def test_what_one_path_pads_and_another_does_not_is_one_comparison() -> None:
    """``⌈⌈N/2⌉/2⌉…`` is written in another way on each path: with flips of each of them paths would multiply."""

    class Halving(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList(nn.Conv1d(4, 4, 2, stride=2) for _ in range(6))

        def forward(self, x: Tensor) -> Tensor:
            for part in self.parts:
                x = part(F.pad(x, (0, 1)) if x.shape[2] % 2 else x)
            return x

    program = Fixed([Halving()], Inputs([Input((1, 4, "N"))]))
    explorer = Explorer(program.execute, lambda p: program.counts(p).macs, Range({"N": (1, 4096)}))
    found = explorer.explore([{"N": 453}])
    (regime,) = found.regimes
    assert found.runs <= 2 * 6  # of 64 paths
    form = regime.leader.execution.macs
    for size in (1, 2, 3, 63, 64, 65, 1001, 4096):
        assert form.at({"N": size}) == 32 * sum(-(-size // 2**step) for step in range(1, 7))


def test_masks_are_arrays_of_bits() -> None:
    extent = Range({"N": (1, 64)})
    assert numpy.array_equal(extent.mask(Guard(N - 33, ">=")), numpy.arange(1, 65) >= 33)


RATIOS: dict[str, Any] = {
    "near": lambda h, w: abs(h / w - 1) < 0.1,
    "near, otherwise": lambda h, w: abs(1 - h / w) <= 0.25,
    "scaled": lambda h, w: h / w * 3 + 0.5 > 2.2,
    "under": lambda h, w: 1 - h / w / 2 >= 0.3,
    "whole": lambda h, w: math.floor(h / w * 4) % 2 == 0 if type(h) is int else (h / w * 4).floor() % 2 == 0,
    "equal": lambda h, w: h / w * 10 == 11,
    "plain": lambda h, w: h / w > 1.1,
    "below 0": lambda h, w: h / w < -1.5,
}


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", mostly_slow(RATIOS, quick=4))
def test_a_ratio_is_compared_as_floats_are(name: str) -> None:
    """What is decided at a size is so at all sizes that answer alike what was noted."""
    decide = RATIOS[name]
    for h, w in ((11, 10), (9, 10), (10, 11), (7, 7), (5, 4), (17, 30), (14, 10), (110, 100), (3, 40), (21, 29)):
        path = Decisions()
        truth = decide(size("H", h, path), size("W", w, path))
        assert truth == decide(h, w)
        assert not path.held
        notes = list(path)
        alike = 0
        for a, b in product(range(1, 90), repeat=2):
            if all(note.guard.holds({"H": a, "W": b}) == note.outcome for note in notes):
                alike += 1
                assert decide(a, b) == truth, (a, b)
        assert alike > 1
