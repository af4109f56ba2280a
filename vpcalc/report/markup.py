"""Tables as Markdown, CSV, HTML and Typst; :mod:`vpcalc.report.floats` writes LaTeX."""

from __future__ import annotations

import csv
import html as _html
import io
import re
from typing import Any

from .floats import latex, siunitx
from .table import Caveat, Kind, Table, has_symbols, write
from .tex import escape_tex

__all__ = ["csv_text", "escape_tex", "escape_typst", "html", "latex", "markdown", "siunitx", "typst"]


def markdown(table: Table, exact: bool = False) -> str:
    """A GitHub table; formulas between dollar signs."""

    def cell(value: Any, kind: Kind) -> str:
        if _is_formula(value, kind):
            return f"${value.latex}$"
        text = write(value, kind, exact).replace("|", "\\|")
        return f"${text}$" if has_symbols(text, kind) else text

    head = "| " + " | ".join(column.header for column in table.columns) + " |"
    rule = "| " + " | ".join("---:" if column.kind.numeric else "---" for column in table.columns) + " |"
    kinds = [column.kind for column in table.columns]
    body = ["| " + " | ".join(map(cell, row, kinds)) + " |" for row in table.rows]
    notes = [f"\n{note}" for note in table.notes]
    return "\n".join([f"**{table.title}**\n", head, rule, *body, *notes])


def csv_text(table: Table) -> str:
    """Comma-separated values with exact integers."""
    table, out = table.without_pictures(), io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.key for column in table.columns])
    writer.writerows([["" if value is None else str(value) for value in row] for row in table.rows])
    return out.getvalue().rstrip("\n")


def html(table: Table, exact: bool = False) -> str:
    """An HTML table; formulas as MathML."""

    def cell(value: Any, kind: Kind) -> str:
        text = value.mathml if _is_formula(value, kind) else _html.escape(write(value, kind, exact))
        text = _mathml(text) if has_symbols(text, kind) else text
        return f'<td style="text-align:{"right" if kind.numeric else "left"}">{text}</td>'

    head = "".join(f"<th>{_html.escape(column.header)}</th>" for column in table.columns)
    kinds = [column.kind for column in table.columns]
    body = "".join(f"<tr>{''.join(map(cell, row, kinds))}</tr>" for row in table.rows)
    notes = "".join(f"<p>{_html.escape(note)}</p>" for note in table.notes)
    caption = f"<caption>{_html.escape(table.title)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"


def typst(table: Table, exact: bool = False) -> str:
    """A Typst table; formulas are math."""

    def cell(value: Any, kind: Kind) -> str:
        if _is_formula(value, kind):
            return f"[${value.typst}$]"
        text = write(value, kind, exact)
        return f"[${text}$]" if has_symbols(text, kind) else f"[{escape_typst(text)}]"

    kinds = [column.kind for column in table.columns]
    align = ", ".join("right" if kind.numeric else "left" for kind in kinds)
    head = ", ".join(f"[{escape_typst(column.header)}]" for column in table.columns)
    rows = [", ".join(map(cell, row, kinds)) for row in table.rows]
    if table.total and rows:
        rows.insert(-1, "table.hline()")
    lines = [
        f"// {table.title}",
        "#table(",
        f"  columns: {len(kinds)},",
        f"  align: ({align},),",
        "  stroke: none,",
    ]
    lines += ["  table.hline(),", f"  table.header({head}),", "  table.hline(),", *(f"  {row}," for row in rows)]
    lines.append("  table.hline(),")
    caveats = [note for note in table.notes if isinstance(note, Caveat)]
    lines += [f"  table.cell(colspan: {len(kinds)})[{escape_typst(note)}]," for note in caveats]
    return "\n".join([*lines, ")", *(f"// {note}" for note in table.notes if note not in caveats)])


def escape_typst(text: str) -> str:
    """Text that Typst sets as it stands."""
    return re.sub(r"([\\#*_$@<>`~\[\]/=+-])", r"\\\1", text)


def _mathml(symbols: str) -> str:
    parts = re.findall(r"[A-Za-z]|\d+|[^\s\w]", symbols)  # R, M; T = 100
    tags = ("mi" if part.isalpha() else "mn" if part.isdigit() else "mo" for part in parts)
    inside = "".join(f"<{tag}>{part}</{tag}>" for tag, part in zip(tags, parts, strict=True))
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{inside}</math>'


def _is_formula(value: Any, kind: Kind) -> bool:
    return kind is Kind.FORMULA and value is not None and not isinstance(value, str)
