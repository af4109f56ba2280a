"""Several forms, each with where it holds, as one formula: the braces of a paper, the conditional of Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from . import conditions
from .domains import Where
from .printers import PRINTERS, Expression, Names


class Case(NamedTuple):
    """A form and where it holds; without a form, ``said`` is what there is to say instead."""

    where: Where
    form: Expression | None
    said: str = ""


class _Line(NamedTuple):
    form: str
    said: str
    when: str
    always: bool


def spell(cases: Sequence[Case], spelling: str, names: Names | None = None) -> str:
    """The cases in one of the spellings of :data:`vpcalc.algebra.printers.PRINTERS`.

    One case that holds always is its form alone. In Python sizes without a form are None.
    """
    lines = [
        _Line(
            "" if case.form is None else PRINTERS[spelling](case.form, names),
            case.said,
            conditions.spell(case.where, spelling, names),
            any(not part.guards for part in case.where.parts),
        )
        for case in cases
    ]
    if len(lines) == 1 and lines[0].form and lines[0].always:
        return lines[0].form
    return _SPELLINGS[spelling](lines)


def _text(lines: Sequence[_Line]) -> str:
    return "\n".join(f"{line.form or line.said}   ({line.when})" for line in lines)


def _latex(lines: Sequence[_Line]) -> str:
    forms = [line.form or rf"\text{{{line.said}}}" for line in lines]
    rows = [rf"  {form} & {line.when} \\" for form, line in zip(forms, lines, strict=True)]
    return "\n".join([r"\begin{cases}", *rows, r"\end{cases}"])


def _typst(lines: Sequence[_Line]) -> str:
    rows = [f"  {line.form or _quoted(line.said)} & {line.when}," for line in lines]
    return "\n".join(["cases(", *rows, ")"])


def _quoted(said: str) -> str:
    return '"' + said.replace('"', "'") + '"'


def _mathml(lines: Sequence[_Line]) -> str:
    rows = []
    for line in lines:
        form = line.form.partition(">")[2].removesuffix("</math>") or f"<mtext>{line.said}</mtext>"
        rows.append(f"<mtr><mtd>{form}</mtd><mtd><mrow>{line.when}</mrow></mtd></mtr>")
    table = f'<mtable columnalign="left">{"".join(rows)}</mtable>'
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML"><mrow><mo>{{</mo>{table}</mrow></math>'


def _python(lines: Sequence[_Line]) -> str:
    chosen = [f"({line.form}) if {line.when}" for line in lines if line.form]
    return " else ".join([*chosen, "None"])


_SPELLINGS: dict[str, Callable[[Sequence[_Line]], str]] = {
    "text": _text,
    "latex": _latex,
    "typst": _typst,
    "mathml": _mathml,
    "python": _python,
}
