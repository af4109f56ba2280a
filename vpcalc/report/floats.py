"""Tables as floats of a paper: caption, label, and a width that fits the column of a two-column article.

What is too wide is broken in cells of fixed width, and what is too wide even so is left out and named; what is too
long is continued in a further float. Notes are set below the table. Widths are reckoned from letters, in the small
type of a table; a test has TeX measure them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from .sentences import tex as prose
from .table import Kind, Table, write
from .tex import PACKAGES, Cells, columns_of, filled, s_column, tabular

COLUMN = 229.0
"""Points of a column: of an article in two columns and ten point."""

LETTER, BETWEEN = 4.55, 6.0
"""Points of a letter in small type, and between two columns."""

ITALICS = 1.12
"""How much wider letters are in mathematics."""

LEAST = {Kind.TEXT: 62.0, Kind.VERDICT: 40.0, Kind.WORD: 62.0, Kind.SYMBOLS: 62.0, Kind.FORMULA: 105.0}
"""Points to which columns of several lines may be narrowed; others are not broken."""

AT_ONCE = 12
"""Floats after which LaTeX is told to place them: it holds no more than 18 back."""

LINES, PAGE = 40, 50
"""Lines of tables that one float of ours holds, and one of the author's, who has a caption beside them."""

NARROWEST = 0.5
"""Of these, where columns are chosen that do not fit: TeX says that they are too wide, which is seen sooner."""

_FIRST_OUT = (
    *(Kind.SHARE, Kind.RATIO, Kind.NUMBER, Kind.BYTES, Kind.CHANGE, Kind.SYMBOLS),
    *(Kind.COUNT, Kind.WORD, Kind.TEXT),
)
"""Columns that are left out first where there is no room, but for the first count; then verdicts, formulas but one
and that count, which a table is read for."""


@dataclass(frozen=True)
class _Fitted:
    """A table whose columns fit, their widths in points, and the lines of each row; ``left`` do not fit."""

    table: Table
    left: list[str]
    cells: list[Cells]
    widths: list[float | None]
    lines: list[int]


def latex(table: Table, exact: bool = False) -> str:
    """A ``booktabs`` tabular alone, for a float that is there; formulas are math, and notes stand below."""
    return _alone(table, exact, "booktabs", lambda column: column)


def siunitx(table: Table, exact: bool = False) -> str:
    """The same with siunitx's S columns, which align figures at the decimal point and group their digits."""
    return _alone(table, exact, "booktabs,siunitx", s_column)


def _alone(table: Table, exact: bool, packages: str, units: Callable[[Cells], Cells]) -> str:
    columns = list(map(units, columns_of(table, exact, prose)))
    lines = tabular(table, columns, [column.letter for column in columns], range(len(table.rows)))
    return "\n".join([f"% {table.title}", rf"% \usepackage{{{packages}}}", *lines, *notes(table.notes)])


def floats(
    tables: Sequence[Table],
    label: str,
    format: str,
    exact: bool = False,
    chosen: bool = False,
    inside: bool = False,
) -> str:
    """All tables: in one float if they are short, else in one each, or several.

    The first float is labelled ``tab:LABEL``, further tables with their titles' first words behind it, and what is
    continued with a number. ``format`` is latex or siunitx. ``chosen`` says that the user chose the columns, so
    that none is left out. ``inside`` a float that is there, caption and label are the author's; columns that he
    chose are as wide as they are, since his float may span the page, and others fit as they do elsewhere. Tables
    that have no room below the first are named in a comment.
    """
    if inside and chosen:
        return "\n\n".join({"latex": latex, "siunitx": siunitx}[format](table, exact) for table in tables)
    units = s_column if format == "siunitx" else lambda column: column
    fitted = [_fit(filled(table), exact, chosen, units) for table in tables]
    head = rf"% needs \usepackage{{{PACKAGES[format]}}}"
    all_of_each = [(each, range(len(each.lines))) for each in fitted]
    together = list(accumulate(sum(each.lines) + _beside(each.table) for each in fitted))
    if inside:
        fit = max(1, sum(height <= PAGE for height in together))
        said = notes(tables[0].notes) if _is_long(tables[0]) else []
        left = [f"% no room in one float for: {each.title}; --columns KEY,KEY chooses it" for each in tables[fit:]]
        lines = [r"\begingroup\setlength{\parindent}{0pt}", *_bodies(all_of_each[:fit]), *said, r"\endgroup"]
        return "\n".join([f"% {tables[0].title}", head, *left, *lines])
    if together[-1] <= LINES:
        return "\n".join([head, *_float(all_of_each, label)])
    parts = [
        (each, rows, f"{label}{f'-{slug(each.table.title, 3)}' * (number > 0)}{f'-{page}' * (page > 1)}")
        for number, each in enumerate(fitted)
        for page, rows in enumerate(_pages(each), 1)
    ]
    body: list[str] = []
    for place, (each, rows, name) in enumerate(parts, 1):
        body += ["\n".join(_float([(each, rows)], name))]
        body += [r"\clearpage"] * (place % AT_ONCE == 0)
    return "\n\n".join([head, *body])


