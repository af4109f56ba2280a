"""Swin, ViT and DeiT: their trees against fvcore and against what their papers and others say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcalc.algebra.polynomial import as_polynomial, symbol
from vpcalc.architectures import ARCHITECTURES
from vpcalc.architectures.registry import listed
from vpcalc.checks import Verdict, check_model
from vpcalc.checks.targets import find_target
from vpcalc.cost import Cost, Quantity
from vpcalc.errors import InputError
from vpcalc.inputs import GridTerm
from vpcalc.symbolic import condition, deviations, lattice, model_on_symbols

from .pace import mostly_slow

IDS = [id for id in ARCHITECTURES if ARCHITECTURES[id].family.name in ("swin", "swin_v2", "vit", "deit")]


def check(id: str, sizes: tuple[int, int], config: dict[str, Any] | None = None, batch: int = 1) -> None:
    architecture = ARCHITECTURES[id]
    settings = dict(architecture.config) if config is None else config
    cost = architecture.cost(sizes, settings, batch)
    report = check_model(architecture.family.name, cost, sizes, settings, batch)
    assert report.verdict is Verdict.AGREES, str(report)


@pytest.mark.slow
@pytest.mark.parametrize("id", IDS)
def test_native_size(id: str) -> None:
    check(id, ARCHITECTURES[id].sizes)


# not square; not divisible by the patch; grids that no window divides; smaller than one window; one patch; a pixel
NAMED = ["swin_t", "swin_v2_t_w16", "vit_b_16"]
AWKWARD = [(192, 256), (225, 301), (97, 512), (30, 500), (32, 47), (1, 1)]


def check_or_refuse(id: str, sizes: tuple[int, int]) -> None:
    """ViT drops what its patch does not cover: below one patch nothing is left, and the module does not run."""
    architecture = ARCHITECTURES[id]
    patch = architecture.config["P"]
    if architecture.family.name.startswith("swin") or min(sizes) >= patch:
        check(id, sizes)
        return
    with pytest.raises(InputError, match=rf"side of {min(sizes)} is too small: .* at least {patch} pixels"):
        architecture.cost(sizes)
    with pytest.raises(InputError, match=r"Kernel size can't be greater than actual input size"):
        check_model(architecture.family.name, Cost("none"), sizes, architecture.config)


@pytest.mark.quick(2)
@pytest.mark.parametrize("sizes", AWKWARD)
@pytest.mark.parametrize("id", mostly_slow(NAMED, quick=1))
def test_awkward_sizes(id: str, sizes: tuple[int, int]) -> None:
    check_or_refuse(id, sizes)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", AWKWARD)
@pytest.mark.parametrize("id", [id for id in IDS if id not in NAMED])
def test_awkward_sizes_of_all_others(id: str, sizes: tuple[int, int]) -> None:
    check_or_refuse(id, sizes)


@pytest.mark.quick(1)
@pytest.mark.parametrize("id", ["swin_v2_t", "swin_t"])
@given(
    st.integers(1, 3).flatmap(
        lambda stages: st.fixed_dictionaries(
            {
                "depths": st.tuples(*[st.integers(1, 3)] * stages),
                "heads": st.tuples(*[st.sampled_from((1, 2, 4))] * stages),
                "C": st.sampled_from((4, 8, 12)),
                "M": st.integers(1, 8),
                "P": st.integers(1, 5),
                "r": st.integers(1, 4),
                "classes": st.integers(1, 9),
            }
        )
    ),
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 3),
)
def test_any_swin(id: str, config: dict[str, Any], height: int, width: int, batch: int) -> None:
    check(id, (height, width), config, batch)


OPTIONS = st.fixed_dictionaries(
    {
        "mlp": st.integers(0, 9),
        "registers": st.integers(0, 4),
        "pool": st.sampled_from(("token", "mean")),
        "layer_scale": st.booleans(),
        "distilled": st.booleans(),
        "class_position": st.booleans(),
    }
).filter(lambda options: not options["distilled"] or options["pool"] == "token")


@given(
    st.fixed_dictionaries(
        {
            "C": st.sampled_from((4, 8, 12)),
            "depth": st.integers(1, 3),
            "heads": st.sampled_from((1, 2, 4)),
            "P": st.integers(1, 9),
            "r": st.integers(1, 4),
            "classes": st.integers(0, 9),
        }
    ),
    OPTIONS,
    st.integers(9, 70),
    st.integers(9, 70),
    st.integers(1, 3),
)
def test_any_vit(config: dict[str, Any], options: dict[str, Any], height: int, width: int, batch: int) -> None:
    check("vit_b_16", (height, width), config | options, batch)


@pytest.mark.parametrize("id", IDS)
def test_closed_form_on_its_lattice(id: str) -> None:
    architecture = ARCHITECTURES[id]
    symbolic = model_on_symbols(architecture, architecture.config)
    step = lattice(symbolic)
    for rows, columns in ((1, 1), (2, 3), (5, 1)):
        H, W = rows * step["H"], columns * step["W"]
        cost = architecture.cost((H, W))
        for quantity in Quantity:
            form = as_polynomial(symbolic.total(quantity))
            assert form.value({"H": H, "W": W}) == cost.total(quantity)
        assert not deviations(cost)


def test_lattices() -> None:
    """A window of 7 on a grid 32 times smaller than the image; ViT needs whole patches only."""
    expected = {"swin_t": 32 * 7, "swin_b_384": 32 * 12, "swin_v2_t": 32 * 8, "vit_b_16": 16, "vit_h_14": 14}
    for id, step in expected.items():
        architecture = ARCHITECTURES[id]
        assert lattice(model_on_symbols(architecture, architecture.config)) == {"H": step, "W": step}


def test_vit_drops_what_its_patch_does_not_divide() -> None:
    """230 costs what 224 costs; 512 is 36 x 36 patches of 14 and 8 pixels that nobody sees."""
    vit = ARCHITECTURES["vit_b_16"]
    for quantity in Quantity:
        assert vit.cost((230, 239)).total(quantity) == vit.cost((224, 224)).total(quantity)
    assert deviations(vit.cost((230, 224))) == ("patch 16 does not divide 230: the last 6 dropped",)
    huge = ARCHITECTURES["vit_h_14"]
    assert huge.cost((512, 512)).total(Quantity.MACS) == huge.cost((504, 504)).total(Quantity.MACS)
    assert f"{huge.cost((512, 512)).total(Quantity.MACS) / 1e9:.3f}" == "954.785"


def _swap(cost: Cost, name: str, changed: Cost) -> Cost:
    children = tuple(changed if child.name == name else _swap(child, name, changed) for child in cost.children)
    return replace(cost, children=children)


def test_a_forgotten_block_is_caught() -> None:
    architecture = ARCHITECTURES["swin_t"]
    config = {**architecture.config, "depths": (2, 2, 5, 2)}
    cost = architecture.cost((224, 224), config)
    report = check_model("swin", cost, (224, 224), architecture.config)
    assert report.verdict is Verdict.DIFFERS
    assert {check.operator for check in report.differing} == {"linear", "matmul", "layer_norm", "all"}


def test_a_head_without_bias_is_caught_by_its_parameters_alone() -> None:
    from vpcalc import ops

    architecture = ARCHITECTURES["vit_ti_16"]
    cost = architecture.cost((224, 224))
    wrong = _swap(
        cost,
        "head",
        Cost("head", (ops.layer_norm("norm", 197, 192), ops.linear("head", 1, 192, 1000, bias=False))),
    )
    report = check_model("vit", wrong, (224, 224), architecture.config)
    assert [(c.quantity, c.delta) for c in report.differing] == [("params", 1000)]


# torchvision's model pages (its `_ops` and `num_params` metadata), GMACs to three decimals and parameters exactly
TORCHVISION = {
    "swin_t": ("4.491", 28_288_354),
    "swin_s": ("8.741", 49_606_258),
    "swin_b": ("15.431", 87_768_224),
    "vit_b_16": ("17.564", 86_567_656),
    "vit_b_32": ("4.409", 88_224_232),
    "vit_l_16": ("61.555", 304_326_632),
    "vit_l_32": ("15.378", 306_535_400),
}


# the same pages: weights fine-tuned at a larger input (SWAG, end to end), whose table is that of the input
TORCHVISION_LARGER = {
    ("vit_b_16", 384): ("55.484", 86_859_496),
    ("vit_l_16", 512): ("361.986", 305_174_504),
    ("vit_h_14", 518): ("1016.717", 633_470_440),
}


@pytest.mark.parametrize(("id", "side"), TORCHVISION_LARGER)
def test_the_position_table_is_that_of_the_input(id: str, side: int) -> None:
    cost = ARCHITECTURES[id].cost((side, side))
    gmacs, params = TORCHVISION_LARGER[id, side]
    assert f"{cost.total(Quantity.MACS) / 1e9:.3f}" == gmacs
    assert cost.total(Quantity.PARAMS) == params


@pytest.mark.parametrize("id", TORCHVISION)
def test_torchvisions_published_figures(id: str) -> None:
    cost = ARCHITECTURES[id].cost((224, 224))
    gmacs, params = TORCHVISION[id]
    assert f"{cost.total(Quantity.MACS) / 1e9:.3f}" == gmacs
    assert cost.total(Quantity.PARAMS) == params


def test_stages_hold_everything_and_open_with_merging() -> None:
    cost = ARCHITECTURES["swin_t"].cost((224, 224))
    stages = list(cost.stages())
    for quantity in Quantity:
        assert sum(stage.total(quantity) for stage in stages) == cost.total(quantity)
    shown = [(s.stage.resolution, s.stage.channels, s.stage.depth, s.stage.heads) for s in stages[:4] if s.stage]
    assert shown == [((56, 56), 96, 2, 3), ((28, 28), 192, 2, 6), ((14, 14), 384, 6, 12), ((7, 7), 768, 2, 24)]
    assert [s.children[0].name for s in stages[:4]] == ["patch_embedding"] + ["patch_merging"] * 3


def test_a_window_may_grow_with_the_grid() -> None:
    """M = h/8 is 16, 8, 4 and 2 on the stages of a 512 image; the closed form is then no longer linear in H."""
    architecture = ARCHITECTURES["swin_t"]
    config = architecture.configure({"M": "h/8"})
    for sizes in ((512, 512), (256, 512)):
        check("swin_t", sizes, config)
        one_by_one = [
            stage.children[1].children[0].tilings[0].tile
            for stage in list(architecture.cost(sizes, config).stages())[:4]
        ]
        assert one_by_one == [sizes[0] // 32, sizes[0] // 64, sizes[0] // 128, sizes[0] // 256]
    symbolic = model_on_symbols(architecture, config)
    form = as_polynomial(symbolic.total(Quantity.MACS))
    assert form.degree("H") == 3
    assert form.value({"H": 512, "W": 512}) == architecture.cost((512, 512), config).total(Quantity.MACS)
    assert condition(symbolic) == "H a multiple of 256; W a multiple of 32; W/4 a multiple of H/32"


def test_a_window_that_grows_is_read_once_and_said_as_it_was_given() -> None:
    window = ARCHITECTURES["swin_t"].configure({"M": " h/8 "})["M"]
    assert (str(window), listed(window)) == ("h/8", "h/8")
    assert isinstance(window, GridTerm)
    assert window.form == symbol("h") / 8


def test_a_target_with_a_window_that_grows_is_asked_only_where_it_is_whole() -> None:
    """At 224, its native size, h/8 is 3.5."""
    target = find_target("swin_t", "1,3,H,256", {"M": "h/8"})
    swin = ARCHITECTURES["swin_t"]
    cost = swin.cost((512, 256), swin.configure({"M": "h/8"}))
    assert target.describe is not None
    assert target.describe({"H": 512}).total(Quantity.MACS) == cost.total(Quantity.MACS)
    assert len(target.regimes[0].make({"H": 512})[0].stages) == 16


@pytest.mark.parametrize("window", ["q", "C/8", "h**99", "__import__('os')", "h/", "(1)", "", "-h", "h/5"])
def test_a_window_that_is_no_number_on_the_grid_is_refused(window: str) -> None:
    architecture = ARCHITECTURES["swin_t"]
    with pytest.raises(InputError, match="--set M") as caught:
        architecture.cost((224, 224), architecture.configure({"M": window}))
    assert "\n" not in str(caught.value)
