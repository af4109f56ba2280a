"""Forms that hold at every size, against runs on ints: on and off every lattice, refused sizes included."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from vpcalc.algebra import cases, symbols
from vpcalc.algebra.domains import Domain, Where, at_least, divides, dividing_on, positive, union
from vpcalc.algebra.elimination import impossible
from vpcalc.algebra.exploring import explore
from vpcalc.algebra.floors import ceil_div, floor_div, on_lattice
from vpcalc.algebra.polynomial import constant
from vpcalc.algebra.traced import Traced, lowest
from vpcalc.architectures import ARCHITECTURES
from vpcalc.architectures.registry import first_of_each
from vpcalc.cost import Cost, Quantity
from vpcalc.dims import smallest
from vpcalc.errors import InputError
from vpcalc.everywhere import Regime, form_at, layer_run, model_run, regimes
from vpcalc.layers import LAYERS
from vpcalc.symbolic import SYMBOL_OF

COUNTED = (Quantity.MACS, Quantity.PARAMS, Quantity.FVCORE, Quantity.ACTIVATIONS)

H, W, M, h, w, C, a = symbols("H W M h w C a")


# -- the registry ------------------------------------------------------------------------------------


def hold_against_runs(
    found: Iterable[Regime], points: Iterable[Mapping[str, int]], quantity: Quantity, build: Callable[..., Cost]
) -> int:
    """At each point exactly one regime holds, and says what the run on ints says; how many points were refused."""
    compiled = [
        (
            regime,
            compile(regime.when.spell("python"), "when", "eval"),
            regime.form and compile(regime.form.python, "form", "eval"),
        )
        for regime in found
    ]
    refused = 0
    for point in points:
        holding = [
            (regime, form) for regime, when, form in compiled if eval(when, {"__builtins__": {}}, dict(point))
        ]
        assert len(holding) == 1, (point, [str(regime.when) for regime, _ in holding])
        ((regime, form),) = holding
        assert regime.when.where.holds(point)
        if form is None:
            assert regime.refused, (point, "undecided")
            refused += 1
            with pytest.raises(InputError):
                build(point)
        else:
            value = eval(form, {"__builtins__": {}}, dict(point))
            assert value == build(point).total(quantity), (point, str(regime.form))
    return refused


def sizes_of(
    dice: random.Random, axes: tuple[str, ...], native: tuple[int, ...], number: int
) -> list[dict[str, int]]:
    """Near the native size, on multiples of it, small, long and thin, anywhere, and around known edges."""
    high = 4096 if len(axes) > 1 and axes[0] == "H" else 65536
    edges = (24, 25, 28, 29, 31, 32, 33, 48, 49, 96, 97, 192, 193, 223, 224, 225, 384)
    draws: list[Callable[[int], int]] = [
        lambda size: dice.choice(edges),
        lambda size: size * dice.randint(1, 4),
        lambda size: dice.randint(1, 64),
        lambda size: dice.randint(1, high),
        lambda size: max(1, size + dice.randint(-9, 9)),
    ]
    return [
        {axis: dice.choice(draws)(size) for axis, size in zip(axes, native, strict=True)} for _ in range(number)
    ]


def check_model(id: str, number: int, quantities: Iterable[Quantity] = COUNTED) -> None:
    architecture = ARCHITECTURES[id]
    axes = architecture.family.axes
    points = sizes_of(random.Random(id), axes, architecture.sizes, number)
    run, letters = model_run(architecture, architecture.config)
    costs = remembered(lambda point: architecture.cost(tuple(point[axis] for axis in axes)))
    for quantity in quantities:
        found = regimes(run, letters, quantity)
        assert found[0].form is not None
        hold_against_runs(found, points, quantity, costs)


def remembered(build: Callable[[Mapping[str, int]], Cost]) -> Callable[[Mapping[str, int]], Cost]:
    """Each point is run once for all quantities; refusals are raised each time."""
    known: dict[tuple[int, ...], Cost] = {}

    def cost(point: Mapping[str, int]) -> Cost:
        key = tuple(point.values())
        if key not in known:
            known[key] = build(point)
        return known[key]

    return cost


FIRST = {family: architecture.id for family, architecture in first_of_each().items()}
MORE = ("swin_b_384", "vit_b_16", "pvt_v2_b2_li", "resnet50_v1", "vgg11_bn", "lstm")
"""Beside the first of each family, what makes another run of it."""


@pytest.mark.quick(2)
@pytest.mark.parametrize("id", [*FIRST.values(), *MORE])
def test_the_form_of_a_model_is_what_runs_at_any_size(id: str) -> None:
    check_model(id, 24)


@pytest.mark.slow
@pytest.mark.parametrize("id", list(ARCHITECTURES))
def test_the_form_of_every_model_is_what_runs_at_any_size(id: str) -> None:
    check_model(id, 120)


@pytest.mark.quick(20)
@pytest.mark.parametrize("id", list(LAYERS))
def test_the_form_of_a_layer_is_what_runs_at_any_size(id: str) -> None:
    dice = random.Random(id)
    run, letters = layer_run(id)
    names = {SYMBOL_OF.get(name, name): name for name in LAYERS[id].dims}

    def build(point: Mapping[str, int]) -> Cost:
        return LAYERS[id].build(**{names[letter]: value for letter, value in point.items()})

    def draw() -> dict[str, int]:
        point = {letter: dice.choice((dice.randint(1, 6), dice.randint(1, 200))) for letter in letters}
        if "a" in point and "C" in point and dice.random() < 0.7:
            point["C"] *= point["a"]
        return point

    points = [draw() for _ in range(60)]
    for quantity in COUNTED:
        refused = hold_against_runs(regimes(run, letters, quantity), points, quantity, build)
        assert refused < len(points)


def test_what_a_layer_refuses_is_a_regime() -> None:
    found = regimes(*layer_run("sra"), Quantity.MACS)
    assert [str(regime.when) for regime in found if regime.form] == ["R ≥ 2, h ≥ R, w ≥ R, a | C", "R = 1, a | C"]
    assert all(regime.form or regime.refused for regime in found)
    assert not any("= R" in regime.refused for regime in found)


def test_windows_are_clipped_to_the_shorter_side() -> None:
    found = regimes(*layer_run("wmsa"), Quantity.MACS)
    assert found[0].form is not None
    assert found[0].form.polynomial == (4 * M**2 * C**2 + 2 * M**4 * C) * ceil_div(h, M) * ceil_div(w, M)
    assert str(found[0].when) == "h ≥ M, w ≥ M, a | C"
    assert len([regime for regime in found if regime.form]) == 3


def test_swin_has_one_form_from_its_last_windows_on() -> None:
    """Stage 4 has a window of its own from ⌈H/32⌉ = 7 on; below, for each stage, one form a shorter side."""
    found = regimes(*model_run(ARCHITECTURES["swin_t"], ARCHITECTURES["swin_t"].config), Quantity.MACS)
    assert str(found[0].when) == "H ≥ 193, W ≥ 193"
    assert len(found) == 9
    assert found[0].form is not None
    assert found[0].form.polynomial.at({"H": 800, "W": 1280}) == 95_564_018_688
    assert found[0].form.polynomial.at({"H": 224, "W": 224}) == 4_490_566_656


def test_a_window_that_is_an_expression_is_refused_where_it_is_not_whole() -> None:
    architecture = ARCHITECTURES["swin_t"]
    config = architecture.configure({"M": "h/8", "depths": (2, 2), "heads": (3, 6)})
    run, letters = model_run(architecture, config)
    points = [{"H": 256 * k, "W": size} for k in (1, 2, 3) for size in (256, 300, 512)]
    points += [{"H": size, "W": 256} for size in (1, 200, 255, 250, 253, 257, 510, 1024)]
    found = regimes(run, letters, Quantity.MACS)
    refused = hold_against_runs(
        found, points, Quantity.MACS, lambda point: architecture.cost((point["H"], point["W"]), config)
    )
    assert 0 < refused < len(points)


def test_one_run_gives_the_form_around_a_size() -> None:
    architecture = ARCHITECTURES["swin_t"]
    run, _ = model_run(architecture, architecture.config)
    small = form_at(run, {"H": 100, "W": 60}, Quantity.MACS)
    assert small.form is not None
    assert small.when.where.holds({"H": 100, "W": 60})
    assert small.form.polynomial.at({"H": 100, "W": 60}) == architecture.cost((100, 60)).total(Quantity.MACS)
    assert not small.when.where.holds({"H": 224, "W": 224})


# -- traced sizes ------------------------------------------------------------------------------------


def outcomes(decide: Callable[[dict[str, Traced]], Any], letters: str) -> dict[str, list[Domain]]:
    found = explore(decide, tuple(letters))
    assert not found.undecided
    by: dict[str, list[Domain]] = {}
    for leaf in found.leaves:
        by.setdefault(str(leaf.outcome), []).append(leaf.domain)
    return by


def said(domains: Iterable[Domain]) -> str:
    return cases.conditions.spell(union(domains), "text")


def test_every_decision_is_a_guard_and_both_sides_are_run() -> None:
    found = outcomes(lambda s: "short" if -(-s["H"] // 4) <= 7 else "long", "H")
    assert {key: said(domains) for key, domains in found.items()} == {"short": "H ≤ 28", "long": "H ≥ 29"}


def test_equality_and_remainders_are_decided() -> None:
    assert said(outcomes(lambda s: s["H"] == 5, "H")["True"]) == "H = 5"
    assert said(outcomes(lambda s: s["H"] != 5, "H")["True"]) == "H ≤ 4 or H ≥ 6"
    assert said(outcomes(lambda s: bool(s["H"] - 3), "H")["False"]) == "H = 3"
    assert said(outcomes(lambda s: not s["H"] <= 3, "H")["True"]) == "H ≥ 4"
    assert said(outcomes(lambda s: s["H"] - s["W"] > 2, "HW")["True"]) == "H ≥ W + 3"


def test_the_smaller_of_two_like_sizes_is_decided_by_their_letters() -> None:
    def side(s: dict[str, Traced]) -> Any:
        return lowest(-(-s["H"] // 4), -(-s["W"] // 4))

    found = outcomes(side, "HW")
    assert {key: said(domains) for key, domains in found.items()} == {"⌈H/4⌉": "W ≥ H", "⌈W/4⌉": "H > W"}
    assert smallest(3, 5) == 3


def test_a_falling_size_is_not_taken_for_a_growing_one() -> None:
    """9 − ⌊H/4⌋ is smaller where H is larger: the letters' order must not decide."""

    def side(s: dict[str, Traced]) -> int:
        low = smallest(100 - s["H"] // 4, 100 - s["W"] // 4)
        return min(100 - s["H"].value // 4, 100 - s["W"].value // 4) - low.value

    assert side(_sizes(H=40, W=8)) == 0
    assert side(_sizes(H=8, W=40)) == 0


def _sizes(**values: int) -> dict[str, Traced]:
    kept: list[dict[str, Traced]] = []
    from vpcalc.algebra.exploring import run_at

    run_at(lambda sizes: kept.append(sizes), values)
    return kept[0]


def test_traced_arithmetic_is_pythons_and_its_forms() -> None:
    dice = random.Random(3)
    for _ in range(300):
        x, y = dice.randint(1, 90), dice.randint(1, 30)
        s = _sizes(H=x, W=y)
        A, B = s["H"], s["W"]
        for made, value in (
            (A + B - 3, x + y - 3),
            (4 - A, 4 - x),
            (2 * A * B, 2 * x * y),
            (A**2 - B, x**2 - y),
            (A // 7 + A % 7, x // 7 + x % 7),
            (A // B, x // y),
            (A % B, x % y),
            (100 // B, 100 // y),
            (100 % B, 100 % y),
            (-(-A // 4), -(-x // 4)),
        ):
            assert made.value == value
            assert made.form.at({"H": x, "W": y}) == value


def test_a_traced_size_is_no_key_and_no_count() -> None:
    size = _sizes(H=3)["H"]
    with pytest.raises(TypeError):
        hash(size)
    with pytest.raises(TypeError):
        range(size)  # type: ignore[call-overload]


def test_what_no_other_case_has_is_elsewhere() -> None:
    known = cases.Case(union([positive("h") & at_least(h - 5)]), h)
    lines = [known, cases.Case(Where((positive("h"),), elsewhere=True), None, "undecided")]
    assert cases.spell(lines, "text") == "h   (h ≥ 5)\nundecided   (elsewhere)"
    assert r"\text{undecided} & \text{elsewhere}" in cases.spell(lines, "latex")
    assert cases.spell(lines, "python") == "(h) if h >= 5 else None"


# -- domains -----------------------------------------------------------------------------------------


def test_guards_are_resolved_to_their_letters() -> None:
    assert str(at_least(ceil_div(H, 32) - 7).form) == "H − 193"
    assert str(at_least(7 - ceil_div(H, 32)).form) == "−H + 224"
    assert str(at_least(floor_div(h, M) - 1).form) == "h − M" or at_least(floor_div(h, M) - 1).form == h - M
    assert at_least(ceil_div(h, M) - 2).form == h - M - 1
    assert at_least(2 * H - 5).form == H - 3
    assert at_least(2 * floor_div(H, 3) - 5).form == H - 9
    assert at_least(5 - 2 * floor_div(H, 3)).form == 8 - H
    falls = floor_div(H, M - a) - 2  # nobody knows the sign of what it divides by
    assert at_least(falls).form == falls


def test_what_divides_on_a_lattice() -> None:
    tidy = on_lattice(floor_div(H, 2) + W)
    assert tidy is not None
    assert dividing_on(tidy) == [divides(constant(2), H)]


def test_resolved_guards_hold_where_the_guards_do() -> None:
    dice = random.Random(4)
    for _ in range(2_000):
        over = H * dice.choice((1, 2, 3)) + dice.randint(-5, 9)
        form = dice.choice((-3, -2, -1, 1, 2, 3)) * dice.choice((floor_div, ceil_div))(
            over, dice.choice((2, 3, 7))
        )
        form = form + dice.randint(-9, 9)
        if dice.random() < 0.3:
            form = dice.choice((-1, 1)) * dice.choice((floor_div, ceil_div))(H, M) + dice.choice((W, -W, W - M))
        guard = at_least(form)
        for _ in range(8):
            point = {"H": dice.randint(1, 40), "M": dice.randint(1, 9), "W": dice.randint(1, 12)}
            assert guard.holds(point) == (form.at(point) >= 0), (str(form), str(guard.form), point)
            assert guard.negation().holds(point) != guard.holds(point)


def test_emptiness_and_implication_are_exact_for_differences() -> None:
    """Against every point of a box, which holds a point of any domain of such small guards that has one."""
    dice = random.Random(5)
    letters = (H, W, M)
    box = [{"H": x, "W": y, "M": z} for x in range(1, 13) for y in range(1, 13) for z in range(1, 13)]
    empty = 0
    for _ in range(150):
        guards = []
        for _ in range(dice.randint(1, 5)):
            first, second = dice.sample(letters, 2)
            guards.append(
                at_least(dice.choice((first - second, -first, first, second - first)) + dice.randint(-3, 3))
            )
        domain = positive(("H", "W", "M"))
        for guard in guards[1:]:
            domain = domain & guard
        inside = [point for point in box if all(guard.holds(point) for guard in domain.guards)]
        assert domain.empty is (not inside)
        empty += not inside
        if inside:
            assert domain.point is not None
            assert all(guard.holds(domain.point) for guard in domain.guards)
            assert not domain.implies(guards[0]) or all(guards[0].holds(point) for point in inside)
            if all(guards[0].holds(point) for point in inside):
                assert domain.implies(guards[0])
    assert 5 < empty < 145


def test_a_union_has_the_points_of_its_parts_and_no_others() -> None:
    dice = random.Random(6)
    box = [{"H": x, "W": y} for x in range(1, 15) for y in range(1, 15)]
    fewer = 0
    for _ in range(150):
        parts = []
        for _ in range(dice.randint(1, 5)):
            domain = positive(("H", "W"))
            for _ in range(dice.randint(0, 3)):
                form = dice.choice((H, W, -H, -W, H - W, W - H)) + dice.randint(-8, 8)
                domain = domain & dice.choice(
                    (at_least(form), divides(constant(3), H), divides(constant(3), H).negation())
                )
            parts.append(domain)
        together = union(parts)
        fewer += len(together.parts) < len(parts)
        for point in box:
            before = any(all(guard.holds(point) for guard in part.guards) for part in parts)
            assert together.holds(point) == before
    assert fewer > 50


def test_what_is_not_decided_is_said() -> None:
    """H² = 2W² has no solution, which nothing here can know: neither side is made up."""
    found = explore(lambda s: s["H"] * s["H"] == 2 * s["W"] * s["W"], ("H", "W"))
    assert {leaf.outcome for leaf in found.leaves} == {False}
    assert found.undecided


def test_what_sums_of_bounds_show_to_be_empty_has_no_point() -> None:
    h, r, q, k = symbols("h r q k")
    odd, sides = k - 2 * floor_div(k, 2), floor_div(h, 4)
    assert impossible([h - 4 * r + 3, r - 2 * q + 1, 8 * q - 8 - h])  # no two of them contradict
    assert not impossible([h - 4 * r + 3, r - 2 * q + 1, 8 * q - 7 - h])
    assert impossible([odd - sides, h - 8])
    assert not impossible([odd - sides, h - 7])
    assert impossible([h - 1 - r * ceil_div(h, r)])
    assert not impossible([r * ceil_div(h, r) - h - 1])
    tokens, wide = floor_div(h, 32) * floor_div(k, 32), [r - 1, h - 32 * r, k - 32]
    assert impossible([*wide, r - 1 - tokens])  # a grid of a row at least has as many tokens as it is wide
    assert not impossible([*wide, r - tokens])
    dice, empty = random.Random(3), 0
    parts = (h, r, q, h * r, floor_div(h, 3), ceil_div(q, r), r * floor_div(h, 3))
    for _ in range(150):
        forms = [
            sum((part * dice.randint(-2, 2) for part in parts), constant(dice.randint(-6, 6))) for _ in range(5)
        ]
        if impossible([h - 1, r - 1, q - 1, *forms]):
            empty += 1
            for point in itertools.product(range(1, 8), repeat=3):
                assert any(form.at(dict(zip("hrq", point, strict=True))) < 0 for form in forms)
    assert 10 < empty < 140
