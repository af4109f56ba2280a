"""Exact polynomials against SymPy, and the ways in which they are written."""

from __future__ import annotations

from math import prod

import numpy
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from vpcalc.algebra import Polynomial, symbols
from vpcalc.algebra.crossover import always_more, crossing
from vpcalc.algebra.polynomial import constant
from vpcalc.algebra.printers import PRINTERS

NAMES = ("h", "w", "C", "M", "R")
h, w, C, M, R, P, a, H, W = symbols("h w C M R P a H W")

monomials = st.dictionaries(st.sampled_from(NAMES), st.integers(-2, 3).filter(bool), max_size=3).map(
    lambda powers: tuple(sorted(powers.items()))
)
polynomials = st.builds(Polynomial, st.dictionaries(monomials, st.integers(-9, 9), max_size=4), st.integers(1, 12))


def sympy_of(p: Polynomial) -> sympy.Expr:
    return p.to_sympy()


@given(polynomials, polynomials)
def test_arithmetic_is_sympys(p: Polynomial, q: Polynomial) -> None:
    assert sympy.expand(sympy_of(p + q) - sympy_of(p) - sympy_of(q)) == 0
    assert sympy.expand(sympy_of(p - q) - sympy_of(p) + sympy_of(q)) == 0
    assert sympy.expand(sympy_of(p * q) - sympy_of(p) * sympy_of(q)) == 0


@given(polynomials, polynomials)
def test_equal_exactly_when_the_difference_is_nothing(p: Polynomial, q: Polynomial) -> None:
    assert (p == q) == (sympy.expand(sympy_of(p) - sympy_of(q)) == 0)
    assert (p + q) - q == p
    assert hash((p + q) - q) == hash(p)


def test_equal_to_an_int_and_hashed_as_one() -> None:
    assert constant(5) == 5
    assert hash(constant(5)) == hash(5)
    assert constant(0) == 0
    assert not constant(0)


@given(polynomials, st.lists(st.integers(1, 6), min_size=len(NAMES), max_size=len(NAMES)))
def test_the_python_form_is_exact_wherever_the_value_is_whole(p: Polynomial, numbers: list[int]) -> None:
    point = dict(zip(NAMES, numbers, strict=True))
    scale = p.denominator * prod(number**2 for number in numbers)  # makes every term whole
    whole = p * scale
    value = whole.value(point)
    at = {sympy.Symbol(name, integer=True, positive=True): number for name, number in point.items()}
    assert sympy_of(p).subs(at) * scale == value
    assert eval(PRINTERS["python"](whole), {"__builtins__": {}}, point) == value


@given(polynomials)
def test_dividing_by_the_content_leaves_whole_coefficients(p: Polynomial) -> None:
    reduced = p / p.content()
    assert reduced.denominator == 1
    assert all(power > 0 for monomial in reduced.terms for _, power in monomial)
    assert reduced * p.content() == p


def test_only_a_single_term_divides() -> None:
    with pytest.raises(ZeroDivisionError):
        h / (h + w)
    with pytest.raises(ZeroDivisionError):
        h / constant(0)


def test_a_value_off_the_lattice_is_refused() -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        (h / 7).value({"h": 8})
    with pytest.raises(ValueError, match="no value for h"):
        h.value({})
    with pytest.raises(ValueError, match="not a whole number"):
        (h / 2).at({"h": numpy.array([2, 3])})
    assert (h / 2).at({"h": numpy.array([2, 4])}).tolist() == [1, 2]


SPELLED = {  # polynomial: text, latex, typst, python
    4 * h * w * C**2 + 2 * (h * w) ** 2 * C: (
        "4hwC² + 2(hw)²C",
        "4hwC^{2} + 2(hw)^{2}C",
        "4 h w C^2 + 2 (h w)^2 C",
        "4*h*w*C**2 + 2*(h*w)**2*C",
    ),
    4 * h * w * C**2 + 2 * M**2 * h * w * C: (
        "4hwC² + 2M²hwC",
        "4hwC^{2} + 2M^{2}hwC",
        "4 h w C^2 + 2 M^2 h w C",
        "4*h*w*C**2 + 2*M**2*h*w*C",
    ),
    h**2 * w * C / R**2 - 1: (
        "h²wC/R² − 1",
        r"\frac{h^{2}wC}{R^{2}} - 1",
        "(h^2 w C) / (R^2) - 1",
        "(h**2*w*C - R**2)//R**2",
    ),
    H * W / 16 - a: ("HW/16 − a", r"\frac{HW}{16} - a", "(H W) / (16) - a", "(H*W - 16*a)//16"),
    -h / (2 * R): ("−h/(2R)", r"-\frac{h}{2R}", "-(h) / (2 R)", "(-h)//(2*R)"),
    constant(0): ("0", "0", "0", "0"),
}


