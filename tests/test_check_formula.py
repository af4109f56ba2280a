"""A reader's formula against the derived one: equal, or the terms that differ and where they come from."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from vpcalc import check_formula
from vpcalc.algebra.printers import PRINTERS
from vpcalc.answers.formula import formula
from vpcalc.errors import InputError
from vpcalc.layers import LAYERS

from .conftest import Run

EQUAL = [
    ("4*h*w*C^2 + 2*(h*w)^2*C", "msa", {}),
    (r"\Omega(\text{MSA}) = 4hwC^2 + 2(hw)^2C, (1)", "msa", {}),
    (r"\Omega(\text{W-MSA}) = 4hwC^2 + 2M^2hwC", "wmsa", {}),
    ("4NC² + 2N²C", "msa", {}),
    ("4nd^2 + 2n^2d", "msa", {"rename": {"n": "hw", "d": "C"}}),
    ("4hwc² + 2(hw)²c", "msa", {"rename": {"c": "C"}}),
    ("2hwC^2 + \\frac{2hwC^2}{R^2} + hwC^2 + \\frac{2h^2w^2C}{R^2}", "sra", {}),
    ("8hwC^2 + 4(hw)^2C", "msa", {"convention": "flops"}),
    ("8hwC^2 + 4(hw)^2C", "msa", {"quantity": "flops"}),
    ("4C^2 + 4C", "msa", {"quantity": "params"}),
    ("heads*(hw)^2", "msa", {"quantity": "attention_elements"}),
    ("C*classes + classes", "head", {"quantity": "params"}),
    ("89481HW + 768000", "swin_t", {}),
    ("89481*H*W + 768000", "swin_tiny_patch4_window7_224", {}),
    ("28288354", "swin_t", {"quantity": "params"}),
]


@pytest.mark.parametrize(("text", "against", "more"), EQUAL, ids=[text for text, *_ in EQUAL])
def test_equal(text: str, against: str, more: dict[str, object]) -> None:
    result = check_formula(text, against, **more)  # type: ignore[arg-type]
    assert result.ok, result.differences
    assert (result.verdict, result.differences, result.multiple) == ("equal", (), None)


@pytest.mark.parametrize("id", list(LAYERS))
@pytest.mark.parametrize("quantity", ["macs", "params", "activations", "fvcore"])
def test_every_derived_form_equals_itself_in_every_spelling(id: str, quantity: str) -> None:
    derived = formula(id, quantity=quantity)
    for spelling in ("text", "latex", "python"):
        assert check_formula(derived.spell(spelling), id, quantity).ok, (spelling, PRINTERS[spelling])


def test_terms_that_differ_are_named_with_their_operators() -> None:
    result = check_formula("3hwC^2 + 2(hw)^2C + h", "msa")
    assert not result.ok
    first, second = (difference for difference in result.to_dict()["differences"])
    assert first["term"]["text"] == "hwC²"
    assert (first["given"]["text"], first["derived"]["text"], first["delta"]["text"]) == (
        "3hwC²",
        "4hwC²",
        "−hwC²",
    )
    assert first["from"] == [
        {"operator": "qkv", "amount": {"text": "3hwC²", "latex": "3hwC^{2}", "python": "3*h*w*C**2"}},
        {"operator": "proj", "amount": {"text": "hwC²", "latex": "hwC^{2}", "python": "h*w*C**2"}},
    ]
    assert (second["term"]["text"], second["from"]) == ("h", [])
    assert "3hwC² should be 4hwC²; h does not belong" in result.tables()[0].notes


def test_twice_is_recognised_as_flops_and_half_as_macs() -> None:
    twice = check_formula("8hwC^2 + 4(hw)^2C", "msa")
    assert not twice.ok
    assert twice.multiple == 2
    assert "exactly twice the derived form: FLOPs" in twice.notes[0]
    half = check_formula("4hwC^2 + 2(hw)^2C", "msa", convention="flops")
    assert not half.ok
    assert "exactly half the derived form: multiply-accumulates" in half.notes[0]
    other = check_formula("12C^2 + 12C", "msa", "params")
    assert other.notes == ("exactly 3 times the derived form",)
    batch = check_formula("B(4hwC^2 + 2(hw)^2C)", "msa")
    assert batch.notes == ("exactly B times the derived form",)


def test_almost_twice_is_not_twice() -> None:
    assert check_formula("8hwC^2 + 5(hw)^2C", "msa").multiple is None
    assert check_formula("8hwC^2 + 4(hw)^2", "msa").multiple is None


def test_operators_that_were_left_out_are_recognised() -> None:
    products = check_formula("2(hw)^2C", "msa")
    assert products.without == (("qkv", "proj"),)
    assert products.notes == ("equal to the derived form without qkv, proj",)
    assert check_formula("2hwP^2c", "linear_sra", rename={"c": "C"}).without == (
        ("q", "convolution", "kv", "proj"),
    )
    several = check_formula("2h^2w^2C/R^2 + hwC^2", "sra")  # q, the reduction and proj cost the same
    assert several.without == (("q", "convolution", "kv"), ("q", "kv", "proj"), ("convolution", "kv", "proj"))
    assert "without q, kv, proj; or without convolution, kv, proj" in several.notes[0]
    printed = check_formula(r"\frac{2h^2w^2c}{R^2} + hwc^2R^2", "sra", rename={"c": "C"})
    assert printed.without == ()
    assert str(printed.differences[0]) == "R²hwC² does not belong"


EVEN = "d_k = d_v = d_model/a"


@pytest.mark.parametrize(
    ("text", "against", "where"),
    [
        ("4nd^2 + 2n^2d", "mha", f"S = T, {EVEN}"),
        ("2Td^2 + 2Sd^2 + 2TSd", "mha", EVEN),
        ("h(2T d_{model} d_k + 2S d_{model} d_k + 2TS d_k)", "mha", "d_v = d_k"),
        ("4hn d_{model} d_k + 2h n^2 d_k", "mha", "S = T, d_v = d_k"),
        ("4nd^2 + 2n^2 h d_k", "causal_mha", EVEN),
        ("2hTd_kd + 2hTd_vd + hT^2(d_k + d_v)", "causal_mha", ""),
        ("4nd^2 + h(n^2 d_k + n^2 d_v)", "msa", "d_k = d_v = C/a"),
        ("8nd^2 + 4nd d_k", "retention_recurrent", "d_k = C/a, d_v = 2C/a"),
        ("O(n^2 d)", "causal_mha", EVEN),
        ("O(nd^2 + n^2 d)", "causal_mha", EVEN),
        ("O(n^2 d_k h)", "msa", "d_k = d_v = C/a"),
    ],
)
def test_heads_that_share_the_width_evenly_and_keys_of_the_same_tokens(
    text: str, against: str, where: str
) -> None:
    result = check_formula(text, against)
    assert (result.ok, result.where) == (True, where)
    if where:
        assert where in result.to_dict()["derived"]["valid"]
        assert where in result.tables()[0].title


@pytest.mark.parametrize(
    ("text", "against", "differing"),
    [
        ("4nd^2 + n^2d", "causal_mha", ["T²·d_model should be 2T²·d_model"]),
        ("4nd^2 + 2n^2 d_k", "msa", ["2(hw)²C is missing", "2(hw)²·d_k does not belong"]),
        ("2Td^2 + Sd^2 + 2TSd", "mha", ["S·d_model² should be 2S·d_model²"]),
        (
            "2Td^2 + 2Sd^2 + 2T^2d",
            "mha",
            ["2T²·d_model does not belong", "2TS·d_model is missing"],
        ),  # not of S = T
        ("4nd^2 + 2n^2 d h", "msa", ["2a(hw)²C does not belong", "2(hw)²C is missing"]),
        ("8nd^2 + 2nd(d_k + d_v)", "retention_recurrent", ["6hwC²/a should be 4hwC²/a"]),
        ("4ND^2 + 2wND", "wmsa", ["2M²hwC is missing", "2MhwC does not belong"]),
    ],
)
def test_a_wrong_formula_of_heads_is_held_against_the_form_that_is_nearest(
    text: str, against: str, differing: list[str]
) -> None:
    result = check_formula(text, against)
    assert [str(one) for one in result.differences] == differing
    assert check_formula("O(nd^2)", "causal_mha").notes == ("2T²·d_model is left out, and outgrows it",)


@pytest.mark.parametrize(
    ("text", "ok"),
    [("K^2 C_in C_out h w", True), ("9 C_in C_out h w", False), ("k^2 hw C_{in} C_{out} + C_{out}", False)],
)
def test_a_convolution_is_judged_where_it_keeps_its_channels(text: str, ok: bool) -> None:
    result = check_formula(text, "conv")
    assert (result.ok, result.where) == (ok, "c_in = c_out = C")
    assert check_formula(f"O({text})", "conv").ok == ("9" not in text)


def test_n_is_read_as_hw_only_where_the_derived_form_has_none() -> None:
    assert check_formula("4NC^2", "msa").renaming == {"N": "hw"}
    assert not check_formula("2N d_{model} d_{ff}", "ffn_tokens").renaming


def test_symbols_that_the_derived_form_does_not_have_are_named() -> None:
    (note,) = check_formula("4hwC^2 + 2M^2hwC", "msa").notes[-1:]
    assert note == "M does not occur in the derived form (its symbols: C, h, w)"
    note, hint = check_formula("4HWC^2 + 2(HW)^2C", "msa").notes[-2:]
    assert note == "H and W do not occur in the derived form (its symbols: C, h, w)"
    assert hint.endswith("--rename H=h --rename W=w")
    assert check_formula("K^2C^2HW", "conv").notes[-1] == hint


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (r"\mathcal{O}\big(n^2 d\big)", "same order as the input grows"),
        (r"\mathcal{O}\bigl(n^2 d + n d^2\bigr)", "same order"),
        (r"O\Big[n^2\Big]", "another order"),
        (r"4nd^2 \\[2pt] + 2n^2d", "equal"),
        (r"\begin{aligned} 4nd^2 \\[-1.5ex] + 2n^2d \end{aligned}", "equal"),
    ],
)
def test_large_brackets_and_space_between_lines(text: str, verdict: str) -> None:
    assert check_formula(text, "msa").verdict == verdict


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("4hwC^2", "mssa"), "--against 'mssa' is not known; did you mean msa"),
        (("4hwC^2", "msa", "mac"), "--quantity 'mac' is not known; did you mean macs"),
        (("4hwC^2", "msa", "macs", "flop"), "--convention 'flop' is not known; did you mean flops"),
        (
            ("4C^2", "torch.nn:Linear", "attention_elements"),
            "is of layers and models of ours; of code it may be macs,",
        ),
        (("4C^2", "msa", "params", "flops"), "--convention flops: tells how products are counted"),
        (
            ("4hwq^2", "msa"),
            "'q' is not in the alphabet; say what it stands for, such as --rename q=h; here are h",
        ),
        (("4hwq^2", "lstm_cell"), "such as --rename q=d; here are d (input size of a recurrent network), n ("),
        (("4hwq^2", "swin_t"), "such as --rename q=H; here are H (input image height), W (input image width)"),
        # a spelling of what msa does not have; it is not at position 1
        (("4hwx^2", "msa"), "formula: the symbol 'x' is not in the alphabet"),
        (("Ω(n^2)", "msa"), "Ω(…) and o(…) bound from one side"),
        ((r"\Omega(n)", "msa"), "Ω(…) and o(…) bound from one side"),  # of msa it is so, and no order
        (("o(n^2 d)", "msa"), "Ω(…) and o(…) bound from one side"),
        (("O(n^2) + n", "msa"), "order of growth"),
        (("O(n^2", "msa"), "order of growth"),
        (("hw = O(n^2)", "msa"), "an order of growth beside a formula"),
        (("O(n) = 4nd^2 + 2n^2d", "msa"), "an order of growth beside a formula"),  # it is no name
        ((r"\mathcal{O}(n^2 d) = \Theta(n^2d + nd^2)", "msa"), "an order of growth beside a formula"),
        (("hw = ", "msa"), "there is no formula here"),
        (("=".join("hhhhhhhhh"), "msa"), "9 sides of an equation; must be at most 8"),
        ((r"\sum_i n", "msa"), "a sum needs both limits"),
        ((r"\sum_{i=1} n", "msa"), "the upper limit of the sum has to follow"),
        ((r"\sum_{i=1}^{n} C/i", "msa"), "not of quotients or floors"),
        ((r"i \sum_{i=1}^{n} C", "msa"), "the symbol 'i'"),
        (("4hw C2", "msa"), "write C^2"),
        *(
            ((text, "msa"), f"formula, position {at} (at {text[at - 1 :][:24]!r}): {message}")
            for text, at, message in (
                (r"\begin{equation}4nd^2\end{align}", 22, r"\begin{equation} is ended by another name"),
                (r"\begin{align}T = 4nd^2\end{align*}", 23, r"\begin{align} is ended by another name"),
                (r"\begin{align}\begin{split}n\end{align}\end{split}", 28, r"\begin{split} is ended by"),
                (r"\begin{equation}O(n^2d)", 1, r"no \end{equation} follows"),
                (r"4nd^2\end{equation}", 6, r"no \begin{equation} stands before it"),
            )
        ),
        (("4hwC^2", "msa", "macs", "macs", {"c": "Q"}), "rename c=Q"),
    ],
)
def test_unusable_input(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_formula(*arguments)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_it_shows_itself() -> None:
    result = check_formula("4hwC^2", "msa")
    assert "differs" in result._repr_markdown_()
    assert "$2(hw)^{2}C$" in result._repr_markdown_()
    assert "holds" not in result._repr_html_()
    json.dumps(result.to_dict())


def test_the_command_ends_with_0_1_and_2(inside: Run) -> None:
    paper = r"\Omega(\text{MSA}) = 4hwC^2 + 2(hw)^2C"
    assert inside("check", paper, "--against", "msa").returncode == 0
    different = inside("check", "8*h*w*C^2 + 4*(h*w)^2*C", "--against", "msa")
    assert different.returncode == 1
    assert "exactly twice" in different.stdout
    assert inside("check", "8*h*w*C^2 + 4*(h*w)^2*C", "--against", "msa", "--convention", "flops").returncode == 0
    found = json.loads(inside("check", "4nC^2", "--against", "msa", "--rename", "n=hw", "--format", "json").stdout)
    assert (found["command"], found["verdict"]) == ("check", "different")
    for text in ("4hwq^2", "", "__import__('os')", "Ω(n)"):
        none = inside("check", text, "--against", "msa")
        assert (none.returncode, none.stdout) == (2, "")
        assert none.stderr.startswith("vpcalc: formula, position ")
        assert none.stderr.count("\n") == 1
    assert inside("check", "hw", "--against", "msa", "--rename", "nhw").returncode == 2


def test_a_check_counts_nothing() -> None:
    script = (
        "import sys, vpcalc\n"
        "assert vpcalc.check_formula('4hwC^2 + 2(hw)^2C', 'msa').ok\n"
        "assert not {'torch', 'fvcore', 'sympy', 'numpy', 'joblib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
