"""Formulas as papers print them: other letters, equations, sums, floors, orders of growth."""

from __future__ import annotations

import contextlib
import time

import pytest

from vpcalc import check_formula
from vpcalc.algebra.orders import bounded, dominant
from vpcalc.algebra.parser import parse
from vpcalc.algebra.polynomial import Polynomial
from vpcalc.algebra.roles import ROLES
from vpcalc.algebra.sums import MOST, power_sum
from vpcalc.answers.check_reading import spellings
from vpcalc.errors import InputError
from vpcalc.symbols import ALPHABET

from .conftest import Run
from .test_parser import HOSTILE

RENAMED = [
    ("4nd^2 + 2n^2d", "msa", {"n": "hw", "d": "C"}),
    ("4LD^2 + 2L^2D", "msa", {"L": "hw", "D": "C"}),
    ("4T d_model^2 + 2T^2 d_model", "msa", {"T": "hw", "d_model": "C"}),
    ("4nd^2 + 2m^2nd", "wmsa", {"n": "hw", "d": "C", "m": "M"}),
    ("4nd^2 + 2w^2nd", "wmsa", {"n": "hw", "d": "C", "w": "M"}),
    ("2n d f", "ffn_tokens", {"n": "N", "d": "d_model", "f": "d_ff"}),
    ("n(dh + h^2)", "recurrent", {"n": "T", "h": "n"}),
    ("4hwc^2 + 2(hw)^2c", "msa", {"c": "C"}),
    ("4hwC^2 + 2(hw)^2C", "msa", {}),
]


@pytest.mark.parametrize(("text", "against", "renaming"), RENAMED, ids=[text for text, *_ in RENAMED])
def test_a_renaming_that_keeps_roles_is_found_and_shown(text: str, against: str, renaming: dict[str, str]) -> None:
    result = check_formula(text, against)
    assert result.ok
    assert result.renaming == result.to_dict()["renaming"] == renaming
    shown = ", ".join(f"{theirs} = {own}" for theirs, own in renaming.items())
    assert (f"equal with {shown} (" if renaming else "equal (") in result.tables()[0].title


def test_a_renaming_that_does_not_keep_roles_is_none() -> None:
    swapped = check_formula("4dn^2 + 2d^2n", "msa")
    assert (swapped.verdict, swapped.renaming) == ("different", {"n": "hw", "d": "C"})
    assert swapped.notes[-1] == "with n and d exchanged it would be equal; n is read as tokens, d as model width"
    assert not check_formula("4nd^2 + 2n^2D", "msa").ok  # two letters for one symbol
    assert not check_formula("4Mn^2 + 2M^2n", "msa").ok  # a window is no width
    assert not check_formula("T(nd + d^2)", "recurrent").ok  # the input's size is not the hidden one
    assert check_formula("4nd^2 + 2n^2d + d", "msa").renaming == {"n": "hw", "d": "C"}  # different, and read so


def test_every_role_has_symbols_of_the_alphabet_and_spells_them() -> None:
    names = {letter.name for letter in ALPHABET} | {"hw"}
    for role in ROLES:
        assert set(role.ours) <= names & set(role.spellings), role.meaning
    assert not set(ROLES[0].spellings) & set(ROLES[1].spellings)  # what may be tokens is never a width
    assert [row[0] for row in spellings().rows] == [role.meaning for role in ROLES]


