"""PVT and PVT v2: against fvcore, against transformers, against their papers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from math import prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcalc.algebra import Polynomial, symbols
from vpcalc.architectures import ARCHITECTURES
from vpcalc.architectures.pvt_v2 import paper_terms
from vpcalc.checks import Report, Verdict, check_layer, check_model
from vpcalc.checks.crosscheck import compare
from vpcalc.cost import Cost, Op, Quantity
from vpcalc.errors import InputError
from vpcalc.layers import LAYERS
from vpcalc.symbolic import closed_form, condition, deviations, lattice, layer_on_symbols, model_on_symbols

from .pace import mostly_slow

V1 = ("pvt_tiny", "pvt_small", "pvt_medium", "pvt_large")
V2 = ("pvt_v2_b0", "pvt_v2_b1", "pvt_v2_b2", "pvt_v2_b2_li", "pvt_v2_b3", "pvt_v2_b4", "pvt_v2_b5")
VARIANTS = V1 + V2
DEEP = {"pvt_medium", "pvt_large", "pvt_v2_b3", "pvt_v2_b4", "pvt_v2_b5"}
ODD = (225, 331)

# The authors' own printed figures: M parameters and G multiply-accumulates at 224 x 224. PVT Table 2; for v2 the
# parameters of the repository's README (its Table 2 differs for B0 and B1, see below) and the MACs of Table 2.
PAPER = {
    "pvt_tiny": ("13.2", "1.9"),
    "pvt_small": ("24.5", "3.8"),
    "pvt_medium": ("44.2", "6.7"),
    "pvt_large": ("61.4", "9.8"),
    "pvt_v2_b0": ("3.7", "0.6"),
    "pvt_v2_b1": ("14.0", "2.1"),
    "pvt_v2_b2": ("25.4", "4.0"),
    "pvt_v2_b2_li": ("22.6", "3.9"),
    "pvt_v2_b3": ("45.2", "6.9"),
    "pvt_v2_b4": ("62.6", "10.1"),
    "pvt_v2_b5": ("82.0", "11.8"),
}

# Counted by hand from the layers' dimensions, independently of this package: M parameters, G MACs at 224 x 224.
BY_HAND = {
    "pvt_tiny": ("13.229", "1.933"),
    "pvt_small": ("24.486", "3.816"),
    "pvt_medium": ("44.208", "6.659"),
    "pvt_large": ("61.369", "9.814"),
    "pvt_v2_b0": ("3.667", "0.566"),
    "pvt_v2_b1": ("14.009", "2.108"),
    "pvt_v2_b2": ("25.363", "4.027"),
    "pvt_v2_b2_li": ("22.554", "3.889"),
    "pvt_v2_b3": ("45.239", "6.897"),
    "pvt_v2_b4": ("62.556", "10.101"),
    "pvt_v2_b5": ("81.956", "11.717"),
}

# timm's results table (pt240): M parameters, "GMACs" and M activations at 224 x 224. Its GMACs are fvcore's total.
TIMM = {
    "pvt_v2_b0": ("3.67", "0.57", "7.99"),
    "pvt_v2_b1": ("14.01", "2.12", "15.39"),
    "pvt_v2_b2_li": ("22.55", "3.91", "27.6"),
    "pvt_v2_b2": ("25.36", "4.05", "27.53"),
    "pvt_v2_b3": ("45.24", "6.92", "37.7"),
    "pvt_v2_b4": ("62.56", "10.14", "53.74"),
    "pvt_v2_b5": ("81.96", "11.76", "50.92"),
}


def as_printed(number: int, like: str, unit: int) -> str:
    """A count in millions or billions, with as many decimals as a printed figure has."""
    return str((Decimal(number) / unit).quantize(Decimal(like), ROUND_HALF_UP))


def count_model(id: str, sizes: tuple[int, int], **changes: object) -> Report:
    architecture = ARCHITECTURES[id]
    config = architecture.configure(changes)
    return check_model(architecture.family.name, architecture.cost(sizes, config), sizes, config)


# -- against fvcore ---------------------------------------------------------------------------------


EACH = [pytest.param(id, marks=pytest.mark.slow if id in DEEP else ()) for id in VARIANTS]
"""Every variant; counting the deep ones takes seconds."""


@pytest.mark.quick(2)
@pytest.mark.parametrize("id", EACH)
def test_every_variant_agrees_with_fvcore_at_its_native_size(id):
    assert count_model(id, ARCHITECTURES[id].sizes).verdict is Verdict.AGREES


@pytest.mark.quick(2)
@pytest.mark.parametrize("id", EACH)
def test_every_variant_agrees_with_fvcore_at_an_odd_size(id):
    report = count_model(id, ODD)
    assert report.verdict is Verdict.AGREES, report


@pytest.mark.parametrize("id", ["pvt_tiny", "pvt_v2_b0", "pvt_v2_b2_li"])
def test_operators_have_the_names_that_fvcore_gives_them(id):
    named = {check.operator for check in count_model(id, (64, 96)).checks if check.quantity == "fvcore"}
    own = {"pvt_v2_b2_li": {"adaptive_avg_pool2d"}, "pvt_tiny": {"upsample_bilinear2d"}}
    assert named == {"conv", "linear", "matmul", "layer_norm"} | own.get(id, set())


def test_a_batch_multiplies_all_but_the_parameters():
    architecture = ARCHITECTURES["pvt_tiny"]
    one, three = (architecture.cost((64, 64), batch=batch) for batch in (1, 3))
    assert three.total(Quantity.MACS) == 3 * one.total(Quantity.MACS)
    assert three.total(Quantity.PARAMS) == one.total(Quantity.PARAMS)
    assert check_model("pvt", three, (64, 64), architecture.config, batch=3).verdict is Verdict.AGREES


def test_a_wrong_depth_is_found():
    """Planted: three blocks in the second stage, as Table 1 prints, against a module of four."""
    architecture = ARCHITECTURES["pvt_v2_b2"]
    wrong = architecture.cost((64, 64), {**architecture.config, "depths": (3, 3, 6, 3)})
    report = check_model("pvt_v2", wrong, (64, 64), architecture.config)
    assert report.verdict is Verdict.DIFFERS
    assert {check.operator for check in report.differing} == {"conv", "linear", "matmul", "layer_norm", "all"}


@st.composite
def pyramids(draw: st.DrawFn, sides: str) -> dict[str, Any]:
    """Settings of a small pyramid of one to three stages."""
    stages = draw(st.integers(1, 3))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=stages, max_size=stages)))

    heads = each(1, 3)
    steps = each(1, 4)
    least = prod(steps)
    made = st.integers(least, least + 40)
    return {
        **({"trained_at": (draw(made), draw(made))} if sides == "P" else {}),
        "C": tuple(a * d for a, d in zip(heads, each(1, 4), strict=True)),
        "depths": each(1, 2),
        "heads": heads,
        "R": each(1, 3),
        "r": each(1, 3),
        sides: steps,
        "classes": draw(st.integers(1, 5)),
    }


SIDE = st.integers(1, 40)


def agrees_or_neither_runs(family: str, sizes: tuple[int, int], config: Mapping[str, Any]) -> None:
    """The formula refuses an input exactly where the module cannot run on it."""
    build = ARCHITECTURES[f"{family}_b0" if family == "pvt_v2" else f"{family}_tiny"].family.build
    try:
        cost = build(*sizes, **config)
    except InputError as error:
        refusal = str(error)
    else:
        report = check_model(family, cost, sizes, config)
        assert report.verdict is Verdict.AGREES, report
        return
    least = int(re.search(r"at least (\d+) pixels", refusal)[1])
    assert min(sizes) < least
    build(least, least, **config)
    with pytest.raises(InputError, match="its module does not run at this size"):
        check_model(family, Cost("none"), sizes, config)


@settings(deadline=None, max_examples=20)
@given(config=pyramids("P"), H=SIDE, W=SIDE)
def test_v1_of_any_settings_and_size_agrees_with_fvcore(config, H, W):
    agrees_or_neither_runs("pvt", (H, W), {**config, "R": (*config["R"][:-1], 1)})


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(config=pyramids("S"), H=SIDE, W=SIDE, linear=st.booleans(), P=st.integers(1, 8))
def test_v2_of_any_settings_and_size_agrees_with_fvcore(config, H, W, linear, P):
    agrees_or_neither_runs("pvt_v2", (H, W), {**config, "linear": linear, "P": P})


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(1, 5), st.integers(1, 2))
def test_overlapping_patches_agree_with_fvcore(H, W, C, s, batch):
    dims = {"H": H, "W": W, "C": C, "s": s, "batch": batch}
    report = check_layer("overlap_patch_embedding", LAYERS["overlap_patch_embedding"].build(**dims), dims)
    assert report.verdict is Verdict.AGREES, report


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 9), st.integers(1, 4), st.integers(1, 2))
def test_convolutional_feed_forward_agrees_with_fvcore(h, w, C, r, batch):
    dims = {"h": h, "w": w, "C": C, "r": r, "batch": batch}
    report = check_layer("conv_ffn", LAYERS["conv_ffn"].build(**dims), dims)
    assert report.verdict is Verdict.AGREES, report


def test_a_wrong_layer_is_found():
    """Planted: patches that do not overlap, and a feed-forward without its convolution."""
    dims = {"H": 33, "W": 18, "C": 8, "s": 4}
    apart = LAYERS["patch_embedding"].build(33, 18, 8, 4, norm=True, pads=True)
    found = check_layer("overlap_patch_embedding", apart, dims).differing
    assert {(check.quantity, check.operator) for check in found} == {("fvcore", "conv"), ("params", "all")}
    grid = {"h": 5, "w": 6, "C": 8, "r": 4}
    found = check_layer("conv_ffn", LAYERS["ffn"].build(**grid), grid).differing
    assert {check.operator for check in found} == {"conv", "all"}


# -- closed forms -----------------------------------------------------------------------------------


@pytest.mark.parametrize("id", VARIANTS)
def test_the_closed_form_is_the_cost_tree_on_its_lattice(id):
    """4 pixels a token, then 2, 2, 2; SRA reduces by 8, 4, 2: H and W multiples of 32, and of nothing else."""
    architecture = ARCHITECTURES[id]
    symbolic = model_on_symbols(architecture, architecture.config)
    assert lattice(symbolic) == {"H": 32, "W": 32}
    for quantity in Quantity:
        form = symbolic.total(quantity)
        form = form if isinstance(form, Polynomial) else Polynomial({(): form})
        for H, W in ((32, 32), (64, 32), (96, 160), (224, 224), (1024, 32), (1568, 32)):
            fits = id in V1 and quantity is Quantity.FVCORE and H * W == 224 * 224  # nothing to resize there
            spared = resizing((H, W), architecture.config["C"]) if fits else 0
            assert form.value({"H": H, "W": W}) - spared == architecture.cost((H, W)).total(quantity), (H, W)


def resizing(sizes: tuple[int, int], widths: tuple[int, ...]) -> int:
    """fvcore's price of resizing every stage's positions: 4 an element, at 4, 8, 16 and 32 pixels a token."""
    return sum(
        4 * C * (sizes[0] // step) * (sizes[1] // step) for C, step in zip(widths, (4, 8, 16, 32), strict=True)
    )


@pytest.mark.parametrize("quantity", Quantity)
def test_the_form_says_at_which_size_it_does_not_hold(quantity):
    """fvcore prices the resizing of positions, and only at 224 x 224 (or as many pixels) there is none."""
    architecture = ARCHITECTURES["pvt_tiny"]
    valid = closed_form(model_on_symbols(architecture, architecture.config), quantity).valid
    exception = "; HW other than 50176" if quantity is Quantity.FVCORE else ""
    assert valid == f"H and W multiples of 32{exception}"


def test_tables_of_an_image_that_does_not_divide_fit_other_sizes_in_each_stage():
    """250 gives tables of 62, 31, 15 and 7 a side: 62² tokens of 4² pixels, 15² of 16², 7² of 32²."""
    architecture = ARCHITECTURES["pvt_tiny"]
    config = architecture.configure({"trained_at": "250,250"})
    valid = closed_form(model_on_symbols(architecture, config), Quantity.FVCORE).valid
    assert valid == "H and W multiples of 32; " + "; ".join(
        f"HW other than {number}" for number in (62**2 * 4**2, 15**2 * 16**2, 7**2 * 32**2)
    )


@pytest.mark.parametrize("id", ["pvt_tiny", "pvt_v2_b0", "pvt_v2_b2_li"])
def test_off_its_lattice_the_closed_form_says_something_else(id):
    """So the condition is needed: at half the step some grid is rounded."""
    architecture = ARCHITECTURES[id]
    form = model_on_symbols(architecture, architecture.config).total(Quantity.MACS)
    exact = form.subs({"H": 48, "W": 48})
    assert exact != architecture.cost((48, 48)).total(Quantity.MACS)


@pytest.mark.parametrize("id", ["overlap_patch_embedding", "conv_ffn"])
def test_layers_run_on_polynomials_sympy_and_arrays_alike(id):
    import numpy
    import sympy

    form = layer_on_symbols(id)
    names = LAYERS[id].dims
    point = dict(zip(names, (12, 18, 5, 3), strict=True))
    in_sympy = LAYERS[id].build(*(sympy.Symbol(name, integer=True, positive=True) for name in names))
    in_arrays = LAYERS[id].build(*(numpy.array([point[name]]) for name in names))
    for quantity in (Quantity.MACS, Quantity.FVCORE, Quantity.PARAMS, Quantity.ACTIVATIONS):
        polynomial = form.total(quantity)
        assert sympy.expand(in_sympy.total(quantity) - polynomial.to_sympy()) == 0
        assert polynomial.value(point) == LAYERS[id].build(**point).total(quantity)
        assert polynomial.value(point) == in_arrays.total(quantity).item()


def test_closed_forms_of_the_new_layers():
    """§3.4: 2hwC²r for the linear layers and 9 taps on rC channels; §3.3: (2s - 1)² taps on each output."""
    h, w, C, r, s, H, W = symbols("h w C r s H W")
    assert layer_on_symbols("conv_ffn").total(Quantity.MACS) == 2 * r * h * w * C**2 + 9 * r * h * w * C
    patches = H * W / s**2
    embedding = layer_on_symbols("overlap_patch_embedding")
    assert embedding.total(Quantity.MACS) == patches * 3 * C * (2 * s - 1) ** 2
    assert condition(embedding) == "H and W multiples of s"


# -- positions ---------------------------------------------------------------------------------------


def test_the_parameters_of_v1_do_not_change_with_the_input():
    """The authors' detectors run at 800 x 1333, which their loader pads to multiples of 32, on tables of 224."""
    small = ARCHITECTURES["pvt_small"]
    there = small.cost((800, 1344))
    assert there.total(Quantity.PARAMS) == small.cost((224, 224)).total(Quantity.PARAMS) == 24_485_864
    resized = there.by_operator(Quantity.FVCORE)["upsample_bilinear2d"]
    assert resized == resizing((800, 1344), (64, 128, 320, 512)) == 33_331_200
    assert deviations(there) == (
        "positions resized: 56×56 to 200×336, 28×28 to 100×168, 14×14 to 50×84, 7×7 to 25×42",
    )


