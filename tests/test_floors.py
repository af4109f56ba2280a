"""The ring with floors against Python's own integers, and its equality against identities and near misses."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import reduce
from itertools import pairwise, product
from math import prod
from typing import Any
from xml.etree import ElementTree

import pytest

from vpcalc.algebra import symbols
from vpcalc.algebra.floors import (
    Floor,
    _course,
    ceil_div,
    equal,
    floor_div,
    on_lattice,
    remainder,
    where_divided,
)
from vpcalc.algebra.parser import parse
from vpcalc.algebra.polynomial import Polynomial, as_polynomial, constant, symbol
from vpcalc.algebra.printers import PRINTERS
from vpcalc.errors import InputError

H, W, M, R, h, w = symbols("H W M R h w")
LETTERS = ("H", "W", "M")

Tree = Any
"""An int, a letter, or (operation, left, right)."""

OPERATIONS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[int, int], int]]] = {
    "+": (lambda a, b: a + b, lambda a, b: a + b),
    "-": (lambda a, b: a - b, lambda a, b: a - b),
    "*": (lambda a, b: a * b, lambda a, b: a * b),
    "//": (floor_div, lambda a, b: a // b),
    "%": (remainder, lambda a, b: a % b),
    "ceil": (ceil_div, lambda a, b: -(-a // b)),
}


def form_of(tree: Tree) -> Polynomial:
    """The element of the ring that a tree spells."""
    if isinstance(tree, tuple):
        return as_polynomial(OPERATIONS[tree[0]][0](form_of(tree[1]), form_of(tree[2])))
    return symbol(tree) if isinstance(tree, str) else constant(tree)


def value_of(tree: Tree, point: dict[str, int]) -> int:
    """What Python's own integers make of it."""
    if isinstance(tree, tuple):
        return OPERATIONS[tree[0]][1](value_of(tree[1], point), value_of(tree[2], point))
    return point[tree] if isinstance(tree, str) else tree


def letters_below(tree: Tree) -> set[str]:
    """The letters that stand below a line: sizes by which something is divided."""
    if not isinstance(tree, tuple):
        return set()
    below = letters_in(tree[2]) if tree[0] in ("//", "%", "ceil") else set()
    return below | letters_below(tree[1]) | letters_below(tree[2])


def letters_in(tree: Tree) -> set[str]:
    """Every letter of a tree."""
    if isinstance(tree, tuple):
        return letters_in(tree[1]) | letters_in(tree[2])
    return {tree} if isinstance(tree, str) else set()


def random_tree(dice: random.Random, depth: int) -> Tree:
    """Sums, products, floors, ceilings and remainders, nested; now and then by a negative number or a symbol."""
    if depth == 0 or dice.random() < 0.1:
        return dice.choice(LETTERS) if dice.random() < 0.7 else dice.randint(-9, 9)
    operation = dice.choice(("+", "+", "-", "*", "//", "//", "%", "ceil"))
    left = random_tree(dice, depth - 1)
    if operation in ("+", "-", "*"):
        return (operation, left, random_tree(dice, depth - 1))
    kind = dice.random()
    if kind < 0.75:
        return (operation, left, dice.choice((2, 3, 4, 5, 7, 8, 12, 32, -3, -7)))
    if kind < 0.9:
        return (operation, left, ("+", dice.choice(LETTERS), dice.randint(0, 3)))
    return (operation, left, random_tree(dice, 1))


def check_values(dice: random.Random, trees: int) -> int:
    """Compare that many random expressions with Python at several points each; how many comparisons were made."""
    compared = 0
    for _ in range(trees):
        tree = random_tree(dice, dice.randint(2, 4))
        try:
            form = form_of(tree)
        except ZeroDivisionError:
            continue
        sizes = letters_below(tree)
        for point in (
            {name: dice.randint(1 if name in sizes else -60, 400) for name in LETTERS},
            dict.fromkeys(LETTERS, dice.randint(1, 9)),
        ):
            try:
                expected = value_of(tree, point)
            except ZeroDivisionError:
                continue
            assert form.at(point) == expected, (tree, str(form), point)
            assert form.value(point) == expected, (tree, str(form), point)
            compared += 1
    return compared


def test_values_are_pythons_own() -> None:
    assert check_values(random.Random(1), 1_500) > 2_000


