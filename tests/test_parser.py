"""Reading formulas: Python's spelling, our own text, the papers' LaTeX, and everything that is none of these."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcalc.algebra import Polynomial, parser, symbols
from vpcalc.algebra.forms import factored
from vpcalc.algebra.parser import parse
from vpcalc.algebra.printers import PRINTERS
from vpcalc.errors import InputError
from vpcalc.symbols import ALPHABET

h, w, C, M, R, d_k, d_ff, d_model, c_in = symbols("h w C M R d_k d_ff d_model c_in")

SPELLED = [
    ("4*h*w*C^2 + 2*(h*w)^2*C", 4 * h * w * C**2 + 2 * (h * w) ** 2 * C),
    ("4*h*w*C**2 + 2*(h*w)**2*C", 4 * h * w * C**2 + 2 * (h * w) ** 2 * C),
    ("4hwC² + 2(hw)²C", 4 * h * w * C**2 + 2 * (h * w) ** 2 * C),
    ("4hwC^2 + 2(hw)^2C", 4 * h * w * C**2 + 2 * (h * w) ** 2 * C),
    (r"\Omega(\text{MSA}) = 4hwC^2 + 2(hw)^2C,", 4 * h * w * C**2 + 2 * (h * w) ** 2 * C),
    (r"$$\Omega(\mathrm{W\mbox{-}MSA})=4hwC^{2}+2M^{2}hwC, \tag{2}$$", 4 * h * w * C**2 + 2 * M**2 * h * w * C),
    (
        r"\Omega\left(\text{W-MSA}\right) &= 4hwC^2 \\ &+ 2M^2hwC. \quad (2)",
        4 * h * w * C**2 + 2 * M**2 * h * w * C,
    ),
    ("Ω(MSA) = 4hwC², (1)", 4 * h * w * C**2),
    ("FLOPs(MSA) = 4hwC²", 4 * h * w * C**2),
    (r"\frac{2hwC^{2}}{R^{2}}", 2 * h * w * C**2 / R**2),
    (r"\dfrac{h^2 w^2}{R^2} \cdot 2C", 2 * (h * w) ** 2 * C / R**2),
    (r"\frac12 h", h / 2),
    (r"\tfrac12hw^2 + \frac h2 + \frac{h}3", h * w**2 / 2 + h / 2 + h / 3),
    (r"\frac1{12} h + \frac hw + \frac 1 2", h / 12 + h / w + Polynomial({(): 1}, 2)),
    ("31/4 h w C^2", 31 * h * w * C**2 / 4),
    ("hw + 1/2 (hw)^2 C", h * w + (h * w) ** 2 * C / 2),
    ("2hwC²/R²", 2 * h * w * C**2 / R**2),
    ("2hwC²/(3R²)", 2 * h * w * C**2 / (3 * R**2)),
    ("2*h*w*C**2//R**2", 2 * h * w * C**2 / R**2),
    ("h*w/R**2*C", h * w * C / R**2),
    (r"2 \times h\,w \cdot C", 2 * h * w * C),
    (r"\left( h w \right)^{2}", (h * w) ** 2),
    ("[h(w + 1)]", h * w + h),
    ("h^2w^2", (h * w) ** 2),
    ("2h⁻²", 2 / h**2),
    ("h^{-1}", 1 / h),
    ("h**-1", 1 / h),
    ("−h − −h", Polynomial({})),
    ("-h^2", -(h**2)),
    ("2*-h", -2 * h),
    ("0.5*h + 1.25", h / 2 + Polynomial({(): 5}, 4)),
    ("(h + w)^2", h**2 + 2 * h * w + w**2),
    ("d_k C", d_k * C),
    ("d_kC", d_k * C),
    ("d_{k}d_{model}", d_k * d_model),
    (r"d_{\text{model}}\,d_{ff}", d_model * d_ff),
    (r"d_\mathrm{model} d_{\rm ff}", d_model * d_ff),
    ("2*d_model*d_ff", 2 * d_model * d_ff),
    (r"c_{\text{in}}h", c_in * h),
    ("{d_k}^2", d_k**2),
    ("C^{12}", C**12),
    ("C^0", Polynomial({(): 1})),
]


@pytest.mark.parametrize(("text", "meant"), SPELLED, ids=[text for text, _ in SPELLED])
def test_spellings(text: str, meant: Polynomial) -> None:
    assert parse(text) == meant


REFUSED = [
    ("", 1, "no formula"),
    ("Ω(MSA) =", 9, "no formula"),
    ("h+", 3, "stops here"),
    ("h*)", 3, "has to stand here"),
    ("(h", 1, "not closed"),
    ("(h}", 3, "still open"),
    ("h)", 2, "a bracket too many"),
    ("4hwc^2", 4, "did you mean C (channels of a token)? --rename c=C says so"),
    ("h*q", 3, "say what it stands for, such as --rename q=h; here are h (height of the token grid), w ("),
    ("h*d_modle", 3, "did you mean d_model"),
    (
        "h*q + p",
        3,
        "'q', 'p' are not in the alphabet; say what they stand for, such as --rename q=h --rename p=w",
    ),
    ("C_i", 1, "'C_i' is not in the alphabet"),
    ("αh", 1, "'α' is not in the alphabet"),
    (r"\alpha h", 1, "'α' is not in the alphabet"),
    (r"\sqrt{h}", 1, r"the command '\\sqrt' has no meaning"),
    ("h & w # C", 7, "'#'"),
    ("d_", 2, "'_'"),
    ("O(n^2 d)", 1, "order of growth"),
    (r"\mathcal{O}(hw)", 1, "order of growth"),
    ("Ω(hw)", 1, "order of growth"),
    ("Ω(MSA) = O(hw)", 10, "order of growth"),
    ("hw = 4", 4, "not a relation"),
    ("hw ≈ 4", 4, "not a relation"),
    ("C2", 2, "write C^2 for a power"),
    ("2(hw)2C", 6, "write C^2 for a power"),
    ("1/2hw", 4, "what is divided?"),
    ("C/hw", 4, "what is divided?"),
    ("C/2 hw", 5, "what is divided?"),
    ("1/C hw", 5, "what is divided?"),
    ("31/4 2 h", 6, "a number after a factor"),
    ("{hw}^2", 5, "on paper this raises the last factor alone"),
    ("h^C", 3, "whole number"),
    ("h^2.5", 3, "whole number"),
    ("h^(1/2)", 3, "whole number"),
    ("h^13", 2, "at most 12"),
    ("h^(9^9)", 3, "at most 12"),
    ("h²²", 2, "at most 12"),
    ("2**3**2", 5, "a power of a power"),
    ("h/0", 2, "division by zero"),
    ("h/(h + w)", 2, "a single term only"),
    ("(h + w)^-1", 8, "a single term only"),
    (r"\frac{1} + h", 10, r"\frac needs braces"),
    (r"\frac12.5 h", 6, r"\frac needs braces"),
    (r"\frac d_k 2", 7, r"\frac needs braces"),
    (r"\frac123 h", 8, "a number after a factor"),
    ("1" * 31, 1, "at most 30"),
    ("⌊(h+1)(w+1)(C+1)(B+1)(L+1)(r+1)(k+1)(P+1)/3⌋", 1, "too large to multiply out"),
]


@pytest.mark.parametrize(("text", "position", "message"), REFUSED, ids=[text for text, *_ in REFUSED])
def test_what_is_no_formula_is_refused_with_its_position(text: str, position: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    said = str(caught.value)
    assert said.startswith(f"formula, position {position}")
    assert message in said
    assert "\n" not in said


def test_renamed_letters_and_words() -> None:
    assert parse("4nd^2", {"n": "h*w", "d": "C"}) == 4 * h * w * C**2
    assert parse(r"4\nu\delta^2 + νδ", {"ν": "hw", "δ": "C"}) == 4 * h * w * C**2 + h * w * C
    assert parse("h w", {"h": "w", "w": "h"}) == h * w
    assert parse("h^2 w", {"h": "w", "w": "h"}) == w**2 * h
    assert parse("seq_len*dim + 2dim", {"seq_len": "hw", "dim": "C"}) == h * w * C + 2 * C
    assert parse(r"C_i + h_{\text{out}}", {"C_i": "C", "h_out": "h/2"}) == C + h / 2


@pytest.mark.parametrize(
    ("rename", "message"),
    [({"c": "Q"}, "rename c=Q"), ({"2": "C"}, "a name is letters"), ({"": "C"}, "a name is letters")],
)
def test_renaming_to_nothing_known_is_refused(rename: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse("h", rename)


def polynomials() -> st.SearchStrategy[Polynomial]:
    names = st.sampled_from([letter.name for letter in ALPHABET])
    powers = st.integers(-4, 8).filter(bool)  # python() multiplies by R⁴ before it divides
    monomials = st.dictionaries(names, powers, max_size=4).map(lambda powers: tuple(sorted(powers.items())))
    numbers = st.integers(-(10**12), 10**12)
    return st.builds(Polynomial, st.dictionaries(monomials, numbers, max_size=6), st.integers(1, 999))


@given(polynomials())
def test_every_printer_is_read_back(polynomial: Polynomial) -> None:
    for spelling in ("text", "latex", "python"):
        assert parse(PRINTERS[spelling](polynomial)) == polynomial, spelling


def test_factored_forms_are_read_back() -> None:
    for polynomial in (
        4 * h * w * C**2 + 2 * (h * w) ** 2 * C,
        (2 * h * w * C**2 + 2 * (h * w) ** 2 * C) / R**2,
        (h - w) ** 2 * (C + 1) / (3 * R),
        -(h**2) * d_model - h * w * d_model,
    ):
        for spelling in ("text", "latex", "python"):
            assert parse(PRINTERS[spelling](factored(polynomial))) == polynomial, spelling


PIECES = [
    *"hwCMRPNdk0129+-*/^(){}[]_ .,;=²³⁻−·$&\\~!?αΩ\n",
    "**",
    "//",
    "d_k",
    "d_{model}",
    r"\frac{",
    r"\text{",
    r"\cdot ",
    r"\left(",
    r"\Omega(",
    "^{2}",
    "O(",
    "1e9",
    "__import__",
]


def _only_input_errors(text: str) -> None:
    start, said = time.thread_time(), ""  # of the processor, for which other processes do not matter
    try:
        parse(text)
    except InputError as error:
        said = str(error)
    assert time.thread_time() - start < 2
    assert len(said) < 3000
    assert "\n" not in said


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_random_formulas_give_a_polynomial_or_an_input_error(text: str) -> None:
    _only_input_errors(text)


@given(st.text(max_size=60))
def test_random_text_gives_a_polynomial_or_an_input_error(text: str) -> None:
    _only_input_errors(text)


HOSTILE = {
    "open brackets": "(" * 10_000,
    "open braces": "{" * 10_000,
    "nested brackets": "(" * 5_000 + "h" + ")" * 5_000,
    "letters": "h" * 10_000,
    "blanks": " " * 9_999 + "x",
    "blanks after an index": "h_{" + " " * 9_990,
    "blanks after a command": r"\text" + " " * 9_990,
    "blanks after a name": "Ω" + " " * 9_990,
    "backslashes": "\\" * 10_000,
    "signs": "-" * 9_999 + "h",
    "a long sum": "h+" * 4_999 + "h",
    "a large power": "(h+w+C+B+L+r+k+P+M+R+a+b)^12" * 5,
    "a tower": "(((((9^12)^12)^12)^12)^12)",
    "many terms": "(h+1)(w+1)(C+1)(B+1)(L+1)(r+1)(k+1)(P+1)(M+1)(R+1)" + "*1" * 4_000,
    "many denominators": "+".join(f"1/{n}" for n in range(1, 1_500)),
    "equation numbers": ".(1)" * 2_500,
    "a long number": "9" * 10_000,
    "exponents": "h^" * 5_000,
    "too long": "h" * (parser.LENGTH + 1),
    "code": "__import__('os').system('true')",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_ends_at_once(text: str) -> None:
    _only_input_errors(text)


@pytest.mark.parametrize("value", [None, 3, b"h", ["h"]])
def test_only_text_is_parsed(value: object) -> None:
    with pytest.raises(InputError, match="must be text"):
        parse(value)  # type: ignore[arg-type]