def test_a_table_is_resized_once_for_a_whole_batch():
    one, five = (ARCHITECTURES["pvt_tiny"].cost((64, 64), batch=batch) for batch in (1, 5))
    assert five.by_operator(Quantity.FVCORE)["conv"] == 5 * one.by_operator(Quantity.FVCORE)["conv"]
    kind = "upsample_bilinear2d"
    assert five.by_operator(Quantity.FVCORE)[kind] == one.by_operator(Quantity.FVCORE)[kind]


def test_at_its_own_size_nothing_is_resized():
    assert deviations(native("pvt_tiny")) == ()
    assert "upsample_bilinear2d" not in native("pvt_tiny").by_operator(Quantity.FVCORE)


def test_only_the_stages_whose_tables_do_not_fit_resize_them():
    """230 has a row and a column of tokens more than 224 in the first stage, and as many in the others."""
    assert deviations(ARCHITECTURES["pvt_tiny"].cost((230, 230)))[-1] == "positions resized: 56×56 to 57×57"
    assert count_model("pvt_tiny", (230, 230)).verdict is Verdict.AGREES


def test_a_table_that_grows_with_the_input_is_found():
    """Planted: tables made for the input, as vpcalc had them once, against a module with those of 224."""
    architecture = ARCHITECTURES["pvt_tiny"]
    wrong = architecture.cost((64, 64), architecture.configure({"trained_at": "64,64"}))
    found = check_model("pvt", wrong, (64, 64), architecture.config).differing
    assert {(check.quantity, check.operator) for check in found} == {
        ("fvcore", "upsample_bilinear2d"),
        ("params", "all"),
    }


