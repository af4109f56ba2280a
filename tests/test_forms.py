"""Formulas on their way out: shapes, names, spellings, and that each spelling still says the same numbers."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import sympy
from hypothesis import given

import vpcalc
from vpcalc.algebra import Polynomial, symbols
from vpcalc.algebra.forms import SHAPES, factored, leading, multiplied_out, naming
from vpcalc.algebra.parser import parse
from vpcalc.algebra.polynomial import constant
from vpcalc.algebra.printers import PRINTERS, Product
from vpcalc.architectures import ARCHITECTURES
from vpcalc.cost import Quantity
from vpcalc.errors import InputError
from vpcalc.layers import LAYERS
from vpcalc.symbolic import SYMBOL_OF, Form

from .conftest import Run
from .test_polynomial import polynomials

h, w, C, M, R, a = symbols("h w C M R a")
MSA = 4 * h * w * C**2 + 2 * (h * w) ** 2 * C

# -- the same numbers in every spelling ----------------------------------------------------------------


def from_mathml(node: ElementTree.Element) -> str:
    """Presentation MathML as text that the parser reads."""
    parts = [from_mathml(child) for child in node]
    tag = node.tag.rpartition("}")[2]
    if tag == "mfrac":
        return f"(({parts[0]})/({parts[1]}))"
    if tag == "msup":
        return f"({parts[0]})^{parts[1]}"
    if tag == "msub":
        return f"{parts[0]}_{parts[1]}"
    return " ".join(parts) or (node.text or "").strip()


READERS = {
    "mathml": lambda spelled: parse(from_mathml(ElementTree.fromstring(spelled))),
    "text": parse,
    "latex": parse,
    "typst": lambda spelled: parse(spelled.replace('"', "")),
    "python": parse,
}


def dims_of(id: str, seed: int) -> dict[str, int]:
    """A point where everything divides: windows, ratios, patches, chunks and strides are powers of 2."""
    rng = random.Random(f"{id} {seed}")
    small = {name: rng.choice((2, 4)) for name in ("M", "R", "P", "s", "u", "chunk")}
    small |= {"k": 3, "r": rng.randint(1, 4), "heads": rng.choice((1, 2, 3)), "classes": rng.randint(2, 9)}
    return {name: small.get(name, 48 * rng.randint(1, 3)) for name in LAYERS[id].dims}


@pytest.mark.quick(60)
@pytest.mark.parametrize("id", list(LAYERS))
@pytest.mark.parametrize("quantity", ["macs", "params", "activations"])
def test_every_spelling_of_a_layer_is_its_cost(id: str, quantity: str) -> None:
    for form in ("expanded", "factored"):
        found = vpcalc.formula(id, quantity=quantity, form=form)
        spelled = {spelling: found.spell(spelling) for spelling in READERS}
        namespace: dict[str, object] = {}
        exec(found.function(), namespace)
        (function,) = (value for name, value in namespace.items() if name.startswith(id))
        for seed in range(4):
            dims = dims_of(id, seed)
            expected = LAYERS[id].build(**dims).total(Quantity(quantity))
            point = {SYMBOL_OF.get(name, name): value for name, value in dims.items()}
            for spelling, reader in READERS.items():
                assert reader(spelled[spelling]).value(point) == expected, (spelling, spelled[spelling])
            assert eval(spelled["python"], {"__builtins__": {}}, point) == expected
            assert function(**{name: point[name] for name in found.legend()}) == expected  # type: ignore[operator]


MODELS = ("swin_t", "vit_b_16", "pvt_tiny", "pvt_v2_b0", "transformer_base", "t5_small", "lstm", "retnet_1_3b")


@pytest.mark.parametrize("id", MODELS)
def test_the_function_of_a_model_takes_arrays(id: str) -> None:
    import numpy

    found = vpcalc.formula(id)
    namespace: dict[str, object] = {}
    exec(found.function(), namespace)
    axes = ARCHITECTURES[id].family.axes
    sizes = [numpy.array([672 * 2, 224 * 5, 448], dtype=object) for _ in axes]
    at = dict(zip(axes, sizes, strict=True))
    results = namespace[f"{id}_macs"](**{name: at[name] for name in found.legend()})  # type: ignore[operator]
    for index, result in enumerate(results):
        point = tuple(int(size[index]) for size in sizes)
        assert result == ARCHITECTURES[id].cost(point).total(Quantity.MACS)


@given(polynomials)
def test_what_is_printed_is_read_back(p: Polynomial) -> None:
    for shape in ("expanded", "factored"):
        expression = SHAPES[shape](p)
        for spelling, reader in READERS.items():
            assert reader(PRINTERS[spelling](expression)) == p, spelling


def test_a_wrong_spelling_is_noticed() -> None:
    assert parse(PRINTERS["latex"](MSA).replace("4", "3")) != MSA


# -- shapes -----------------------------------------------------------------------------------------------


@given(polynomials)
def test_factors_multiply_out_to_the_polynomial(p: Polynomial) -> None:
    assert multiplied_out(factored(p)) == p
    assert sympy.expand(sympy.sympify(p.to_sympy()) - multiplied_out(factored(p)).to_sympy()) == 0


@pytest.mark.parametrize("power", [2, 3])
@pytest.mark.parametrize("base", [h - C, C - h, h * C - w, w - h * C, h - 1], ids=str)
def test_powers_of_a_difference_keep_their_sign(base: Polynomial, power: int) -> None:
    """SymPy's order of terms is not ours, so a bracket may have to be turned round."""
    assert multiplied_out(factored(base**power * C)) == base**power * C