def _float(parts: Sequence[tuple[_Fitted, range]], label: str) -> list[str]:
    first, rows = parts[0]
    again = " (continued)" if rows.start else ""
    lines = [r"\begin{table}[tp]", r"\centering", rf"\caption{{{prose(first.table.title)}{again}}}"]
    lines += [rf"\label{{tab:{label}}}", *_bodies(parts)]
    said = notes(first.table.notes) if _is_long(first.table) and rows.stop == len(first.lines) else []
    return [*lines, r"\end{table}", *([r"\noindent", *said] if said else [])]


def _bodies(parts: Iterable[tuple[_Fitted, range]]) -> list[str]:
    """Tables below one another, each but the first with its title."""
    (first, rows), *others = parts
    lines = [r"\small", rf"\setlength{{\tabcolsep}}{{{BETWEEN / 2:g}pt}}", *_body(first, rows)]
    for each, chosen in others:
        lines += ["", r"\medskip", rf"\textit{{{prose(each.table.title)}}}\par\smallskip", *_body(each, chosen)]
    return lines


def _body(fitted: _Fitted, rows: range) -> list[str]:
    letters = [
        cells.letter if width is None else rf">{{\raggedright\arraybackslash\hspace{{0pt}}}}p{{{width:.0f}pt}}"
        for cells, width in zip(fitted.cells, fitted.widths, strict=True)
    ]
    cells = [
        each
        if width is None
        else replace(each, header=breakable(each.header), cells=[*map(breakable, each.cells)])
        for each, width in zip(fitted.cells, fitted.widths, strict=True)
    ]
    lines = tabular(fitted.table, cells, letters, rows)
    if fitted.left:
        lines.insert(0, f"% no room for {', '.join(fitted.left)}: --columns KEY,KEY chooses")
    if rows.stop < len(fitted.lines) or _is_long(fitted.table):
        return lines
    return [*lines, *notes(fitted.table.notes)]


def notes(said: Iterable[str]) -> list[str]:
    """Notes as small paragraphs below a table."""
    return [rf"\par\smallskip{{\footnotesize\raggedright {breakable(prose(note))}\par}}" for note in said]


def _is_long(table: Table) -> bool:
    """Whether the notes have more lines than a float holds: they stand behind it."""
    return sum(map(_lines_of, table.notes)) > LINES // 2


def _beside(table: Table) -> int:
    """Lines of a table's title, header and notes."""
    return 4 + sum(map(_lines_of, (table.title, *table.notes)))


