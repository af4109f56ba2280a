"""Tables as Markdown, LaTeX, CSV and HTML."""

from __future__ import annotations

import csv
import html as _html
import io
from typing import Any

from .table import Kind, Table, write


def markdown(table: Table, exact: bool = False) -> str:
    """A GitHub table; formulas between dollar signs."""

    def cell(value: Any, kind: Kind) -> str:
        if kind is Kind.FORMULA and value is not None:
            return f"${value.latex}$"
        return write(value, kind, exact).replace("|", "\\|")

    head = "| " + " | ".join(column.header for column in table.columns) + " |"
    rule = "| " + " | ".join("---:" if column.kind.numeric else "---" for column in table.columns) + " |"
    kinds = [column.kind for column in table.columns]
    body = ["| " + " | ".join(map(cell, row, kinds)) + " |" for row in table.rows]
    notes = [f"\n{note}" for note in table.notes]
    return "\n".join([f"**{table.title}**\n", head, rule, *body, *notes])


def latex(table: Table, exact: bool = False) -> str:
    """A ``booktabs`` tabular; formulas are math, everything else is escaped."""

    def cell(value: Any, kind: Kind) -> str:
        if kind is Kind.FORMULA and value is not None:
            return f"${value.latex}$"
        return escape_tex(write(value, kind, exact))

    layout = "".join("r" if column.kind.numeric else "l" for column in table.columns)
    kinds = [column.kind for column in table.columns]
    lines = [f"% {table.title}", "% \\usepackage{booktabs}", rf"\begin{{tabular}}{{{layout}}}", r"\toprule"]
    lines += [" & ".join(escape_tex(column.header) for column in table.columns) + r" \\", r"\midrule"]
    for number, row in enumerate(table.rows):
        if table.total and number == len(table.rows) - 1:
            lines.append(r"\midrule")
        lines.append(" & ".join(map(cell, row, kinds)) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*lines, *(f"% {note}" for note in table.notes)])


def csv_text(table: Table) -> str:
    """Comma-separated values with exact integers."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.key for column in table.columns])
    writer.writerows([["" if value is None else str(value) for value in row] for row in table.rows])
    return out.getvalue().rstrip("\n")


def html(table: Table, exact: bool = False) -> str:
    """An HTML table; formulas as MathML."""

    def cell(value: Any, kind: Kind) -> str:
        text = (
            value.mathml if kind is Kind.FORMULA and value is not None else _html.escape(write(value, kind, exact))
        )
        return f'<td style="text-align:{"right" if kind.numeric else "left"}">{text}</td>'

    head = "".join(f"<th>{_html.escape(column.header)}</th>" for column in table.columns)
    kinds = [column.kind for column in table.columns]
    body = "".join(f"<tr>{''.join(map(cell, row, kinds))}</tr>" for row in table.rows)
    notes = "".join(f"<p>{_html.escape(note)}</p>" for note in table.notes)
    caption = f"<caption>{_html.escape(table.title)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"


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
    "×": r"$\times$",
    "−": r"$-$",
    "·": r"$\cdot$",
    "²": r"\textsuperscript{2}",
    "√": r"$\surd$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "Ω": r"$\Omega$",
    "ᵀ": r"\textsuperscript{T}",
    "✓": r"$\checkmark$",
}


def escape_tex(text: str) -> str:
    """Text that LaTeX sets as it stands."""
    return "".join(_TEX.get(character, character) for character in text)
