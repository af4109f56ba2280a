"""Conditions on named quantities: what they say, what they refuse, and that they are never run as code."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vpcalc.errors import InputError
from vpcalc.where import DEPTH, LENGTH, UNITS, read_condition, read_expression, read_value

ROW: dict[str, Any] = {"macs": 4_490_566_656, "params": 28_288_354, "C": 96, "heads": 3, "top1": None}
ROW |= {"family": "swin", "head": True, "share": 0.25}

HOLDS = [
    "macs < 100G and params < 60M",
    "heads*32 == C",
    "macs / params > 150 and macs // params == 158",
    "4G <= macs < 5G",
    "not macs > 100G",
    "not (macs > 100G or params > 60M)",
    "C % 32 == 0 or C % 7 == 0",
    "-C < 0 and C - -1 == 97",
    "family == 'swin'",
    'family != "vit"',
    "head",
    "head == true and not head == false",
    "share * 4 == 1",
    "C/64 == 1.5",
    "1/3 + 1/3 + 1/3 == 1",
    "0.1 + 0.2 == 0.3",
    "12GiB > 12GB and 12 GB == 12e9 and 1KiB == 1024 and 2k == 2K",
    "2.5M == 2_500_000",
    "macs ≤ 5G and params ≥ 28M and C ≠ 97",
    "head or top1 > 80",
    "not (1 < 0 and top1 > 80)",
]

DOES_NOT = ["macs > 100G", "C < heads < macs", "not head", "1 == 2 or family == 'vit'"]

UNKNOWN = ["top1 > 80", "not top1 > 80", "top1 > 80 and head", "top1 > 80 or not head", "-top1 * 2 < 1"]
"""What depends on a quantity that the row does not know."""


@pytest.mark.parametrize(
    ("text", "outcome"),
    [(each, outcome) for texts, outcome in ((HOLDS, True), (DOES_NOT, False), (UNKNOWN, None)) for each in texts],
)
def test_a_condition_holds_does_not_or_is_unknown(text: str, outcome: bool | None) -> None:
    assert read_condition("--where", text, ROW).holds(ROW) is outcome


REFUSED = [
    ("", "empty; must be in quantities such as macs and params"),
    ("mac < 1G", "name 'mac' is not known; did you mean macs?"),
    ("macs + 1", "a value and no condition: compare it"),
    ("3", "a value and no condition"),
    ("family == swin", "; a word stands in quotes: 'swin'"),
    ("macs < 100Q", "unit 'Q' is not known; must be one of k, K, M, G"),
    ("macs = 1", "'=' at character 6: write =="),
    ("macs < 1 && head", "'&&' at character 10: write and"),
    ("head || head", "'||' at character 6: write or"),
    ("!head", "'!' at character 1: write not"),
    ("macs => 1", "'=>' at character 6: write >="),
    ("C ** 2 < 1", "a power at character 3: multiply instead"),
    ("macs <", "the end, where a name, a number or a bracket is needed"),
    ("macs < 1G params", "'params' at character 11, where and, or, or a comparison is needed"),
    ("macs < 1 < and", "'and' at character 12, where a name"),
    ("(macs < 1", "the end, where a closing bracket is needed"),
    ("family == 'swin", "the word at character 11 has no closing quote"),
    ("macs < $1", "'$' at character 8 is no part of a condition"),
    ("(macs < 1) + 1 > 0", "a condition where a number is needed"),
    ("(macs < 1) == head", "a condition where a number is needed"),
    ("macs + 1 and head", "a term is a value where a condition is needed"),
    ("not 3", "3 is a value where a condition is needed"),
    ("1 < not head", "'not' at character 5, where a name"),
    ("__import__('os') == 1", "name '__import__' is not known"),
    ("macs.real < 1", "'.' at character 5 is no part of a condition"),
    ("macs < " + "9" * 31, "a number of 31 characters; must be at most 30"),
    ("(" * (DEPTH + 1) + "1", f"more than {DEPTH} brackets or signs in one another"),
    ("1 < " + "-" * (DEPTH + 1) + "1", f"more than {DEPTH} brackets or signs"),
    ("not " * (DEPTH + 1) + "head", f"more than {DEPTH} brackets or signs"),
    ("1" * (LENGTH + 1), f"{LENGTH + 1} characters; must be at most {LENGTH}"),
]


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_is_no_condition_is_refused_in_one_line(text: str, why: str) -> None:
    with pytest.raises(InputError, match=re.escape(why)) as refusal:
        read_condition("--where", text, ROW)
    assert str(refusal.value).startswith("--where")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("macs", "macs is 4490566656, neither true nor false: compare it with something"),
        ("macs and head", "macs is 4490566656, neither true nor false"),
        ("family < 3", "family and 3 are a word and a number: not to be compared"),
        ("family + 1 > 2", "family is 'swin', no number to calculate with"),
        ("head + 1 > 2", "head is True, no number to calculate with"),
        ("1 / (C - 96) > 1", "divided by a term, which is 0"),
        ("C % 0 == 1", "divided by 0, which is 0"),
        ("C // share / 0.0 == 1", "divided by 0, which is 0"),
    ],
)
def test_what_does_not_fit_a_row_is_refused_in_one_line(text: str, why: str) -> None:
    condition = read_condition("--where", text, ROW)
    with pytest.raises(InputError, match=re.escape(f'--where "{text}": {why}')):
        condition.holds(ROW)


def test_a_value_is_no_condition() -> None:
    assert read_value("--sort", "-macs/params", ROW).of(ROW) == Fraction(-ROW["macs"], ROW["params"])
    with pytest.raises(InputError, match='--sort "macs < 1": a condition and no value'):
        read_value("--sort", "macs < 1", ROW)


def test_only_what_is_asked_for_is_looked_up() -> None:
    """A row may find out its quantities when they are asked for: those that decide first come first."""
    condition = read_condition("--where", "macs < 1 and params < 1 or 5 < C", ROW)
    assert condition.names == ("macs", "params", "C")
    asked = []

    class Slow(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            asked.append(name)
            return super().__getitem__(name)

    assert condition.holds(Slow(ROW)) is True
    assert asked == ["macs", "C"]


NAMES = {"macs": 7, "C": -3, "d_k": 12}


def _joined(parts: tuple[tuple[str, str], str, tuple[str, str]]) -> tuple[str, str]:
    (left, theirs), sign, (right, others) = parts
    return f"{left} {sign} {right}", f"{theirs} {sign} {others}"


def values(inner: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    signs = st.sampled_from(("+", "-", "*", "/", "//", "%"))
    return st.one_of(
        st.tuples(inner, signs, inner).map(
            lambda t: (f"{t[0][0]} {t[1]} {t[2][0]}", f"{t[0][1]} {t[1]} {t[2][1]}")
        ),
        inner.map(lambda t: (f"({t[0]})", f"({t[1]})")),
        inner.map(lambda t: (f"-{t[0]}", f"-{t[1]}")),
    )


def number(digits: str, unit: str) -> tuple[str, str]:
    return f"{digits}{unit}", f"F({digits!r}) * {UNITS[unit]}" if unit else f"F({digits!r})"


NUMBERS = st.builds(
    number, st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,2})?", fullmatch=True), st.sampled_from(("", "", *UNITS))
).map(lambda pair: (pair[0], f"({pair[1]})"))
ATOMS = st.one_of(NUMBERS, st.sampled_from(sorted(NAMES)).map(lambda name: (name, f"F({name})")))
VALUES = st.recursive(ATOMS, values, max_leaves=6)
"""An expression twice: as we read it, and as Python reads it on exact fractions."""

COMPARISONS = st.lists(VALUES, min_size=2, max_size=3).flatmap(
    lambda parts: st.lists(
        st.sampled_from(("<", "<=", ">", ">=", "==", "!=")), min_size=len(parts) - 1, max_size=len(parts) - 1
    ).map(lambda signs: tuple(_chained([part[side] for part in parts], signs) for side in (0, 1)))
)


def _chained(parts: list[str], signs: list[str]) -> str:
    return parts[0] + "".join(f" {sign} {part}" for sign, part in zip(signs, parts[1:], strict=True))


CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(("and", "or")), inner).map(_joined),
        inner.map(lambda t: (f"not {t[0]}", f"not {t[1]}")),
        inner.map(lambda t: (f"({t[0]})", f"({t[1]})")),
    ),
    max_leaves=5,
)


def pythons(text: str) -> Any:
    """What Python makes of the same; None where it divides by 0."""
    try:
        return eval(text, {"F": Fraction, **NAMES})
    except ZeroDivisionError:
        return None


@given(st.one_of(VALUES, CONDITIONS))
@example(("-7 // 2", "-F(7) // F(2)"))
@example(("-7 % 3 * 2", "-F(7) % F(3) * F(2)"))
@example(("not C == 1 and C < 1 < 2", "not F(C) == 1 and F(C) < 1 < 2"))
def test_the_value_is_pythons_own(pair: tuple[str, str]) -> None:
    ours, theirs = pair
    expected = pythons(theirs)
    found = read_expression("--where", ours, NAMES)
    if expected is None:
        with pytest.raises(InputError, match=r"divided by .*, which is 0"):
            found.of(NAMES)
    else:
        assert found.of(NAMES) == expected


WORDS = st.sampled_from(
    (
        *("macs", "C", "top1", "family", "head", "share", "and", "or", "not", "(", ")", "<", "==", "!=", "+", "-"),
        *("*", "/", "//", "%", "100G", "12GiB", "0", "1e9", "'swin'", "true", "=", "&&", "**", ".", ",", "'", "²"),
    )
)


@given(st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=14).map(" ".join), st.lists(WORDS).map("".join)))
def test_any_text_gives_an_answer_or_one_line(text: str) -> None:
    try:
        assert read_condition("--where", text, ROW).holds(ROW) in (True, False, None)
    except InputError as refusal:
        assert str(refusal).startswith("--where")  # noqa: PT017  either is right


@pytest.mark.parametrize("part", ["1+", "-1*", "(C)<", "head and ", "head or ", "not head or "])
def test_the_longest_text_is_read_at_once(part: str) -> None:
    """No chain is so long that Python's stack is too short for it."""
    text = part * ((LENGTH - 9) // len(part)) + ("head" if "head" in part else "1")
    found = read_expression("--where", text, ROW)
    assert found.of(ROW) is not None
