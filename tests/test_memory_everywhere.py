"""Bytes in closed form at every size: against the descriptions on numbers, which PyTorch agrees with elsewhere."""

from __future__ import annotations

import random
from typing import Any

import numpy
import pytest

import vpcalc
from vpcalc.algebra.polynomial import symbol
from vpcalc.architectures import ARCHITECTURES
from vpcalc.errors import InputError
from vpcalc.execution.domains import in_part, where
from vpcalc.execution.regions import Range, Region
from vpcalc.layers import LAYERS
from vpcalc.storage.footprint import Footprint, layer_footprint, model_footprint
from vpcalc.storage.parts import figure
from vpcalc.storage.quantities import MemoryQuantity
from vpcalc.symbolic import SYMBOL_OF

from .conftest import Run


def taken(id: str, sizes: dict[str, int]) -> Footprint | None:
    """What it takes, on plain numbers; None where it is refused."""
    try:
        if id in LAYERS:
            return layer_footprint(id, {name: sizes[SYMBOL_OF.get(name, name)] for name in LAYERS[id].dims})
        family = ARCHITECTURES[id].family
        return model_footprint(family, tuple(sizes[axis] for axis in family.axes), ARCHITECTURES[id].config, 1)
    except InputError:
        return None


def check(id: str, quantity: str, points: list[dict[str, int]]) -> vpcalc.answers.formula.Formula:
    """Every size is in one regime, or several with one value, whose form is what was taken."""
    found = vpcalc.formula(id, quantity=quantity, everywhere=True)
    for point in points:
        there = [regime for regime in found.regimes if regime.when.where.holds(point)]
        known = taken(id, point)
        assert there, point
        for regime in there:
            if known is None:
                assert regime.refused, (point, regime)
            else:
                assert regime.form is not None, (point, regime.refused)
                assert regime.form.polynomial.at(point) == figure(MemoryQuantity(quantity))(known), point
    return found


def drawn(letters: Any, dice: random.Random, many: int = 40) -> list[dict[str, int]]:
    """Small sizes as often as large ones."""
    return [{name: int(2 ** dice.uniform(0, 9)) for name in letters} for _ in range(many)]


@pytest.mark.parametrize("quantity", ["saved_bytes", "peak_bytes", "training_bytes"])
@pytest.mark.parametrize(
    "id", ["vit_ti_16", *(pytest.param(id, marks=pytest.mark.slow) for id in ("pvt_tiny", "resnet50"))]
)
def test_a_models_bytes_are_known_at_every_size(id: str, quantity: str) -> None:
    found = check(id, quantity, drawn("HW", random.Random(f"{id} {quantity}")))
    assert found.to_dict()["complete"]


@pytest.mark.parametrize("quantity", ["saved_bytes", "peak_bytes"])
@pytest.mark.parametrize("id", ["msa", "ffn"])
def test_a_layers_bytes_are_known_at_every_size(id: str, quantity: str) -> None:
    letters = [SYMBOL_OF.get(name, name) for name in LAYERS[id].dims]
    check(id, quantity, drawn(letters, random.Random(f"{id} {quantity}")))


def test_attention_maps_are_known_at_every_size() -> None:
    found = vpcalc.formula("swin_t", quantity="attention_bytes", everywhere=True)
    costs = vpcalc.formula("swin_t", quantity="attention_elements", everywhere=True)
    assert found.form.polynomial == costs.form.polynomial * 4


def test_a_form_everywhere_says_how_far_it_was_explored() -> None:
    found = vpcalc.formula("vit_ti_16", quantity="saved_bytes", everywhere=True)
    (how,) = found.assumptions
    assert "H from 1 to 4096, W from 1 to 4096" in how
    spelled = found.spell("python")
    known = taken("vit_ti_16", {"H": 97, "W": 33})
    assert known is not None
    assert eval(spelled, {"H": 97, "W": 33}) == known.saved
    assert eval(spelled, {"H": 15, "W": 33}) is None


