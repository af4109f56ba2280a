"""A table as data: what every command shows, before anyone decides how.

A cell keeps its exact value; the column's kind says how a view may write it. Views live beside this
module, one a target, and do no arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, NamedTuple

from . import numbers


class Kind(Enum):
    """What a column holds. Text may be wrapped, a word not; a count may be shortened, a number not.

    A change is a number with its sign; symbols are letters that stand for sizes, or sizes: R, M; T = 100; 7×7.
    """

    TEXT = "text"
    WORD = "word"
    SYMBOLS = "symbols"
    COUNT = "count"
    NUMBER = "number"
    CHANGE = "change"
    BYTES = "bytes"
    RATIO = "ratio"
    SHARE = "share"
    FORMULA = "formula"
    VERDICT = "verdict"
    PICTURE = "picture"

    @property
    def numeric(self) -> bool:
        """Whether the column is set flush right."""
        return self in (Kind.COUNT, Kind.NUMBER, Kind.CHANGE, Kind.BYTES, Kind.RATIO, Kind.SHARE)


class Column(NamedTuple):
    """A column. ``key`` heads it in CSV; ``wide`` columns are left out where the terminal is narrow.

    A ``passing`` column differs from run to run, as seconds do: documents, which last, leave it out. A ``kept``
    one is what the table is for: it is never left out.
    """

    key: str
    header: str
    kind: Kind = Kind.TEXT
    wide: bool = False
    passing: bool = False
    kept: bool = False


class About(str):
    """A note on columns, by their keys: where they are left out the note goes, or is said without the columns."""

    key: str
    without: str

    def __new__(cls, text: str, key: str = "", without: str = "") -> About:
        """The note, the columns that it is on, and what a table without them says in its place."""
        found = super().__new__(cls, text)
        found.key, found.without = key, without
        return found


class Caveat(str):
    """A note without which figures or forms of its table are not true: where they hold. Papers print it, too."""


class Hint(str):
    """A note on what to type next. Terminals show it, and documents do not."""


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table. ``total`` marks the last row as the sum of the others."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    notes: tuple[str, ...] = ()
    total: bool = False

    def narrow(self) -> Table:
        """The table without its wide columns."""
        return self._only([i for i, column in enumerate(self.columns) if not column.wide])

    def lasting(self) -> Table:
        """The table for a document: without columns that differ from run to run, and without hints."""
        kept = self._only([i for i, column in enumerate(self.columns) if not column.passing])
        return replace(kept, notes=tuple(note for note in self.notes if not isinstance(note, Hint)))

    def without_twins(self) -> Table:
        """Without sizes that stand there as numbers already: where all digits are written, both are one column."""
        numbers = [
            [row[i] for row in self.rows] for i, column in enumerate(self.columns) if column.kind is Kind.NUMBER
        ]
        return self._only(
            [
                i
                for i, column in enumerate(self.columns)
                if column.kind is not Kind.BYTES or [row[i] for row in self.rows] not in numbers
            ]
        )

    def without_pictures(self) -> Table:
        """The table for programs."""
        return self._only([i for i, column in enumerate(self.columns) if column.kind is not Kind.PICTURE])

    def pick(self, keys: Sequence[str]) -> Table:
        """The table with these columns alone, in this order."""
        places = _keys(self.columns)
        return self._only([places.index(key) for key in keys])

    def _only(self, keep: Sequence[int]) -> Table:
        rows = tuple(tuple(row[i] for i in keep) for row in self.rows)
        columns = tuple(self.columns[i] for i in keep)
        kept = {column.key for column in columns}
        notes = (
            Caveat(note.without) if isinstance(note, About) and kept.isdisjoint(note.key.split()) else note
            for note in self.notes
        )
        return Table(self.title, columns, rows, tuple(note for note in notes if note), self.total)


def write(value: Any, kind: Kind, exact: bool = False) -> str:
    """A cell as plain text; absent values are empty, but of a verdict. ``exact`` writes all digits of counts."""
    if value is None:
        return "–" if kind is Kind.VERDICT else ""
    if kind is Kind.COUNT:
        return numbers.exact(value) if exact else numbers.short(value)
    if kind is Kind.NUMBER:
        return numbers.exact(value)
    if kind is Kind.CHANGE:
        return numbers.signed(value)
    if kind is Kind.BYTES:
        return numbers.exact(value) if exact else numbers.size(value)
    if kind is Kind.RATIO:
        return numbers.ratio(value)
    if kind is Kind.SHARE:
        return numbers.percent(value)
    return str(value)


def has_symbols(text: str, kind: Kind) -> bool:
    """Whether a cell is set as mathematics though it is no formula: sizes without a letter are text."""
    return kind is Kind.SYMBOLS and any(map(str.isalpha, text))


def records(table: Table) -> list[dict[str, Any]]:
    """Rows as dictionaries by column key, values exact."""
    table = table.without_pictures()
    return [dict(zip(_keys(table.columns), row, strict=True)) for row in table.rows]


def _keys(columns: Sequence[Column]) -> list[str]:
    return [column.key for column in columns]