def _lines_of(text: str) -> int:
    return 1 + int(len(text) * LETTER // COLUMN)


def _pages(fitted: _Fitted) -> list[range]:
    """Rows by the float that they stand in."""
    found, start, taken = [], 0, 0
    below = 0 if _is_long(fitted.table) else sum(map(_lines_of, fitted.table.notes))
    for row, lines in enumerate(fitted.lines):
        if taken and taken + lines > LINES - 5:
            found.append(range(start, row))
            start, taken = row, 0
        taken += lines
    if taken + below > LINES and start < len(fitted.lines) - 1:
        found.append(range(start, len(fitted.lines) - 1))
        start = len(fitted.lines) - 1
    return [*found, range(start, len(fitted.lines))]


def _fit(table: Table, exact: bool, chosen: bool, units: Callable[[Cells], Cells]) -> _Fitted:
    narrow = table if chosen else table.narrow()
    left = [column.header for column in table.columns if column not in narrow.columns]
    while True:
        cells = [units(each) for each in columns_of(narrow, exact, prose)]
        natural = [_natural(narrow, place, each, exact) for place, each in enumerate(cells)]
        least = [min(n, LEAST.get(c.kind, n)) for n, c in zip(natural, narrow.columns, strict=True)]
        room = COLUMN - BETWEEN * len(natural)
        ranked = _ranked(narrow)
        if sum(least) <= room or chosen or not ranked or len(natural) <= 3:
            break
        left.append(narrow.columns[ranked[0]].header)
        narrow = narrow.pick([c.key for place, c in enumerate(narrow.columns) if place != ranked[0]])
    narrow = _without_emptied(narrow, table)
    cells = [units(each) for each in columns_of(narrow, exact, prose)]
    widths = _shared(natural, _scaled(narrow, least, room), room)
    return _Fitted(narrow, left, cells, widths, _lines(narrow, widths, exact))


def _without_emptied(narrow: Table, table: Table) -> Table:
    """Without rows that say nothing but their names since columns were left out."""

    def says(row: tuple[Any, ...]) -> bool:
        return any(cell not in (None, "") for cell in row[1:])

    pairs = zip(narrow.rows, table.rows, strict=True)
    return replace(narrow, rows=tuple(row for row, whole in pairs if says(row) or not says(whole)))


def _ranked(table: Table) -> list[int]:
    """Places of columns that may be left out, the first one first; never that of the rows' names."""
    places = range(len(table.columns) - 1, 0, -1)
    of = {kind: [place for place in places if table.columns[place].kind is kind] for kind in Kind}
    of[Kind.COUNT].sort(key=lambda place: table.columns[place].kept)
    first = of[Kind.COUNT][-1:]
    others = [place for kind in _FIRST_OUT for place in of[kind] if place not in first]
    return [*others, *of[Kind.VERDICT], *of[Kind.FORMULA][:-1], *first]


def _natural(table: Table, place: int, cells: Cells, exact: bool) -> float:
    """Points that the longest cell of a column takes."""
    column = table.columns[place]
    if column.kind.numeric:
        longest = max(_length(_plain(cell)) for cell in (cells.header, *cells.cells))
    else:
        words = [write(row[place], column.kind, exact) for row in table.rows]
        wider = ITALICS if column.kind is Kind.FORMULA else 1.0
        longest = max(_length(column.header), *(wider * _length(word) for word in words))
    return longest * LETTER


def _length(text: str) -> float:
    """Letters, where capitals take more room, and signs that mathematics sets with space about them."""
    return len(text) + 0.5 * sum(map(str.isupper, text)) + len(re.findall("[×·=<>≥≤]", text))


def _plain(cell: str) -> str:
    """What of a cell is seen, nearly."""
    return re.sub(r"\\[A-Za-z]+|[{}$\\]", "", cell)


def _scaled(table: Table, least: list[float], room: float) -> list[float]:
    """The least widths, where even these are too wide each less by the same factor."""
    may = {place for place, column in enumerate(table.columns) if column.kind in (Kind.TEXT, Kind.FORMULA)}
    fixed = sum(points for place, points in enumerate(least) if place not in may)
    factor = min(1.0, max((room - fixed) / max(sum(least) - fixed, 1.0), NARROWEST))
    return [points * factor if place in may else points for place, points in enumerate(least)]


def _shared(natural: Sequence[float], least: Sequence[float], room: float) -> list[float | None]:
    """Widths of columns that are broken, which share what is left; None for those that stand as they are."""
    widths: list[float | None] = [None] * len(natural)
    if sum(natural) <= room:
        return widths
    broken = {place for place in range(len(natural)) if least[place] < natural[place]}
    free = room - sum(points for place, points in enumerate(natural) if place not in broken)
    for place in sorted(broken, key=lambda place: natural[place]):  # the narrow ones first, as they are
        fair = max(free * least[place] / sum(least[each] for each in broken), least[place])
        if natural[place] > fair:
            widths[place] = fair
        free -= min(natural[place], fair)
        broken = broken - {place}
    return widths


def _lines(table: Table, widths: Sequence[float | None], exact: bool) -> list[int]:
    def lines(text: str, width: float | None) -> int:
        return 1 if width is None else 1 + int(len(text) * LETTER * 1.15 // width)

    return [
        max(
            lines(write(value, column.kind, exact), width)
            for value, column, width in zip(row, table.columns, widths, strict=True)
        )
        for row in table.rows
    ]


def breakable(text: str) -> str:
    """Long words of code may be broken behind what joins their parts, no number; mathematics behind a product."""
    parts = re.split(r"(\$[^$]*\$)", text)
    return "".join(
        re.sub(r"\\right\\rceil\}|\\right\\rfloor\}", r"\g<0>\\allowbreak ", part)
        if part.startswith("$")
        else re.sub(r"(?<=\w)(\\_|::|/|(?<!\d)\.|\.(?!\d)|:|,|=)(?=[A-Za-z0-9])", r"\1\\allowbreak{}", part)
        for part in parts
    )


def slug(text: str, words: int | None = None) -> str:
    """The first words of a text up to a comma, as a label has them."""
    return "-".join(re.findall(r"[a-z0-9]+", text.partition(", ")[0].lower().replace("×", "x"))[:words])
