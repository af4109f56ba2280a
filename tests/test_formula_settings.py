"""Closed forms in a model's settings are what the model costs, wherever they say that they hold."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

import vpcalc
from vpcalc.algebra.domains import Domain, at_least, positive
from vpcalc.algebra.polynomial import Polynomial, symbol
from vpcalc.answers.formula_settings import _affine, in_settings
from vpcalc.architectures import ARCHITECTURES
from vpcalc.sweeps.subjects import OurModel, Trained
from vpcalc.symbolic import SYMBOL_OF

CASES = {
    "swin_t": ("C", "depths", "M", "r", "heads_1"),
    "swin_b": ("P", "classes"),
    "vit_ti_16": ("C", "depth", "heads", "P", "r"),
    "pvt_tiny": ("C", "R", "r"),
    "pvt_v2_b0": ("R", "heads_2", "depths"),
    "resnet18": ("C", "depths", "classes"),
    "convnext_t": ("k", "C", "depths_3"),
    "vgg11": ("C", "hidden"),
    "semantic_fpn": ("C", "hidden", "classes"),
    "cascade_mask_rcnn": ("proposals", "detections", "C", "stages"),
    "transformer_base": ("N", "d_model", "h", "d_k"),
    "t5_small": ("layers", "d_kv", "batch"),
    "retnet_1_3b": ("d_model", "layers", "heads"),
    "lstm": ("d", "n", "layers"),
}


SLOW = [pytest.param(quantity, marks=pytest.mark.slow) for quantity in ("params", "fvcore")]


@pytest.mark.quick(13)
@pytest.mark.parametrize("quantity", ["macs", *SLOW])
@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("id", CASES)
def test_forms_hold_where_they_say(id: str, everywhere: bool, quantity: str) -> None:
    _hold(id, CASES[id], everywhere, quantity)


@pytest.mark.parametrize(("id", "name"), [("swin_t", "input"), ("lstm", "tokens"), ("t5_small", "src,tgt")])
def test_sizes_are_letters_unasked(id: str, name: str) -> None:
    assert vpcalc.formula(id, vary=name.split(",")).form.text == vpcalc.formula(id).form.text


BYTES = [
    ("swin_t", ("C", "M", "r"), "saved_bytes"),
    ("swin_t", ("C", "r"), "peak_bytes"),
    ("swin_t", ("C",), "training_bytes"),
    ("vit_ti_16", ("C", "depth", "heads"), "saved_bytes"),
    ("pvt_tiny", ("C_1", "r"), "forward_peak_bytes"),
    ("resnet18", ("C", "classes"), "inference_bytes"),
    ("mask_rcnn", ("proposals", "detections"), "saved_bytes"),
    ("convnext_t", ("C", "k"), "weights_bytes"),
    ("swin_t", ("C", "depths_3"), "saved_bytes"),
    ("pvt_tiny", ("depths_2",), "inference_bytes"),
    ("resnet18", ("batch",), "peak_bytes"),
    ("swin_t", ("batch", "C"), "saved_bytes"),
]


@pytest.mark.quick(3)
@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize(("id", "vary", "quantity"), BYTES)
def test_forms_of_bytes_hold_where_they_say(
    id: str, vary: tuple[str, ...], quantity: str, everywhere: bool
) -> None:
    _hold(id, vary, everywhere, quantity)


def _hold(id: str, vary: tuple[str, ...], everywhere: bool, quantity: str) -> None:
    architecture = ARCHITECTURES[id]
    model = OurModel(architecture, {}, architecture.sizes, 1, Trained())
    regime, _ = in_settings(model, vary, quantity, everywhere)
    assert regime.form is not None
    axes, own = architecture.family.axes, model.own_values
    names = [name for name in model.names if isinstance(own.get(name), int)]
    varied = [name for name in names if name in vary or name.rpartition("_")[0] in vary]
    letters = {SYMBOL_OF.get(name, name): name for name in (*axes, *varied)}
    dice, held = random.Random(id), 0
    for turn in range(4000):
        point = {letter: _near(dice, own[name], turn) for letter, name in letters.items()}
        if not regime.when.where.holds(point):
            continue
        held += 1
        given = {name: point[letter] for letter, name in letters.items()}
        found = model.figures({**own, **given}, frozenset(varied), (quantity,))[quantity]
        assert regime.form.polynomial.value(point) == max(found), point
        if held == 6:
            break
    assert held >= 2


def _near(dice: random.Random, own: int, turn: int) -> int:
    """A multiple of a model's own value, or of a part of it, or any number."""
    if not turn:
        return own
    return dice.choice((own, own, own * dice.randint(1, 3), max(1, own // 2), own + dice.randint(1, 2)))


def test_a_formula_in_settings_is_printed_with_where_it_holds() -> None:
    found = vpcalc.formula("swin_t", vary=["C", "M", "r"])
    assert found.form.text == "3rHWC²/2 + 27HWC²/8 + 19M²HWC/32 + 3HWC + 8000C"
    assert found.form.valid == "32M | H, 32M | W, 3 | C"
    plain = vpcalc.formula("swin_t").form.polynomial
    assert found.form.polynomial.subs({"C": 96, "M": 7, "r": 4}) == plain
    depths = vpcalc.formula("swin_t", vary=["depths"])
    assert not depths.assumptions  # how often blocks come is a letter of the run itself
    assert depths.form.polynomial.subs({f"depths_{i}": n for i, n in enumerate((2, 2, 6, 2), 1)}) == plain


@pytest.mark.parametrize(
    ("name", "vary", "line"),
    [
        ("swin_t", ["c"], "--vary: number among the settings 'c' is not known"),
        ("retnet_1_3b", ["form"], "--vary: number among the settings 'form' is not known"),
        ("wmsa", ["C"], "--vary C: of a model's settings; all dimensions of wmsa are symbols already"),
        ("vit_b_16", ["mlp"], "--vary mlp: is left out of vit_b_16; say around which number, --set mlp=4"),
        ("swin", ["C"], "formula 'swin' is not known"),
    ],
)
def test_what_no_form_can_be_had_in_is_refused(name: str, vary: list[str], line: str) -> None:
    with pytest.raises(vpcalc.InputError) as error:
        vpcalc.formula(name, vary=vary)
    assert str(error.value).startswith(line)


def test_a_number_of_classes_is_no_letter_where_there_is_no_head() -> None:
    with pytest.raises(vpcalc.InputError, match="--vary classes: is left out of swin_t"):
        vpcalc.formula("swin_t", vary=["classes"], set={"head": False})


@pytest.mark.parametrize(
    ("name", "vary", "quantity", "first", "rests"),
    [
        ("vit_s_16", "depth", "peak_bytes", 2, "affine in depth: so it is at 2, 3, 4, 7, 12"),
        (
            "swin_t",
            "depths_3",
            "training_bytes",
            1,
            "affine, apart for odd and even numbers, in depths_3: so it is at 1, 2, 3, 4, 7, 12",
        ),
    ],
)
def test_bytes_have_a_form_in_numbers_of_blocks(
    name: str, vary: str, quantity: str, first: int, rests: str
) -> None:
    architecture = ARCHITECTURES[name]
    model = OurModel(architecture, {}, architecture.sizes, 1, Trained())
    regime, said = in_settings(model, [vary], quantity, True)
    assert said == rests
    assert regime.form is not None
    side = 896
    for number in range(1, 10):
        point = {"H": side, "W": side, vary: number}
        assert regime.when.where.holds(point) == (number >= first)
        given = {**model.own_values, **point}
        if number >= first:
            assert regime.form.polynomial.value(point) == max(
                model.figures(given, frozenset([vary]), (quantity,))[quantity]
            )


@pytest.mark.parametrize(
    ("power", "grows", "why"),
    [
        (2, False, "the form is not affine in it"),
        (1, True, "affine in it, but at other sizes for each number of blocks"),
    ],
)
def test_numbers_of_blocks_without_a_form_say_why(power: int, grows: bool, why: str) -> None:
    h = symbol("H")

    def form(rounds: Mapping[str, int]) -> tuple[Polynomial, Domain]:
        return h * rounds["depth"] ** power, positive(["H"]) & at_least(h - 3 * rounds["depth"] ** grows)

    with pytest.raises(vpcalc.InputError) as error:
        _affine(form, {"depth": "depth"})
    assert str(error.value) == f"--vary depth: {why}; vpcalc sweep has its values"


@pytest.mark.parametrize(
    ("name", "quantity", "line"),
    [
        ("swin_t", "saved_byte", "--vary: --quantity 'saved_byte' is not known; did you mean saved_bytes"),
        ("lstm", "saved_bytes", "--vary: it takes as many rounds as T, and saved_bytes has no form"),
    ],
)
def test_quantities_without_a_form_are_refused(name: str, quantity: str, line: str) -> None:
    with pytest.raises(vpcalc.InputError) as error:
        vpcalc.formula(name, vary=["n" if name == "lstm" else "C"], quantity=quantity)
    assert str(error.value).startswith(line)