@pytest.mark.slow
def test_a_narrower_range_settles_what_has_many_regimes() -> None:
    """An image whose sides 4 does not divide is padded, and the copy is kept: 3·4·16 bytes a token."""
    found = vpcalc.formula(
        "swin_t", quantity="saved_bytes", everywhere=True, range={"H": "225:900", "W": "225:900"}
    )
    assert found.to_dict()["complete"]
    asked = "225 ≤ H ≤ 900, 225 ≤ W ≤ 900"
    conditions = {f"{asked}, 4 | H, 4 | W", f"{asked}, 4 ∤ W or {asked}, 4 ∤ H"}
    assert {str(regime.when) for regime in found.regimes} == conditions
    (one, other) = (regime.form.polynomial for regime in found.regimes if regime.form is not None)
    more = (one - other).subs({"H": symbol("a") * 4, "W": symbol("b") * 4})
    assert str(more) in ("192ab", "−192ab")
    dice = random.Random(3)
    for point in [{name: dice.randint(225, 900) for name in "HW"} for _ in range(12)] + [{"H": 448, "W": 672}]:
        known = taken("swin_t", point)
        (there,) = [regime for regime in found.regimes if regime.when.where.holds(point)]
        assert known is not None
        assert there.form is not None
        assert there.form.polynomial.at(point) == known.saved


@pytest.mark.slow
@pytest.mark.parametrize("id", ["swin_t", "swin_v2_t"])
def test_what_has_too_many_regimes_has_those_of_large_images(id: str) -> None:
    """Runs are spent on small grids: what is known is said, and the rest is said to be undecided."""
    found = vpcalc.formula(id, quantity="saved_bytes", everywhere=True)
    *known, left = found.regimes
    assert left.form is None
    assert not left.refused
    assert left.when.text == "elsewhere" or not left.when.always, "of which there are forms, too"
    assert found.form.polynomial == known[0].form.polynomial  # type: ignore[union-attr]
    dice, near = random.Random(id), [24, 32, 56, 64, 112, 128, 192, 196, 224, 256]
    sides = [*range(300, 1200, 37), *(size + by for size in near for by in (-1, 0, 1))]
    for _ in range(100):
        point = {name: dice.choice(sides) for name in "HW"}
        there = [regime.form for regime in found.regimes if regime.when.where.holds(point)]
        forms, taken_there = [form for form in there if form is not None], taken(id, point)
        assert taken_there is not None
        assert there, point
        assert forms or min(point.values()) < 300, point
        assert all(form.polynomial.at(point) == taken_there.saved for form in forms), point


@pytest.mark.parametrize("quantity", ["macs", "saved_bytes"])
def test_a_range_is_for_bytes_at_every_size(quantity: str) -> None:
    with pytest.raises(InputError, match="--range: needs --everywhere"):
        vpcalc.formula("msa", quantity=quantity, everywhere=quantity == "macs", range={"h": "1:9"})


def test_a_form_of_a_narrower_range_says_so() -> None:
    """⌈H/16⌉ of 16 to 16 is no form of H = 17: a formula that is pasted has its sizes with it."""
    found = vpcalc.formula("vit_b_16", quantity="saved_bytes", everywhere=True, range={"H": "16:16", "W": "16:16"})
    assert found.spell().endswith("(H = 16, W = 16)")
    assert eval(found.spell("python"), {"H": 16, "W": 16}) is not None
    assert eval(found.spell("python"), {"H": 17, "W": 16}) is None
    with pytest.raises(InputError, match="nothing explores"):
        vpcalc.formula("vit_b_16", quantity="attention_bytes", everywhere=True, range={"H": "1:9"})


def test_what_counts_through_its_input_is_refused() -> None:
    with pytest.raises(InputError, match="as many rounds as T"):
        vpcalc.formula("lstm", quantity="saved_bytes", everywhere=True)