@pytest.mark.slow
def test_values_are_pythons_own_a_hundred_thousand_times() -> None:
    assert check_values(random.Random(2), 100_000) > 150_000


# -- equality ---------------------------------------------------------------------------------------

SMALL = (2, 3, 4, 5, 7, 8)


def random_argument(dice: random.Random) -> Tree:
    """An affine form of one or two letters, or floors of such, up to two deep."""
    tree: Tree = dice.randint(-9, 9)
    for name in dice.sample(LETTERS, dice.choice((1, 1, 1, 2))):
        tree = ("+", ("*", dice.choice((-3, -1, 1, 1, 1, 2, 5)), name), tree)
    for _ in range(dice.choice((0, 0, 1, 1, 2))):
        tree = ("//", tree, dice.choice(SMALL))
        if dice.random() < 0.5:
            rest = dice.choice((dice.randint(-9, 9), dice.choice(LETTERS)))
            tree = ("+", ("*", dice.choice((-2, -1, 1, 3)), tree), rest)
    return tree


def total(trees: Iterable[Tree]) -> Tree:
    return reduce(lambda left, right: ("+", left, right), trees)


def hermite(p: Tree, m: int, n: int) -> tuple[Tree, Tree]:
    """⌊np/m⌋ is the sum of ⌊p/m + k/n⌋ (Graham, Knuth and Patashnik 1994, eq. 3.26)."""
    return total(("//", ("+", ("*", n, p), k * m), n * m) for k in range(n)), ("//", ("*", n, p), m)


IDENTITIES: dict[str, Callable[[Tree, int, int], tuple[Tree, Tree]]] = {
    "Hermite": hermite,
    "Hermite of a whole": lambda p, m, n: (total(("//", ("+", p, k), n) for k in range(n)), p),
    "nested floors": lambda p, m, n: (("//", p, m * n), ("//", ("//", p, m), n)),
    "nested ceilings": lambda p, m, n: (("ceil", p, m * n), ("ceil", ("ceil", p, m), n)),
    "remainder": lambda p, m, n: (("+", ("*", m, ("//", p, m)), ("%", p, m)), p),
    "padding": lambda p, m, n: (("+", ("%", ("-", m, ("%", p, m)), m), p), ("*", m, ("ceil", p, m))),
    "padding of what is under": lambda p, m, n: (("+", ("%", ("-", 0, p), m), p), ("*", m, ("ceil", p, m))),
    "shift": lambda p, m, n: (
        ("//", ("+", p, ("*", m, ("//", p, n))), m),
        ("+", ("//", p, m), ("//", p, n)),
    ),
    "half": lambda p, m, n: (("-", p, ("//", p, 2)), ("ceil", p, 2)),
    "split constant": lambda p, m, n: (
        ("//", ("+", p, 3 * n - 4), m),
        ("+", ("//", p, m), ("//", ("+", ("%", p, m), 3 * n - 4), m)),
    ),
    "nested remainders": lambda p, m, n: (
        ("%", p, m * n),
        ("+", ("%", p, m), ("*", m, ("%", ("//", p, m), n))),
    ),
    "cancelled": lambda p, m, n: (("//", ("+", ("*", n, p), n - 1), n * m), ("//", p, m)),
}


def one_identity(dice: random.Random) -> tuple[Tree, Tree]:
    identity = IDENTITIES[dice.choice(tuple(IDENTITIES))]
    return identity(random_argument(dice), dice.choice(SMALL), dice.choice((2, 3, 4, 5)))


def random_pair(dice: random.Random) -> tuple[Tree, Tree]:
    """Two spellings of one function: an identity, or the sum or product of two."""
    left, right = one_identity(dice)
    if dice.random() < 0.4:
        other_left, other_right = one_identity(dice)
        operation = dice.choice("+*-")
        return (operation, left, other_left), (operation, right, other_right)
    return left, right


def verdicts(dice: random.Random, pairs: int) -> Counter[bool | None]:
    """What :func:`equal` says of pairs that are equal."""
    return Counter(equal(*map(form_of, random_pair(dice))) for _ in range(pairs))


@pytest.mark.parametrize("identity", IDENTITIES)
def test_identities_are_seen(identity: str) -> None:
    left, right = IDENTITIES[identity](("+", ("*", 3, "H"), ("//", "W", 4)), 7, 3)
    assert equal(form_of(left), form_of(right)) is True