FACTORED = {
    MSA: "2hwC(2C + hw)",
    4 * h * w * C**2 + 2 * M**2 * h * w * C: "2hwC(2C + M²)",
    a * (2 * M - 1) * (2 * M - 1): "a(2M − 1)²",
    h * w * C**2 / R**2 + h * w * C: "hwC(C + R²)/R²",
    h - w * C: "−(wC − h)",
    (h - w) * (h + w): "(h + w)(h − w)",
    C + 1: "C + 1",
    (C + 1) / 2: "(C + 1)/2",
    4 * C: "4C",
    constant(0): "0",
}


@pytest.mark.parametrize("polynomial", FACTORED, ids=str)
def test_factored(polynomial: Polynomial) -> None:
    assert PRINTERS["text"](factored(polynomial)) == FACTORED[polynomial]


LEADING = {
    MSA: "2(hw)²C",
    4 * h * w * C**2 + 2 * M**2 * h * w * C: "4hwC² + 2M²hwC",
    3 * C**2 + 7 * C + M**2 * a: "3C²",
    M**2 * a + M: "M²a",
    constant(7): "7",
}


@pytest.mark.parametrize("polynomial", LEADING, ids=str)
def test_leading(polynomial: Polynomial) -> None:
    assert PRINTERS["text"](leading(polynomial)) == LEADING[polynomial]


def test_the_sum_above_a_line_needs_no_brackets() -> None:
    half = Product(constant(1) / 2, ((h + C, 1),))
    assert PRINTERS["latex"](half) == r"\frac{C + h}{2}"
    assert PRINTERS["typst"](half) == "(C + h) / (2)"
    assert PRINTERS["python"](half) == "(C + h)//2"
    minus = Product(-constant(1) / 2, ((h + C, 1),))
    assert eval(PRINTERS["python"](minus), {"h": 3, "C": 5}) == -4
    assert ElementTree.fromstring(PRINTERS["mathml"](minus)).tag.endswith("math")


# -- names ------------------------------------------------------------------------------------------------

RENAMED = [  # names, text, latex, typst
    ({"C": "d"}, "4hwd² + 2(hw)²d", "4hwd^{2} + 2(hw)^{2}d", "4 h w d^2 + 2 (h w)^2 d"),
    ({"hw": "n", "C": "d"}, "4nd² + 2n²d", "4nd^{2} + 2n^{2}d", "4 n d^2 + 2 n^2 d"),
    (
        {"C": "d_model"},
        "4hw·d_model² + 2(hw)²·d_model",
        r"4hw \, d_{\text{model}}^{2} + 2(hw)^{2} \, d_{\text{model}}",
        '4 h w d_"model"^2 + 2 (h w)^2 d_"model"',
    ),
    (
        {"hw": "tokens"},
        "4·tokens·C² + 2·tokens²·C",
        r"4 \, \text{tokens} \, C^{2} + 2 \, \text{tokens}^{2} \, C",
        None,
    ),
    ({"C": "γ"}, "4hwγ² + 2(hw)²γ", r"4hw\gamma^{2} + 2(hw)^{2}\gamma", None),
    ({"h": "w", "w": "h"}, "4whC² + 2(wh)²C", "4whC^{2} + 2(wh)^{2}C", None),
]