EQUATIONS = [
    (r"\begin{equation}\Omega(\text{MSA}) = 4hwC^2 + 2(hw)^2C \label{eq:msa}\end{equation}", "msa", True),
    (r"\begin{equation*}4nd^2 + 2n^2d\end{equation*}.", "msa", True),
    (r"\begin{equation}\begin{split} 4nd^2 &+ 2n^2d \end{split}\end{equation}", "msa", True),
    (r"\begin{align} T(n) &= 4nd^2 \\ &+ 2n^2d \tag{3}\end{align}", "msa", True),
    ("4nd^2 + 2n^2d = 2nd(2d + n)", "msa", True),
    (r"\underbrace{4nd^2}_{\text{projections}} + \overbrace{2n^{2}d}^{n^2 \text{ scores}}", "msa", True),
    (r"\underbrace{4nd^2 + \underbrace{n^2d}_{QK^T}}_{\text{all but } AV}", "msa", False),
    (r"4nd^2 + 2n^2d \text{ MACs}", "msa", True),
    (r"4nd^2 + 2n^2d\ \mathrm{FLOPs}.", "msa", True),
    ("4nd^2 + 2n^2d (MACs)", "msa", True),
    (r"4nd^2 + n^2d \text{ MACs}", "msa", False),
    ("MSA = 4nd^2 + 2n^2d", "msa", True),
    ("O(MSA) = 4nd^2 + 2n^2d", "msa", True),
    (r"\mathcal{O}(\text{msa}) = 4nd^2 + 2n^2d", "msa", True),
    ("FFN = 2rnd^2", "ffn", True),
    (r"C_{\text{attn}} = 4nd^2 + 2n^2d", "msa", True),
    ("4nd^2 + 2n^2d = 2nd(2d + 2n)", "msa", False),
    ("2nd(2d + 2n) = 4nd^2 + 2n^2d", "msa", False),
    ("4hwC^2 = 2(hw)^2C", "msa", False),
    (r"\sum_{i=1}^{4} nd^2 + \sum_{i=1}^{2} n^2d", "msa", True),
    (r"\sum_{i=1}^{n}(4d^2 + 2nd)", "msa", True),
    (r"4nd^2 + \sum_{i=1}^{n}\sum_{j=1}^{i} 4d - 2nd", "msa", True),
    (r"\sum_{i=1}^{n-1}(4d^2 + 2nd)", "msa", False),
    (r"4M^2\lceil h/M\rceil\lceil w/M\rceil C^2 + 2M^4\lceil h/M\rceil\lceil w/M\rceil C", "wmsa", True),
    (r"4hwC^2 + 2M^4\left\lceil\frac{h}{M}\right\rceil\left\lceil\frac{w}{M}\right\rceil C", "wmsa", False),
    (r"4M^2\lfloor h/M\rfloor\lfloor w/M\rfloor C^2 + 2M^4\lfloor h/M\rfloor\lfloor w/M\rfloor C", "wmsa", False),
]


@pytest.mark.parametrize(("text", "against", "equal"), EQUATIONS, ids=[text for text, *_ in EQUATIONS])
def test_what_stands_around_a_formula_in_a_paper(text: str, against: str, equal: bool) -> None:
    assert check_formula(text, against).ok is equal


def test_the_sides_of_an_equation_are_compared_with_each_other_too() -> None:
    assert "the sides are equal to each other" in check_formula("4NC^2 = 2NC(2C)", "msa").notes
    (said,) = (note for note in check_formula("4NC^2 = 2N^2C", "msa").notes if note.startswith("the sides"))
    assert said == "the sides differ from each other: 4hwC² on the left, 2(hw)²C on the right"


@pytest.mark.parametrize("power", [0, 1, 2, 3, 7, MOST])
def test_sums_of_powers(power: int) -> None:
    for last in range(8):
        exact = sum(i**power for i in range(1, last + 1))
        assert sum(number * last**k for k, number in enumerate(power_sum(power))) == exact


SUMS = [
    (r"\sum_{i=1}^{n} i", "n(n + 1)/2"),
    (r"\sum_{i=3}^{5} i^2 d", "50d"),
    (r"\sum_{i=3}^{2} i", "0"),
    (r"\sum_{i=5}^{1} i", "0"),
    (r"\sum\limits_{l=0}^{L-1} 4NC^2 + h", "4LNC^2 + h"),
    (r"2\sum_{k=1}^{n}\sum_{k=1}^{k} k", "n(n + 1)(n + 2)/3"),  # an index of its own within
    ("Σ_{t=1}^T (nd + n²)", "T(nd + n^2)"),
]


@pytest.mark.parametrize(("text", "closed"), SUMS, ids=[text for text, _ in SUMS])
def test_sums(text: str, closed: str) -> None:
    assert parse(text) == parse(closed)


ORDERS = [
    ("O(n^2d + nd^2)", "msa", "same order"),
    (r"\mathcal{O}\left(7n^2 d + nd^2 + n\right)", "msa", "same order"),
    ("Θ(nd(n + d))", "msa", "same order"),
    (r"\mathcal{O}(n^2 d) + \mathcal{O}\bigl(n d^2\bigr)\,.", "msa", "same order"),
    ("O(n^2 d) + O(n^3)", "msa", "another order"),
    ("O(n²d)", "msa", "same order as the input grows"),
    (r"T(n) = \mathcal{O}(n^2 \cdot d)", "msa", "same order as the input grows"),
    ("O(nd^2)", "msa", "another order"),
    ("O(n^2)", "msa", "another order"),
    ("O(n^3 d)", "msa", "another order"),
    ("O(dn^2 d)", "msa", "another order"),
    ("O(nd^2 + M^2nd)", "wmsa", "same order"),
    ("O(n^2 d)", "wmsa", "another order"),
    ("O(n^2d/R^2)", "sra", "same order as the input grows"),
    ("O(k^2 n d^2)", "conv", "same order"),
    ("O(n d^2)", "conv", "another order"),
    ("O(1)", "msa", "another order"),
]