def test_what_is_rewritten_is_hardly_ever_missed() -> None:
    found = verdicts(random.Random(3), 200)
    assert found[False] == 0  # that would be wrong, not merely undecided
    assert found[None] <= 2


@pytest.mark.slow
def test_what_is_rewritten_is_missed_once_in_a_hundred_at_most() -> None:
    found = verdicts(random.Random(4), 5_000)
    assert found[False] == 0
    assert found[None] <= 50


def changed(dice: random.Random, tree: Tree) -> Tree:
    """The tree with one number in it moved by a little, or a floor turned into a ceiling."""
    if isinstance(tree, int):
        return tree + dice.choice((-1, 1))
    if isinstance(tree, str):
        return ("+", tree, dice.choice((-1, 1)))
    operation, left, right = tree
    if operation in ("//", "ceil") and dice.random() < 0.2:
        return ("ceil" if operation == "//" else "//", left, right)
    if dice.random() < 0.5 and operation not in ("//", "ceil", "%"):
        return (operation, left, changed(dice, right))
    return (operation, changed(dice, left), right)


def differs_somewhere(dice: random.Random, left: Tree, right: Tree) -> bool:
    for _ in range(60):
        point = {name: dice.choice((dice.randint(1, 12), dice.randint(1, 5_000))) for name in LETTERS}
        if value_of(left, point) != value_of(right, point):
            return True
    return False


def test_what_differs_is_never_called_equal() -> None:
    dice = random.Random(6)
    different = 0
    for _ in range(400):
        left, right = random_pair(dice)
        right = changed(dice, right)
        if differs_somewhere(dice, left, right):
            different += 1
            assert equal(form_of(left), form_of(right)) is not True, (left, right)
    assert different > 300


def test_a_difference_far_out_and_rare_is_seen() -> None:
    """1 at the multiples of 97·31 and 0 elsewhere: no handful of sizes shows it."""
    indicator = floor_div(H, 97 * 31) - floor_div(H - 1, 97 * 31)
    assert equal(indicator, 0) is False
    assert equal(indicator * floor_div(W, 50), 0) is False


def test_roots_at_the_first_sizes_deceive_nobody() -> None:
    roots = prod((H - size for size in (1, 2, 31, 223, 512)), start=constant(1))
    assert equal(roots, 0) is False
    assert equal(roots * (floor_div(H, 2) - floor_div(H - 1, 2)), 0) is False


def test_a_form_is_a_polynomial_of_its_degree_on_every_period() -> None:
    """Differences of order degree + 1 in strides of the period are 0: what equality rests on."""
    dice = random.Random(11)
    for _ in range(300):
        tree = ("*", random_argument(dice), random_argument(dice))
        form = form_of(("//", tree, dice.choice(SMALL)) if dice.random() < 0.5 else tree)
        course = _course(form, "H")
        assert course is not None
        point = {name: dice.randint(1, 50) for name in LETTERS}
        row = [form.at({**point, "H": point["H"] + k * course.period}) for k in range(course.degree + 4)]
        if course.growth is not None:
            assert row[1] - row[0] == course.growth
        for _ in range(course.degree + 1):
            row = [after - before for before, after in pairwise(row)]
        assert not any(row)


def test_products_within_floors_are_decided() -> None:
    assert equal(floor_div(H * W, 2) + ceil_div(H * W, 2), H * W) is True
    assert equal(remainder(H * W, 6), remainder(remainder(H, 6) * remainder(W, 6), 6)) is True
    assert equal(floor_div(H * (H + 1), 2) * 2, H * (H + 1)) is True
    assert equal(floor_div(H * (H + 1), 3) * 3, H * (H + 1)) is False


def test_floors_by_symbols_are_told_apart_and_not_guessed_at() -> None:
    assert equal(ceil_div(h, M), floor_div(h + M - 1, M)) is not False
    assert equal(ceil_div(h, M), floor_div(h + M - 1, M) + 1) is False
    assert equal(floor_div(h, M), floor_div(h, M)) is True
    assert equal(floor_div(h * R, M * R), floor_div(h, M)) is True
    assert floor_div(M * R * h, R) == M * h


