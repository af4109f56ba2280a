"""Columns of tables for LaTeX: the unit in the header, one unit a column, so that figures line up; and text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..algebra.printers import GREEK
from . import numbers
from .table import Column, Kind, Table, has_symbols, write


@dataclass(frozen=True, slots=True)
class Cells:
    """A column ready to be set: its letter in the preamble, its header and its cells."""

    letter: str
    header: str
    cells: list[str]


PACKAGES = {"latex": "array,booktabs", "siunitx": "array,booktabs,siunitx"}
"""What a paper has to load."""


def columns_of(table: Table, exact: bool, text: Callable[[str], str]) -> list[Cells]:
    """The columns, ready to be set; ``text`` sets headers and what is a sentence."""
    return [_column(table, index, exact, text) for index in range(len(table.columns))]


def filled(table: Table) -> Table:
    """The table without columns in which nothing stands."""
    kept = [c.key for i, c in enumerate(table.columns) if any(row[i] not in (None, "") for row in table.rows)]
    return table.pick(kept) if table.rows else table


def tabular(table: Table, columns: Sequence[Cells], letters: Sequence[str], rows: range) -> list[str]:
    """Lines of a tabular with some of the rows."""
    lines = [rf"\begin{{tabular}}{{{''.join(letters)}}}", r"\toprule"]
    lines += [" & ".join(column.header for column in columns) + r" \\", r"\midrule"]
    for number in rows:
        if table.total and number == len(table.rows) - 1:
            lines.append(r"\midrule")
        lines.append(" & ".join(column.cells[number] for column in columns) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _column(table: Table, index: int, exact: bool, text: Callable[[str], str]) -> Cells:
    column = table.columns[index]
    values = [row[index] for row in table.rows]
    if not column.kind.numeric:
        return Cells("l", text(column.header), [_word(value, column.kind, text) for value in values])
    unit, cells = _figures(values, column, exact)
    header = text(column.header) + (escape_tex(f" ({unit})") if unit else "")
    return Cells("r", header, [cell.replace(",", "{,}").replace("−", "$-$") for cell in cells])


_FLOAT = re.compile(r"-?\d+(?:\.\d+)?e[+-]\d+")


def _word(value: Any, kind: Kind, text: Callable[[str], str]) -> str:
    if kind is Kind.FORMULA and value is not None and not isinstance(value, str):
        return f"${value.latex}$"
    said = write(value, kind)
    if has_symbols(said, kind):
        return f"${said}$"
    is_name = " " not in said and not _FLOAT.fullmatch(said)
    return escape_tex(said) if is_name or kind is Kind.WORD else text(said)


def _figures(values: Sequence[Any], column: Column, exact: bool) -> tuple[str, list[str]]:
    """The column's unit, and its cells without it."""
    if column.kind in (Kind.COUNT, Kind.BYTES) and not exact:
        present = [value for value in values if value is not None]
        scale = numbers.common_scale(present, binary=column.kind is Kind.BYTES)
        return scale.unit, ["" if value is None else scale.write(value) for value in values]
    if column.kind is Kind.RATIO:
        return "", _even([write(value, column.kind) for value in values], values)
    unit = {Kind.BYTES: "B", Kind.SHARE: "%"}.get(column.kind, "")
    return unit, [write(value, column.kind, exact).removesuffix(f" {unit}") for value in values]


def _even(cells: list[str], values: Sequence[Any]) -> list[str]:
    """Ratios with one number of decimals, that of the longest, unless they are worlds apart."""
    decimals = max((len(cell.partition(".")[2]) for cell in cells), default=0)
    if decimals > 4 or any("e" in cell for cell in cells):
        return cells
    return ["" if value is None else f"{value:.{decimals}f}" for value in values]


def s_column(column: Cells) -> Cells:
    """A column of figures as an S column of siunitx; others as they are."""
    if column.letter != "r":
        return column
    plain = [cell.replace("{,}", "").replace("$-$", "-") for cell in column.cells]
    parts = [cell.partition(".") for cell in plain]
    whole = max((len(before.lstrip("+-")) for before, _, _ in parts), default=0)
    decimals = max((len(after) for _, _, after in parts), default=0)
    sign = "-" if any(cell.startswith(("+", "-")) for cell in plain) else ""
    form = "" if any("e" in cell for cell in plain) else f"[table-format={sign}{whole}.{decimals}]"
    return Cells(f"S{form}", f"{{{column.header}}}", plain)


_SIGNS = r"""
    × \times  − -  · \cdot  √ \surd  ≥ \geq  ≤ \leq  ≠ \neq  ≈ \approx  ∂ \partial  ∏ \prod  ‖ \Vert  ′ '
    ⊙ \odot  ⋅ \cdot  ∗ \ast  ∘ \circ  ⁄ /  ÷ \div  ± \pm  ∠ \angle  ∫ \int  ⋯ \cdots  ∞ \infty  ∈ \in  ∉ \notin
    ∑ \sum  ∪ \cup  ≔ \mathrel{:=}  ⟹ \Longrightarrow  ∩ \cap  ⊂ \subset  ⊆ \subseteq  ℤ \mathbf{Z}  → \to
    ⇒ \Rightarrow  ⟺ \Longleftrightarrow  ⌈ \lceil  ⌉ \rceil  ⌊ \lfloor  ⌋ \rfloor  ½ \frac{1}{2}  ĝ \hat{g}
    𝒪 \mathcal{O}  ⁻ {}^{-}  ⁺ {}^{+}  ᵀ {}^{\top}  ∣ \mid  ∤ \not\mid  < <  > >  | |
"""

SIGNS = dict(zip(_SIGNS.split()[::2], _SIGNS.split()[1::2], strict=True))
"""Characters that are set as mathematics. <, > and | are so in TeX's own fonts, where text shows others."""

_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "✓": "yes",
    "…": r"\dots{}",
    "§": r"\S{}",
    "–": "--",
    **{character: f"${command}$" for character, command in SIGNS.items()},
    **{letter: rf"$\{name}$" for letter, name in GREEK.items()},
    **{digit: rf"\textsuperscript{{{number}}}" for number, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **{digit: rf"\textsubscript{{{number}}}" for number, digit in enumerate("₀₁₂₃₄₅₆₇₈₉")},
    **{block: rf"\rule{{{eighths / 16}em}}{{1ex}}" for eighths, block in enumerate("▏▎▍▌▋▊▉█", 1)},
    "▶": r"$\triangleright$",
}


def escape_tex(text: str) -> str:
    """Text that LaTeX sets as it stands, with nothing but its own fonts."""
    return "".join(_TEX.get(character, character) for character in text)