@pytest.mark.parametrize(("names", "text", "latex", "typst"), RENAMED, ids=[str(case[0]) for case in RENAMED])
def test_symbols_are_written_otherwise(names: dict[str, str], text: str, latex: str, typst: str | None) -> None:
    form = vpcalc.formula("msa", symbols=names).form
    assert (form.text, form.latex) == (text, latex)
    assert typst is None or form.spell("typst") == typst


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ({"X": "y"}, "symbol 'X' is not known"),
        ({"C": "h"}, "both be written h"),
        ({"hw": "C"}, "both be written C"),
        ({"h": "n", "w": "n"}, "both be written n"),
        ({"hw": "n", "h": "k"}, "cannot have names of their own"),
        ({"C": "2"}, "a name is letters"),
        ({"C": ""}, "a name is letters"),
        ({"C": "x y"}, "a name is letters"),
        ({"C": "lambda"}, "a name is letters"),
        ({"C": r"\input{x}"}, "a name is letters"),
    ],
    ids=str,
)
def test_unusable_names_are_refused(names: dict[str, str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        naming(MSA, names)


def test_a_grid_that_is_not_whole_keeps_its_letters() -> None:
    with pytest.raises(InputError, match="h and w stand apart"):
        naming(h**2 * w, {"hw": "n"})


def test_the_condition_and_the_steps_are_written_alike() -> None:
    found = vpcalc.formula("wmsa", symbols={"M": "m", "C": "d"}, form="factored")
    assert found.form.text == "2hwd(2d + m²)"
    assert found.form.valid == "h and w multiples of m"
    assert list(found.legend()) == ["m", "h", "w", "d"]
    steps = found.to_dict()["steps"]
    assert steps[0]["shapes"] == "(hw × d)(d × 3d)"
    assert {step["term"] for step in steps} == {"3hwd²", "m²hwd", "hwd²"}


# -- what is printed around a formula -----------------------------------------------------------------


def test_a_letter_outside_the_alphabet_is_in_the_legend_and_a_parameter() -> None:
    units = symbols("units")[0]
    found = replace(vpcalc.formula("msa"), form=Form(2 * h * w * C * units))
    assert found.legend()["units"] == "dimension of the layer"
    namespace: dict[str, object] = {}
    exec(found.function(), namespace)
    assert namespace["msa_macs"](h=2, w=3, C=5, units=7) == 2 * 6 * 5 * 7  # type: ignore[operator]
    renamed = replace(found, form=Form(found.form.polynomial, names=(("units", "S"),)))
    assert list(renamed.legend()) == ["h", "w", "C", "S"]


def test_legends() -> None:
    found = vpcalc.formula("msa")
    assert found.passage("text").splitlines()[0] == "4hwC² + 2(hw)²C"
    assert "h: height of the token grid (tokens)" in found.passage("text")
    assert found.passage("latex").startswith(
        "\\[\n  4hwC^{2} + 2(hw)^{2}C\n\\]\nwhere $h$: height of the token grid"
    )
    assert found.passage("markdown").startswith("$$\n4hwC^{2} + 2(hw)^{2}C\n$$\n\nwhere $h$: ")
    assert found.passage("typst").startswith("$ 4 h w C^2 + 2 (h w)^2 C $\nwhere $h$: ")
    assert eval(found.passage("python"), {"h": 2, "w": 3, "C": 5}) == 4 * 6 * 25 + 2 * 36 * 5
    assert '<math display="block"' in found.passage("mathml")
    patches = vpcalc.formula("patch_embedding")  # 3HWC for multiples of P
    assert "P: patch side (pixels)" in patches.passage("text")
    assert list(patches.legend()) == ["H", "W", "C"]
    settings = vpcalc.formula("pvt_small", vary=["R", "depths"]).legend(conditions=True)
    assert [settings["R_4"], settings["depths_1"]] == [
        "spatial reduction ratio of SRA in stage 4",
        "blocks in stage 1",
    ]
    constant_form = vpcalc.formula("swin_t", quantity="params")
    assert constant_form.passage("text") == "28288354\n\nholds for H and W multiples of 224 (32·7)"


def test_a_formula_shows_itself_in_a_notebook() -> None:
    found = vpcalc.formula("msa")
    assert found._repr_latex_() == "$4hwC^{2} + 2(hw)^{2}C$"
    assert found._repr_markdown_().startswith("$$")
    assert "<math display" in found._repr_html_()
    assert "QKᵀ" in found._repr_html_()


def test_on_the_command_line(inside: Run) -> None:
    renamed = inside("formula", "msa", "--symbol", "hw=n", "--symbol", "C=d", "--form", "factored")
    assert renamed.stdout == "2nd(2d + n)\n"
    assert inside("formula", "msa", "--form", "leading").stdout == "2(hw)²C\n"
    assert "h: height" in inside("formula", "msa", "--legend").stdout
    assert inside("formula", "msa", "--format", "function").stdout.startswith("def msa_macs(h, w, C):")
    found = json.loads(inside("formula", "msa", "--form", "factored", "--format", "json").stdout)
    assert (found["form"], found["formula"]["python"]) == ("factored", "2*h*w*C*(2*C + h*w)")
    for bad in (("--form", "short"), ("--symbol", "C"), ("--symbol", "C=h")):
        done = inside("formula", "msa", *bad)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"vpcalc: {bad[0]}")