# -- against the papers -----------------------------------------------------------------------------


@pytest.mark.parametrize("id", VARIANTS)
def test_parameters_are_those_that_the_authors_print(id):
    assert as_printed(native(id).total(Quantity.PARAMS), PAPER[id][0], 10**6) == PAPER[id][0]


@pytest.mark.parametrize("id", VARIANTS)
def test_parameters_and_macs_are_those_counted_by_hand(id):
    params, macs = BY_HAND[id]
    assert as_printed(native(id).total(Quantity.PARAMS), params, 10**6) == params
    assert as_printed(native(id).total(Quantity.MACS), macs, 10**9) == macs


@pytest.mark.parametrize("id", V2)
def test_timm_counts_as_fvcore_counts(id):
    params, macs, activations = TIMM[id]
    assert as_printed(native(id).total(Quantity.PARAMS), params, 10**6) == params
    assert as_printed(native(id).total(Quantity.FVCORE), macs, 10**9) == macs
    assert as_printed(native(id).total(Quantity.ACTIVATIONS), activations, 10**6) == activations


def authors_price(op: Op, linear: bool) -> int:
    """What the authors' get_flops.py charges: mmcv's counter, and the attention's products, which they add.

    mmcv adds the bias of a convolution but not of a linear layer, charges 2 per element of a layer norm and
    1 per element that is pooled or rectified.
    """
    if op.kind == "conv":
        rectified = op.activations if linear and op.label == "depth-wise" else 0
        return op.macs + op.activations + rectified
    return op.macs + (2 * op.other // 5 if op.kind == "layer_norm" else op.other)


@pytest.mark.parametrize("id", VARIANTS)
def test_macs_in_the_authors_own_convention_are_those_that_they_print(id):
    """B5 shows why it matters: 11.717 G are MACs, 11.8 is printed; with norms and biases it is 11.752."""
    linear = id.endswith("_li")
    total = sum(times * authors_price(op, linear) for op, times in native(id).walk())
    assert as_printed(total, PAPER[id][1], 10**9) == PAPER[id][1]


def test_b2_in_the_authors_own_convention_to_the_digits_of_their_readme():
    """The README of the repository shows what get_flops.py prints for B2: 4.04 GFLOPs, 25.36 M."""
    total = sum(times * authors_price(op, False) for op, times in native("pvt_v2_b2").walk())
    assert as_printed(total, "4.04", 10**9) == "4.04"


@pytest.mark.parametrize(
    ("id", "depths", "params"),
    [
        ("pvt_small", "3,3,6,3", "23.893"),
        ("pvt_medium", "3,3,18,3", "43.616"),
        ("pvt_v2_b2", "3,3,6,3", "24.760"),
        ("pvt_v2_b2_li", "3,3,6,3", "22.197"),
        ("pvt_v2_b3", "3,3,18,3", "44.636"),
    ],
)
def test_the_depths_printed_in_table_1_do_not_give_the_printed_size(id, depths, params):
    """Table 1 of both papers prints 3 blocks in the second stage; only 4 gives the parameters of Table 2."""
    architecture = ARCHITECTURES[id]
    total = architecture.cost(architecture.sizes, architecture.configure({"depths": depths})).total(
        Quantity.PARAMS
    )
    assert as_printed(total, params, 10**6) == params
    assert as_printed(total, PAPER[id][0], 10**6) != PAPER[id][0]


def test_b0_without_its_classifier_is_what_the_paper_prints_and_b1_is_not():
    """PVT v2 Table 2 prints 3.4 M and 13.1 M for B0 and B1, the repository 3.7 and 14.0."""
    headless = {
        id: native(id).total(Quantity.PARAMS) - native(id).children[-1].total(Quantity.PARAMS)
        for id in ("pvt_v2_b0", "pvt_v2_b1")
    }
    assert as_printed(headless["pvt_v2_b0"], "3.4", 10**6) == "3.4"
    assert as_printed(headless["pvt_v2_b1"], "13.1", 10**6) == "13.5"


def test_the_paper_terms_add_up_to_the_layer_and_to_the_paper():
    h, w, C, R, P = symbols("h w C R P")
    printed = {
        "sra": 2 * (h * w) ** 2 * C / R**2 + h * w * C**2 * R**2,  # eq. 1
        "linear_sra": 2 * h * w * P**2 * C,  # eq. 2
    }
    nothing = Polynomial({})
    for layer, omega in printed.items():
        rows = [row for row in paper_terms() if row.layer == layer]
        assert sum((row.paper for row in rows), nothing) == omega
        assert sum((row.ours for row in rows), nothing) == layer_on_symbols(layer).total(Quantity.MACS)
        extra = layer_on_symbols(layer).total(Quantity.FVCORE) - layer_on_symbols(layer).total(Quantity.MACS)
        assert sum((row.other for row in rows), nothing) == extra


def test_what_the_paper_omits_and_prices_differently():
    verdicts = {(row.layer, row.term): row.verdict for row in paper_terms()}
    assert verdicts == {
        ("sra", "query projection"): "omitted",
        ("sra", "reduction convolution"): "priced differently",
        ("sra", "layer norm"): "omitted",
        ("sra", "key and value projections"): "omitted",
        ("sra", "QKᵀ and AV"): "agrees",
        ("sra", "output projection"): "omitted",
        ("linear_sra", "query projection"): "omitted",
        ("linear_sra", "pooling"): "omitted",
        ("linear_sra", "1x1 convolution"): "omitted",
        ("linear_sra", "layer norm"): "omitted",
        ("linear_sra", "key and value projections"): "omitted",
        ("linear_sra", "QKᵀ and AV"): "agrees",
        ("linear_sra", "output projection"): "omitted",
    }


def test_the_printed_price_of_the_reduction_contradicts_the_papers_own_table():
    """hwc²R² is R² times the convolution that runs. With it B2 would cost 7.59 G; Table 2 prints 4.0."""
    (row,) = (row for row in paper_terms() if row.term == "reduction convolution")
    (R,) = symbols("R")
    assert row.paper == R**2 * row.ours
    config = ARCHITECTURES["pvt_v2_b2"].config
    as_paper = native("pvt_v2_b2").total(Quantity.MACS)
    for stage, ratio in zip(native("pvt_v2_b2").children, config["R"], strict=False):
        if ratio > 1:
            point = {"h": stage.stage.resolution[0], "w": stage.stage.resolution[1], "C": stage.stage.channels}
            as_paper += stage.stage.depth * (row.paper - row.ours).value({**point, "R": ratio})
    assert as_printed(as_paper, "7.59", 10**9) == "7.59"
    assert as_printed(native("pvt_v2_b2").total(Quantity.MACS), "4.0", 10**9) == "4.0"


def test_r_squared_times_cheaper_holds_for_the_two_products_alone():
    """PVT §3.3: "R² times lower than those of MHA". True of QKᵀ and AV; a layer of stage 1 gains 22.4, not 64."""
    (R,) = symbols("R")
    full, reduced = (layer_on_symbols(id).by_operator(Quantity.MACS)["matmul"] for id in ("msa", "sra"))
    assert full == R**2 * reduced
    stage_1 = {"h": 56, "w": 56, "C": 64, "heads": 1}
    full = LAYERS["msa"].build(**stage_1).total(Quantity.MACS)
    reduced = LAYERS["sra"].build(**stage_1, R=8).total(Quantity.MACS)
    assert (as_printed(full, "1310", 10**6), as_printed(reduced, "58.6", 10**6)) == ("1310", "58.6")
    assert as_printed(full, "22.4", reduced) == "22.4"


# -- stages, settings, refusals ---------------------------------------------------------------------


@cache
def native(id: str) -> Cost:
    return ARCHITECTURES[id].cost(ARCHITECTURES[id].sizes)


def test_stages_as_in_table_1():
    stages = list(native("pvt_small").stages())
    assert [stage.name for stage in stages] == ["stage 1", "stage 2", "stage 3", "stage 4", "head"]
    assert [stage.stage.resolution for stage in stages] == [(56, 56), (28, 28), (14, 14), (7, 7), (7, 7)]
    assert [stage.stage.channels for stage in stages] == [64, 128, 320, 512, 512]
    assert [stage.stage.depth for stage in stages] == [3, 4, 6, 3, 0]
    assert sum(stage.total(Quantity.MACS) for stage in stages) == native("pvt_small").total(Quantity.MACS)


def test_v1_drops_what_does_not_divide_and_v2_rounds_up():
    resolutions = {
        id: [stage.stage.resolution for stage in ARCHITECTURES[id].cost((225, 250)).stages()][:4]
        for id in ("pvt_tiny", "pvt_v2_b0")
    }
    assert resolutions["pvt_tiny"] == [(56, 62), (28, 31), (14, 15), (7, 7)]
    assert resolutions["pvt_v2_b0"] == [(57, 63), (29, 32), (15, 16), (8, 8)]
    drops = {t.drops for node in ARCHITECTURES["pvt_tiny"].cost((225, 250)).nodes() for t in node.tilings}
    assert drops == {True}


def test_linear_attention_is_a_setting():
    b2, li = ARCHITECTURES["pvt_v2_b2"], ARCHITECTURES["pvt_v2_b2_li"]
    assert b2.cost(ODD, b2.configure({"linear": "true"})) == li.cost(ODD)
    assert li.cost(ODD, li.configure({"R": "1,1,1,1"})) == li.cost(ODD)  # R says nothing there
    assert count_model("pvt_v2_b2_li", (1, 1), P=3).verdict is Verdict.AGREES


@pytest.mark.parametrize(
    ("id", "changes", "named"),
    [
        ("pvt_tiny", {"depths": "2,2,2"}, "--set C has 4 values and depths 3"),
        ("pvt_tiny", {"r": 4}, "--set r has 1 values and depths 4"),
        ("pvt_tiny", {"R": "8,4,2,2"}, "--set R ends with 2"),
        ("pvt_tiny", {"trained_at": "224"}, "--set trained_at=224: give height and width, at least 32 pixels"),
        ("pvt_tiny", {"trained_at": "224,31"}, "--set trained_at=224,31: give height and width, at least 32"),
        ("pvt_tiny", {"linear": "true"}, "setting of pvt_tiny 'linear' is not known"),
        ("pvt_v2_b0", {"heads": "1,2"}, "--set heads has 2 values and depths 4"),
        ("pvt_v2_b0", {"linear": "maybe"}, "must be true or false"),
        ("pvt_v2_b0", {"P": "0"}, "must be a whole number from 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_line(id, changes, named):
    with pytest.raises(InputError, match=re.escape(named)) as caught:
        ARCHITECTURES[id].configure(changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("id", "least"), [("pvt_tiny", 32), ("pvt_v2_b0", 29), ("pvt_v2_b2_li", 1)])
def test_the_least_input(id, least):
    """PVT: 8 whole patches of 4 pixels. PVT v2: the 8th patch begins at pixel 28. Linear: anything."""
    cost = ARCHITECTURES[id].cost
    assert cost((least, 4 * least)).total(Quantity.MACS) > 0
    if least > 1:
        with pytest.raises(
            InputError, match=f"an input side of {least - 1} is too small: .* at least {least} pixels"
        ):
            cost((4 * least, least - 1))


def test_a_sweep_of_sizes_is_the_figures_one_by_one():
    import numpy

    for id in ("pvt_tiny", "pvt_v2_b0", "pvt_v2_b2_li"):
        H = numpy.array([64, 65, 97, 224], dtype=object)
        sweep = ARCHITECTURES[id].cost((H, 70)).total(Quantity.FVCORE)
        assert list(sweep) == [ARCHITECTURES[id].cost((h, 70)).total(Quantity.FVCORE) for h in H]
    with pytest.raises(InputError, match="an input side of 16 is too small"):
        ARCHITECTURES["pvt_tiny"].cost((numpy.array([64, 16]), 64))


# -- transformers as an independent witness ---------------------------------------------------------


def theirs(id: str, side: int = 224, **changes: object) -> Any:
    """transformers' classifier of the same settings, its attention spelled out, weights at random."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    architecture = ARCHITECTURES[id]
    config = architecture.configure(changes)
    shared = {
        "num_encoder_blocks": len(config["C"]),
        "hidden_sizes": config["C"],
        "depths": config["depths"],
        "num_attention_heads": config["heads"],
        "mlp_ratios": config["r"],
        "num_labels": config["classes"],
        "layer_norm_eps": 1e-5,
        "attn_implementation": "eager",
    }
    if architecture.family.name == "pvt":
        v1 = transformers.PvtConfig(
            image_size=side,
            sequence_reduction_ratios=config["R"],
            patch_sizes=config["P"],
            strides=config["P"],
            **shared,
        )
        return transformers.PvtForImageClassification(v1)
    v2 = transformers.PvtV2Config(
        sr_ratios=config["R"],
        patch_sizes=[2 * stride - 1 for stride in config["S"]],
        strides=config["S"],
        linear_attention=config["linear"],
        **shared,
    )
    return transformers.PvtV2ForImageClassification(v2)


def compare_with_theirs(id: str, cost: Cost, sizes: tuple[int, int]) -> Report:
    import torch

    from vpcalc.counters.fvcore import count

    class Logits(torch.nn.Module):
        """A trace wants tensors in and out."""

        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, image: Any) -> Any:
            return self.model(image, return_dict=False)[0]

    with torch.device("meta"):
        module, image = Logits(theirs(id, sizes[0])), torch.zeros(1, 3, *sizes)
    return compare(cost, count(module, (image,)))


@pytest.mark.quick(2)
@pytest.mark.parametrize("side", [224, 250])
@pytest.mark.parametrize("id", [pytest.param(id, marks=pytest.mark.slow if id in DEEP else ()) for id in V1])
def test_transformers_counts_the_same_and_resizes_its_positions(id, side):
    """It has to be built for its input, and resizes whenever it is traced, even to the size that it has.

    So tables of any other image cost ours what theirs cost it; what they hold is held against tables of the input.
    """
    architecture = ARCHITECTURES[id]
    elsewhere = architecture.cost((side, side), architecture.configure({"trained_at": "320,352"}))
    report = compare_with_theirs(id, elsewhere, (side, side))
    assert {(check.quantity, check.operator) for check in report.differing} == {("params", "all")}, report
    assert "upsample_bilinear2d" in {check.operator for check in report.checks}
    here = architecture.cost((side, side), architecture.configure({"trained_at": f"{side},{side}"}))
    assert report.differing[0].counted == here.total(Quantity.PARAMS)


def test_without_the_resizing_that_one_operator_differs():
    """Planted: tables that fit."""
    architecture = ARCHITECTURES["pvt_tiny"]
    fitting = architecture.cost((64, 64), architecture.configure({"trained_at": "64,64"}))
    report = compare_with_theirs("pvt_tiny", fitting, (64, 64))
    assert [(check.quantity, check.operator) for check in report.differing] == [("fvcore", "upsample_bilinear2d")]


@pytest.mark.quick(2)
@pytest.mark.parametrize("sizes", mostly_slow([(224, 224), ODD], quick=[ODD]))
@pytest.mark.parametrize("id", [pytest.param(id, marks=pytest.mark.slow if id in DEEP else ()) for id in V2])
def test_transformers_v2_counts_the_same(id, sizes):
    report = compare_with_theirs(id, ARCHITECTURES[id].cost(sizes), sizes)
    assert report.verdict is Verdict.AGREES, report


THEIR_NAMES = (
    (r"^pvt\.encoder\.patch_embeddings\.(\d+)\.position_embeddings", r"stages.\1.positions.positions"),
    (r"^pvt\.encoder\.patch_embeddings\.(\d+)\.cls_token", r"stages.\1.class_token.token"),
    (r"^pvt\.encoder\.patch_embeddings\.(\d+)\.", r"stages.\1.patches."),
    (r"^pvt\.encoder\.block\.(\d+)\.", r"stages.\1.blocks."),
    (r"^pvt\.encoder\.", ""),
    (r"^pvt_v2\.encoder\.layers\.", "stages."),
    (r"patch_embedding\.", "patches."),
    (r"projection", "proj"),
    (r"attention\.self\.", "attention."),
    (r"attention\.output\.dense", "attention.proj"),
    (r"attention\.query", "attention.q"),
    (r"(sequence|spatial)_reduction", "convolution"),
    (r"mlp\.dwconv\.dwconv", "ffn.depthwise"),
    (r"mlp\.dense", "ffn.fc"),
    (r"layer_norm_", "norm"),
    (r"layer_norm", "norm"),
    (r"^classifier", "head"),
)


def in_our_names(weights: Mapping[str, Any]) -> dict[str, Any]:
    """transformers' weights under the names of our reference; its key and value become one matrix."""
    import torch

    ours: dict[str, Any] = {}
    for theirs, weight in weights.items():
        if ".value." in theirs:
            continue
        if ".key." in theirs:
            weight = torch.cat((weight, weights[theirs.replace(".key.", ".value.")]))
        name = theirs.replace(".key.", ".kv.")
        for pattern, replacement in THEIR_NAMES:
            name = re.sub(pattern, replacement, name)
        ours[name] = weight
    return ours


SMALL = {"C": "8,12", "depths": "1,2", "heads": "1,3", "r": "2,3", "classes": 5}
"""Settings of two small stages, on which outputs are compared rather than counts."""


def outputs(id: str, sizes: tuple[int, int], changes: Mapping[str, object], **planted: object) -> tuple[Any, Any]:
    """What our reference and transformers' module say about one image, with the same weights."""
    import torch

    from vpcalc.reference import MODEL_WITNESSES

    architecture = ARCHITECTURES[id]
    config = {**architecture.configure(changes), **planted}
    torch.manual_seed(0)
    their = theirs(id, sizes[0], **changes).double().eval()
    our = MODEL_WITNESSES[architecture.family.name](sizes, config).module.double().eval()
    image = torch.randn(2, 3, *sizes, dtype=torch.float64)
    with torch.no_grad():
        for parameter in their.parameters():
            parameter.normal_(std=0.3)
        our.load_state_dict(in_our_names(their.state_dict()))
        return our(image), their(image).logits


@pytest.mark.parametrize(
    ("id", "sizes", "changes"),
    [
        ("pvt_tiny", (42, 42), {**SMALL, "R": "3,1", "P": "4,2", "trained_at": "42,42"}),
        ("pvt_v2_b0", (37, 50), {**SMALL, "R": "3,1", "S": "4,2"}),
        ("pvt_v2_b2_li", (37, 50), {**SMALL, "R": "3,1", "S": "4,2"}),
    ],
)
def test_the_reference_computes_what_transformers_computes(id, sizes, changes):
    import torch

    ours, theirs = outputs(id, sizes, changes)
    assert ours.shape == (2, 5)
    torch.testing.assert_close(ours, theirs)


def with_tables_resized(mode: str) -> tuple[Any, Any]:
    """Our PVT with tables of 29 x 50 pixels, and transformers' with the same resized to its own 42 x 42."""
    import torch
    import torch.nn.functional as F

    from vpcalc.reference import MODEL_WITNESSES

    changes = {**SMALL, "R": "3,1", "P": "4,2", "trained_at": "29,50"}
    torch.manual_seed(0)
    their = theirs("pvt_tiny", 42, **changes).double().eval()
    our = MODEL_WITNESSES["pvt"]((42, 42), ARCHITECTURES["pvt_tiny"].configure(changes)).module.double().eval()
    image = torch.randn(2, 3, 42, 42, dtype=torch.float64)
    with torch.no_grad():
        for parameter in (*their.parameters(), *our.parameters()):
            parameter.normal_(std=0.3)
        ours = dict(our.state_dict())
        made = {0: (7, 12, 10), 1: (3, 6, 5)}  # stage: table's h and w, side at 42
        for stage, (h, w, side) in made.items():
            table = ours[f"stages.{stage}.positions.positions"]
            lone, grid = table[:, : len(table[0]) - h * w], table[:, len(table[0]) - h * w :]
            resized = F.interpolate(grid.mT.unflatten(2, (h, w)), size=(side, side), mode=mode).flatten(2).mT
            their.pvt.encoder.patch_embeddings[stage].position_embeddings.copy_(torch.cat((lone, resized), dim=1))
        kept = {name: table for name, table in ours.items() if "positions" in name}
        our.load_state_dict({**in_our_names(their.state_dict()), **kept})
        return our(image), their(image).logits


def test_the_reference_resizes_its_tables_bilinearly_and_leaves_the_class_tokens_position():
    import torch

    torch.testing.assert_close(*with_tables_resized("bilinear"))


def test_tables_resized_otherwise_compute_something_else():
    """Planted: bicubic, as for ViT."""
    ours, theirs = with_tables_resized("bicubic")
    assert not ours.allclose(theirs)


def test_a_reference_of_other_heads_computes_something_else():
    """Planted: the same weights, split into other heads."""
    ours, theirs = outputs("pvt_v2_b0", (37, 50), {**SMALL, "R": "3,1", "S": "4,2"}, heads=(2, 3))
    assert not ours.allclose(theirs)