@pytest.mark.parametrize(("text", "against", "verdict"), ORDERS, ids=[f"{a} {text}" for text, a, _ in ORDERS])
def test_an_order_is_judged_as_one(text: str, against: str, verdict: str) -> None:
    result = check_formula(text, against)
    assert (result.verdict, result.ok) == (verdict, verdict != "another order")
    assert verdict in result.tables()[0].title


def test_what_an_order_leaves_out_is_said_and_where_it_leads() -> None:
    result = check_formula("O(n^2d)", "msa")
    assert result.notes == (
        "4hwC² is left out, and is more than 2(hw)²C where hw < 2C",
        "the same as h, w grow and all else is fixed; not where the other symbols grow too",
    )
    assert result.to_dict()["order"]["text"] == "hwC² + (hw)²C"
    assert "(hw)³ is too much: it outgrows the derived form" in check_formula("O(n^3)", "msa").notes
    alone = "as h, w alone grow it is this one, with all else as its constant"
    assert alone in check_formula("O(n^2)", "msa").notes
    assert alone in check_formula("O(n)", "wmsa").notes
    assert alone not in check_formula("O(n)", "msa").notes
    recurrent = check_formula("O(n d^2)", "recurrent")  # as Table 1 of the Transformer's paper has it
    assert "n is read as hidden size of a recurrent network; --rename n=T reads it otherwise" in recurrent.notes
    windows = check_formula("O(M^2hwC)", "wmsa")  # in which M is M, and no w another
    assert not [note for note in windows.notes if "--rename" in note]
    as_printed = check_formula("O(n d^2)", "recurrent", rename={"n": "T", "d": "n"})
    assert "as T alone grows it is this one, with all else as its constant" in as_printed.notes


def test_monomials_are_bounded_by_sums_of_others() -> None:
    def terms(text: str) -> list[tuple[tuple[str, int], ...]]:
        return list(parse(text).terms)

    (product,) = terms("nd")
    assert bounded(product, terms("n^2 + d^2"))
    assert not bounded(product, terms("n^2 + d"))
    assert bounded(*terms("n^2 d"), terms("n^3 + d^3"))
    assert not bounded(*terms("n^2 d^2"), terms("n^3 + d^3"))
    assert bounded(*terms("n/R"), terms("n"))
    assert not bounded(*terms("n"), terms("n/R"))
    assert dominant(parse("4n^2d + 2nd^2 + nd + 7")) == parse("n^2d + nd^2")
    assert dominant(parse("5")) == Polynomial({(): 1})


def test_an_order_of_very_many_terms_ends_at_once(inside: Run) -> None:
    said = inside("check", "O((B+r+k+M+R+a+b+T)^6)", "--against", "msa")
    assert said.returncode == 2
    assert said.stderr == "vpcalc: formula: an order of 1716 terms; must be at most 60\n"


@pytest.mark.quick(20)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("around", ["{}", "{} = {}", "O({})", r"\begin{{equation}}{}={}\end{{equation}}"])
def test_hostile_text_ends_at_once(text: str, around: str) -> None:
    start = time.thread_time()
    with contextlib.suppress(InputError):
        check_formula(around.format(text[:4_900], text[:4_900]), "msa")
    assert time.thread_time() - start < 4


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("O(n^2 d + d^2)", ["C² is no term of the derived form, whose 4hwC² bounds it"]),
        ("O(nd^2 + n^2 d + d^2)", ["C² adds nothing: hwC² bounds it"]),
        ("O(n^2 d + n d + n)", ["hwC or hw adds nothing: (hw)²C bounds it"]),
        ("O(n^2 d + d^2 + n^3)", ["C² is no term of the derived form, whose 4hwC² bounds it"]),
        ("O((n + d)^3)", ["(hw)²C or hwC² adds nothing: C³ + (hw)³ bounds it"]),
        ("O(n^2 d + nd^2)", []),
        ("O(n^2 d)", []),
    ],
)
def test_terms_of_an_order_that_say_nothing_are_named(text: str, notes: list[str]) -> None:
    assert [note for note in check_formula(text, "msa").notes if note.endswith("bounds it")] == notes


def test_the_command_ends_with_0_and_1_and_prints_the_table(inside: Run) -> None:
    assert inside("check", "O(n^2 d)", "--against", "msa").returncode == 0
    assert inside("check", "O(n d^2)", "--against", "msa").returncode == 1
    shown = inside("check", "--spellings")
    assert shown.returncode == 0
    assert "reduction ratio" in shown.stdout