@pytest.mark.quick(10)
@pytest.mark.parametrize("id", ["swin_t", "pvt_v2_b2", "convnext_t", "vit_b_16"])
@pytest.mark.parametrize("size", [(200, 331), (225, 224), (800, 1280), (100, 64), (36, 500)])
def test_a_printed_form_has_the_figure_beside_it(id: str, size: tuple[int, int]) -> None:
    """At sizes that nothing divides, too: the forms of the lattice are other numbers there."""
    found = vpcalc.memory(id, input="{}x{}".format(*size), train=True, batch=2, check=False)
    figures, forms = found.figures(), found.forms
    assert {"saved_bytes", "total_bytes", "forward_peak_bytes", "attention_bytes"} <= set(forms)
    for name, form in forms.items():
        assert form.polynomial.at({"H": size[0], "W": size[1], "B": 2}) == figures[name], name


@pytest.mark.parametrize(("low", "high"), [(1, 120), (16, 170)])
def test_sets_that_repeat_keep_their_ends(low: int, high: int) -> None:
    """4 ∤ H from 49 on is not 4 ∤ H: as guards a set holds at its own sizes alone."""
    dice = random.Random(low)
    extent = Range({"H": (low, high)})
    sizes = extent.values("H")
    for _ in range(200):
        step, ends = dice.randint(2, 9), sorted(dice.choices([low, high, *range(low, high)], k=2))
        rests = dice.sample(range(step), dice.randint(1, step - 1))
        mask = numpy.isin(sizes % step, rests) & (ends[0] <= sizes) & (sizes <= ends[1])
        if dice.random() < 0.3:
            mask = ~mask
        conditions = where([Region(extent, {"H": mask}, ())]) if mask.any() else None
        if conditions is not None:
            assert [conditions.holds({"H": size}) for size in sizes.tolist()] == mask.tolist(), (step, rests, ends)
        scattered = mask | (abs(sizes - ends[0]) <= dice.randint(0, 40)) | (sizes == dice.randint(low, high))
        for asked in (scattered, scattered ^ (sizes == dice.randint(low, high))):
            found = in_part([Region(extent, {"H": asked}, ())]) if asked.any() else None
            if found is not None:  # what is said and what is left are the whole
                said = [found.where.holds({"H": size}) for size in sizes.tolist()]
                assert said == [any({"H": size} in region for region in found.said) for size in sizes.tolist()]
                left = [any({"H": size} in region for region in found.left) for size in sizes.tolist()]
                assert numpy.array_equal(numpy.array(said) | left, asked)
                assert not (numpy.array(said) & left).any()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("id", "quantity"),
    [("mha", "peak_bytes"), ("causal_mha", "training_bytes"), ("retention", "saved_bytes")],
)
def test_one_head_lies_otherwise(id: str, quantity: str) -> None:
    """Heads side by side are one tensor where there is one: no copy, wherever that is the most that is alive."""
    letters = [SYMBOL_OF.get(name, name) for name in LAYERS[id].dims]
    dice = random.Random(id)
    points = [{name: int(2 ** dice.uniform(0, 9)) for name in letters} for _ in range(80)]
    check(id, quantity, [{**point, "a": 1} for point in points])
    check(id, quantity, [{**point, "C": 3, "a": 3} if "C" in point else point for point in points[:4]])


@pytest.mark.slow
def test_a_form_is_written_in_one_way_whatever_python_hashes_by(vpcalc: Run) -> None:
    """Which of two floors becomes a quotient, 2218⌈H/4⌉W or 2218H⌈W/4⌉, is a matter of names alone."""
    asked = ["formula", "swin_t", "--everywhere", "-q", "saved_bytes", "--range", "H=225:500"]
    first, *others = (vpcalc(*asked, "--range", "W=225:300", PYTHONHASHSEED=seed) for seed in "123")
    assert first.returncode == 0
    assert [each.stdout for each in others] == [first.stdout] * 2
