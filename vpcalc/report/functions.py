"""A closed form as a function of its symbols, with what it is and where it holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ..algebra import conditions
from ..algebra.cases import Case
from ..algebra.code import CHECKED, EXCEL, FLOORDIV, JAVASCRIPT, RUST, SPELLINGS, within_doubles
from ..algebra.printers import Expression
from ..errors import InputError

LONGEST_CELL = 8192
"""Characters of a formula that a spreadsheet takes."""


class Function(NamedTuple):
    """What a function says: its name, its first sentence, what else is known, its letters with their meanings, and
    the form; of several regimes each case."""

    name: str
    head: str
    about: Sequence[str]
    letters: Mapping[str, str]
    expression: Expression
    cases: Sequence[Case]
    names: Mapping[str, str]

    def told(self, exact: str, rename: Callable[[str], str] = str) -> list[str]:
        """The lines of its documentation."""
        letters = (f"{rename(name)}: {meaning}" for name, meaning in self.letters.items())
        return [self.head, "", *self.about, exact, "", *letters]

    def lines(self, spelling: str) -> list[tuple[str, str, str]]:
        """Of each regime where it holds, the form if there is one, and else what there is to say; a single one
        alone, without a condition."""
        if len(self.cases) < 2:
            return [("", SPELLINGS[spelling](self.expression, self.names), "")]
        return [
            (
                conditions.spell(case.where, spelling, self.names),
                "" if case.form is None else SPELLINGS[spelling](case.form, self.names),
                case.said,
            )
            for case in self.cases
        ]


def python(function: Function) -> str:
    """For ints and, where there is one regime, for arrays of ints."""
    arrays = len(function.cases) < 2
    exact = "ints and for NumPy arrays of ints; beyond 2**63 give these dtype=object" if arrays else "ints"
    head, *told = function.told(f"Exact for {exact}.")
    lines = [f"def {function.name}({', '.join(function.letters)}):", f'    """{head}']
    lines += [f"    {line}" if line else "" for line in told] + ['    """']
    for when, form, said in function.lines("python"):
        done = f"return {form}" if form else f"raise ValueError({said!r})"
        lines += [f"    if {when}:", f"        {done}"] if when else [f"    {done}"]
    return "\n".join(lines if arrays else [*lines, '    raise ValueError("sizes are positive whole numbers")'])


def javascript(function: Function) -> str:
    """On BigInts, which it makes of whole numbers."""
    letters = [JAVASCRIPT.name(name) for name in function.letters]
    told = function.told("Exact for whole numbers of any size; the result is a BigInt.", JAVASCRIPT.name)
    listed = ", ".join(letters)
    lines = ["/**", *(f" * {line}".rstrip().replace("*/", "* /") for line in told), " */"]
    lines.append(f"function {_word(function.name)}({listed}) {{")
    lines += [f"  [{listed}] = [{listed}].map(BigInt);"] if letters else []
    for when, form, said in function.lines("javascript"):
        done = f"return {form};" if form else f"throw new RangeError({_quoted(said)});"
        lines.append(f"  if ({when}) {done}" if when else f"  {done}")
    lines += [] if len(function.cases) < 2 else ['  throw new RangeError("sizes are positive whole numbers");']
    text = "\n".join([*lines, "}"])
    return f"{text}\n\n{FLOORDIV}" if "floordiv(" in text else text


def rust(function: Function) -> str:
    """On 128 bits, checked: None where they are too few, or where there is no form."""
    letters = [RUST.name(name) for name in function.letters]
    told = function.told("Exact: None where 128 bits are too few, or where there is no form.", RUST.name)
    lines = [f"/// {line}".rstrip() for line in told]
    lines += ["#[allow(non_snake_case)]"]
    taken = ", ".join(f"{letter}: i128" for letter in letters)
    lines.append(f"pub fn {_word(function.name)}({taken}) -> Option<i128> {{")
    for when, form, _ in function.lines("rust"):
        if not when:
            lines.append(f"    {_some(form)}")
        elif form:
            lines.append(f"    if {when} {{ return {_some(form)}; }}")
    lines += [] if len(function.cases) < 2 else ["    None"]
    text = "\n".join([*lines, "}"])
    return "\n\n".join([text, *(helper for name, helper in CHECKED.items() if f"{name}(" in text)])


def excel(function: Function) -> str:
    """A formula over named cells. Where a sum reaches 10¹⁵ it is #N/A, since doubles would round it.

    Raises:
        InputError: two letters differ in case alone, or it is longer than a cell takes.
    """
    seen: dict[str, str] = {}
    for letter in function.letters:
        other = seen.setdefault(letter.lower(), letter)
        if other != letter:
            raise InputError(
                f"--format excel: cells named {other} and {letter} are one; --symbol {letter}=NAME sets them apart"
            )
    if len(function.cases) < 2:
        text = within_doubles(function.expression, function.names)
    else:
        lines = [(case.where, case.form) for case in function.cases if case.form is not None]
        chosen = [
            f"IF({conditions.spell(where, 'excel', function.names)},{within_doubles(form, function.names)},"
            for where, form in lines
        ]
        text = "".join(chosen) + "NA()" + ")" * len(chosen)
    if len(text) >= LONGEST_CELL:
        raise InputError(
            f"--format excel: {len(text)} characters are more than the {LONGEST_CELL} that a cell takes; "
            "--format javascript or function have no such limit"
        )
    return f"={text}"


def cells(letters: Mapping[str, str]) -> str:
    """What is to be said of the cells of :func:`excel`."""
    named = ", ".join(EXCEL.name(name) for name in letters)
    return f"for cells named {named}; #N/A where a sum reaches 10¹⁵, which a spreadsheet would round"


def _some(form: str) -> str:
    """A form as an Option; a call that is one already as it is."""
    return form[:-1] if re.match(r"(sum|product|floor_div)\(", form) else f"Some({form})"


def _word(name: str) -> str:
    return f"f_{name}" if name[:1].isdigit() else name


def _quoted(said: str) -> str:
    escaped = re.sub(r'[\\"\x00-\x1f\u2028\u2029]', lambda found: f"\\u{ord(found[0]):04x}", said)
    return f'"{escaped}"'


FUNCTIONS: dict[str, Callable[[Function], str]] = {
    "python": python,
    "javascript": javascript,
    "rust": rust,
    "excel": excel,
}
"""The languages by name."""