def test_whole_parts_of_floors_by_symbols_are_taken_out() -> None:
    """So a stride that is a letter gives one ceiling; whatever is above and below, the value is Python's."""
    s = symbol("s")
    assert floor_div(H - R, R) + 1 == floor_div(H, R)
    assert floor_div(H + M - 1, M) == ceil_div(H, M)
    assert str(floor_div(H + 2 * s * R - 3 + s, s)) == "⌈(H − 2)/s⌉ + 2R"
    assert str(floor_div(W - R + 2 * M + s, s)) == "⌈(W + 2M − R + 1)/s⌉"  # more is added than taken away
    assert floor_div(R - W - 2 * M, s) == -ceil_div(W - R + 2 * M, s)
    rng = random.Random(6)
    for _ in range(3000):
        above = sum((rng.randrange(-4, 5) * each for each in (H, W, H * R, R * s, R, 1)), start=s * 0)
        below = rng.choice((R, s, 2 * R, R * s, R + 1))
        point = {name: rng.randrange(1, 9) for name in ("H", "W", "R", "s")}
        found = floor_div(above, below).at(point)
        assert found == above.at(point) // below.at(point), (str(above), str(below), point)
        assert ceil_div(above, below).at(point) == -(-above.at(point) // below.at(point))


def test_a_sum_that_is_a_factor_of_both_sides_is_cancelled() -> None:
    n, M, C = symbols("n M C")
    for factor in (C + 1, M**2 * C + 4 * M * C + 4 * C):
        assert floor_div(n * factor, M * factor) == floor_div(n, M)
        assert floor_div(n * factor, factor) == n
    assert floor_div(n * (C + 1) + 1, M * (C + 1)) != floor_div(n, M)


def test_a_product_is_divided_where_neither_factor_has_to_be() -> None:
    h, w = symbols("h w")
    tidy = on_lattice(floor_div(h * w, 2) * 3)
    assert tidy is not None
    assert (tidy.form, tidy.exact, set(tidy.strides.values())) == (h * w * 3 / 2, ((h * w, constant(2)),), {1})
    alone = on_lattice(floor_div(h, 2) * floor_div(w, 2))
    assert alone is not None
    assert (alone.form, alone.exact, alone.strides) == (h * w / 4, (), {"h": 2, "w": 2})


def test_a_sum_with_a_floor_in_it_is_not_divided() -> None:
    assert on_lattice(floor_div(h + w, R)) is not None
    assert on_lattice(floor_div(floor_div(h, R) + w, M)) is None


def test_divisions_by_symbols_do_not_hinder() -> None:
    assert equal(ceil_div(H, 4) / R + floor_div(H, 4) / R, (ceil_div(H, 2) + floor_div(H, 4) * 2) / R / 2) is False
    assert equal((ceil_div(H, 2) + floor_div(H, 2)) / R, H / R) is True


# -- how they are written ---------------------------------------------------------------------------

FORMS = {  # form: text, latex, typst, python
    ceil_div(H, 4): (
        "⌈H/4⌉",
        r"{\left\lceil \frac{H}{4} \right\rceil}",
        "ceil((H) / (4))",
        "((H + 3)//4)",
    ),
    2 * floor_div(H, 7) ** 2 * W + 1: (
        "2⌊H/7⌋²W + 1",
        r"2{\left\lfloor \frac{H}{7} \right\rfloor}^{2}W + 1",
        "2 floor((H) / (7))^2 W + 1",
        "2*(H//7)**2*W + 1",
    ),
    ceil_div(h, M): (
        "⌈h/M⌉",
        r"{\left\lceil \frac{h}{M} \right\rceil}",
        "ceil((h) / (M))",
        "(-((-h)//M))",
    ),
}


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_spelling(form: Polynomial) -> None:
    names = ("text", "latex", "typst", "python")
    assert tuple(PRINTERS[name](form) for name in names) == FORMS[form]


def written(dice: random.Random) -> tuple[Tree, Polynomial]:
    while True:
        tree = random_tree(dice, 3)
        try:
            form = form_of(tree)
        except ZeroDivisionError:
            continue
        if any(isinstance(name, Floor) for name in form.symbols):
            return tree, form


def test_python_is_evaluated_exactly_under_any_names() -> None:
    dice = random.Random(7)
    names = {"H": "n", "W": "d_in", "M": "window"}
    for _ in range(300):
        tree, form = written(dice)
        point = {name: dice.randint(-40, 900) for name in LETTERS}
        try:
            expected = value_of(tree, point)
        except ZeroDivisionError:
            continue
        assert eval(PRINTERS["python"](form), {"__builtins__": {}}, point) == expected
        renamed = PRINTERS["python"](form, names)
        assert not set(re.findall(r"[A-Z]", renamed))
        assert eval(renamed, {"__builtins__": {}}, {names[name]: v for name, v in point.items()}) == expected


def test_mathml_is_xml_and_carries_the_names() -> None:
    dice = random.Random(8)
    for _ in range(200):
        _, form = written(dice)
        tree = ElementTree.fromstring(PRINTERS["mathml"](form, {"H": "n"}))
        said = "".join(tree.itertext())
        assert "H" not in said
        assert ("⌊" in said) or ("⌈" in said)


def test_latex_and_typst_are_balanced() -> None:
    dice = random.Random(9)
    for _ in range(200):
        _, form = written(dice)
        latex, typst = PRINTERS["latex"](form), PRINTERS["typst"](form)
        assert latex.count("{") == latex.count("}")
        assert latex.count(r"\left") == latex.count(r"\right") > 0
        assert typst.count("(") == typst.count(")")


@pytest.mark.parametrize("spelling", ["text", "latex", "python"])
def test_what_is_written_is_read(spelling: str) -> None:
    dice = random.Random(10)
    same = 0
    for _ in range(300):
        _, form = written(dice)
        read = parse(PRINTERS[spelling](form), floors=True)
        same += read == form
        if read != form:  # ⌊x/2⌋ + ⌈x/2⌉ = x: one function in two spellings
            assert equal(read, form) is not False
            for _ in range(20):
                point = {name: dice.randint(1, 900) for name in LETTERS}
                try:
                    expected = form.at(point)
                except ZeroDivisionError:
                    continue
                assert read.at(point) == expected
    assert same > 270


def test_what_readers_write() -> None:
    padded = 7 * ceil_div(H, 7)
    assert equal(parse("(7-(H%7))%7+H"), padded) is True
    assert equal(parse("7*(-(-H//7))", floors=True), padded) is True
    assert parse("7⌈H/7⌉") == padded
    assert parse(r"7 \lceil H/7 \rceil") == padded
    assert parse(r"7 \left\lceil \frac{H}{7} \right\rceil") == padded
    assert parse("⌈⌈H/4⌉/7⌉²") == ceil_div(H, 28) ** 2
    assert parse("⌊h/2 + w/3⌋") == floor_div(3 * h + 2 * w, 6)
    assert parse("H//7") == H / 7  # on a lattice it leaves nothing


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("⌈H/4", "not closed"),
        ("⌈H/4⌋", "still open"),
        ("H⌉", "a bracket too many"),
        ("⌊H/0⌋", "by zero"),
        ("H % 0", "zero"),
    ],
)
def test_what_is_no_floor_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text)