@pytest.mark.parametrize("polynomial", SPELLED, ids=str)
def test_spelling(polynomial: Polynomial) -> None:
    names = ("text", "latex", "typst", "python")
    assert tuple(PRINTERS[name](polynomial) for name in names) == SPELLED[polynomial]


def test_mathml_is_well_formed_and_keeps_the_grid_together() -> None:
    from xml.etree import ElementTree

    spelled = PRINTERS["mathml"](4 * h * w * C**2 - 2 * (h * w) ** 2 * C / R)
    tree = ElementTree.fromstring(spelled)
    assert tree.tag.endswith("math")
    assert "".join(tree.itertext()) == "4hwC2−2(hw)2CR"
    hidden, anchors, below = symbols("hidden anchors L_1")
    words = PRINTERS["mathml"](5 * C * anchors * hidden + h * below)
    assert words.count("<mspace") == 2  # between words, and not before what is below a letter


def test_crossing_of_the_papers_two_equations() -> None:
    msa, wmsa = (p for p in list(SPELLED)[:2])
    found = crossing(msa, wmsa, {"M": 7, "C": 96})
    assert found is not None
    assert (found.spell(), found.at, found.swapped) == ("hw > M²", 49, False)
    swapped = crossing(wmsa, msa, {"M": 7, "C": 96})
    assert swapped is not None
    assert (swapped.spell(), swapped.at, swapped.swapped) == ("hw > M²", 49, True)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 12))
def test_at_is_the_last_grid_where_it_does_not_hold(c: int, m: int, p: int) -> None:
    wmsa = 4 * h * w * C**2 + 2 * M**2 * h * w * C
    linear = 2 * h * w * C**2 + 3 * P**2 * C**2 + 2 * P**2 * h * w * C
    point = {"C": c, "M": m, "P": p}
    found = crossing(wmsa, linear, point)
    if found is None:
        return
    big, small = (linear, wmsa) if found.swapped else (wmsa, linear)
    for n in (found.at, found.at + 1):
        values = {**point, "h": n, "w": 1}
        costs_more = big.value(values) > small.value(values)
        assert costs_more == (n > found.at)
        assert (found.left.value(values) > found.right.value(values)) == costs_more


def test_no_crossing_where_there_is_none() -> None:
    assert crossing(h * w * C, h * w * C, {"C": 3}) is None
    assert crossing(2 * h * w * C, h * w * C, {"C": 3}) is None
    assert crossing(h**2 * w, h * w + 1, {}) is None  # h and w apart: no statement about hw


@pytest.mark.parametrize(("rows", "columns"), [(56, 56), (1, 200), (3, 7), (56, 28)])
def test_forms_in_h_and_w_apart_cross_along_the_shape_of_a_grid(rows: int, columns: int) -> None:
    msa = 4 * h * w * C**2 + 2 * (h * w) ** 2 * C
    axial = 8 * h * w * C**2 + 2 * h**2 * w * C + 2 * h * w**2 * C
    assert crossing(msa, axial, {"C": 96}) is None  # of no shape there is nothing to say
    found = crossing(msa, axial, {"h": rows, "w": columns, "C": 96})
    assert found is not None
    assert found.spell() == "hw > 2C + h + w"
    assert found.sides is not None
    assert found.sides[0] * columns == found.sides[1] * rows
    for t in range(1, 60):
        at = {"h": found.sides[0] * t, "w": found.sides[1] * t, "C": 96}
        assert (msa.value(at) > axial.value(at)) == (at["h"] * at["w"] > found.at)


def test_one_form_may_always_be_the_larger() -> None:
    square = {"h": 4, "w": 4, "C": 3}
    assert always_more(2 * h * w * C, h * w * C, square)
    assert not always_more(h * w * C, 2 * h * w * C, square)
    assert not always_more(h * w * C, h * w * C, square)
    assert not always_more((h * w) ** 2, 5 * h * w, square)
    assert not always_more(h**2 * w, h * w**2, square)  # on a square they are the same
    assert always_more(h**2 * w, h * w**2, {"h": 4, "w": 2})