def test_what_is_printed_as_a_ceiling_is_one() -> None:
    """The reading of a floor is chosen by how it looks; its value may not change."""
    for step, rest in product(range(2, 9), range(-3, 12)):
        (name,) = floor_div(H + rest, step).symbols - {"H"} or {None}
        if isinstance(name, Floor):
            above, up = name.reading
            for size in range(1, 40):
                value = above.value({"H": size})
                assert (-(-value // step) if up else value // step) == name.at({"H": size})


def test_letters_that_divide_at_a_point_are_written_without_a_floor() -> None:
    """And equal the form wherever they do, floors by symbols included."""
    dice = random.Random(11)
    for _ in range(300):
        a, b, c = (dice.choice([1, 2, 3, 4, 6, 7, 8]) for _ in range(3))
        tokens = floor_div(floor_div(H, a) + dice.randrange(3), b) * ceil_div(W, a)
        form = tokens * dice.randrange(1, 9) + ceil_div(c * floor_div(W, a), floor_div(H, a) + 1) + floor_div(H, c)
        point = {"H": dice.randrange(1, 99), "W": dice.randrange(1, 99)}
        found, step = where_divided(form, point)
        assert not any(size % step for size in point.values())
        for _ in range(5):
            there = {letter: step * dice.randrange(1, 60) for letter in point}
            assert found.value(there) == form.value(there), (str(form), str(found), there)
