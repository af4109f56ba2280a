"""Demonstrations as they were last carried out, so that a list of all statements, or one of them, shows at once.

Two files are written by ``python docs/verdicts.py``: the words and verdict of every statement, and every
demonstration. An entry holds a fingerprint of what its verdict rests on: the statement's words, and the text of
this room, in which its demonstration stands. Whose fingerprint is another has no verdict here. The tests carry
every demonstration out again and compare.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import files
from .registry import Demonstration, Evidence, Method, Statement, Step

if TYPE_CHECKING:
    from ..report import Table
    from ..report.plots_theory import Figure

DATA = Path(__file__).parent.parent / "data"
VERDICTS, DEMONSTRATIONS = DATA / "verdicts.json", DATA / "demonstrations.json"


class Recorded(NamedTuple):
    """A statement's words, its verdict and its note, and the fingerprint of what they were computed from."""

    id: str
    title: str
    claim: str
    source: str
    family: str
    fingerprint: str
    verdict: str
    note: str


Words = Statement | Recorded
"""What says its id, its title, its claim, its source and its family."""


@cache
def _code() -> bytes:
    """A digest of the text of this room, but for what only records: read once, not for each statement."""
    texts = sorted(path for path in Path(__file__).parent.glob("*.py") if path != Path(__file__))
    return sha256(
        b"".join(path.name.encode() + path.read_bytes().replace(b"\r\n", b"\n") for path in texts)
    ).digest()


def fingerprint(one: Words) -> str:
    """What a verdict rests on: the statement's words and the code of the evidence."""
    words = "\0".join((one.id, one.title, one.claim, one.source))
    return sha256(words.encode() + _code()).hexdigest()[:16]


@cache
def _entries() -> Mapping[str, Recorded]:
    try:
        listed = json.loads(VERDICTS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    if not isinstance(listed, list):  # a record of another version's form
        return {}
    return {entry["id"]: Recorded(**entry) for entry in listed}


def recorded(one: Words) -> Recorded | None:
    """The verdict that was computed from this very statement and code, if there is one."""
    found = _entries().get(one.id)
    return found if found is not None and found.fingerprint == fingerprint(one) else None


def all_recorded() -> tuple[Recorded, ...] | None:
    """Every statement, in order, without loading one; None where the code is no longer what was recorded."""
    entries = tuple(_entries().values())
    return entries if entries and all(entry.fingerprint == fingerprint(entry) for entry in entries) else None


def demonstration(one: Words) -> Demonstration | None:
    """What was shown when the verdict on record was computed, if it still is on record."""
    if recorded(one) is None:
        return None
    return _read(json.loads(DEMONSTRATIONS.read_text(encoding="utf-8"))[one.id])


def write(settled: Iterable[tuple[Words, Demonstration, str]]) -> None:
    """Record statements with their demonstrations and notes; each file whole or not at all."""
    entries, shown = [], {}
    for one, found, note in settled:
        words = (one.id, one.title, one.claim, one.source, one.family)
        entries.append(Recorded(*words, fingerprint(one), found.verdict.value, note)._asdict())
        shown[one.id] = _written(found)
    for path, data in ((DEMONSTRATIONS, shown), (VERDICTS, entries)):
        files.replace(path, (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())


# -- demonstrations as JSON ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Spelled:
    """A closed form in a table, as it was spelled."""

    text: str
    latex: str
    python: str
    mathml: str
    typst: str

    def __str__(self) -> str:
        return self.text


_SPELLINGS = tuple(Spelled.__annotations__)


def _written(found: Demonstration) -> dict[str, Any]:
    return {
        "steps": [asdict(step) for step in found.steps],
        "clauses": {clause: [asdict(piece) for piece in pieces] for clause, pieces in found.clauses.items()},
        "beside": [asdict(piece) for piece in found.beside],
        "tables": [_table(table) for table in found.tables],
        "figure": None if found.figure is None else {type(found.figure).__name__: asdict(found.figure)},
        "correction": found.correction,
    }


def _table(table: Table) -> dict[str, Any]:
    columns = [[c.key, c.header, c.kind.value, c.wide, c.passing] for c in table.columns]
    rows = [[_cell(value) for value in row] for row in table.rows]
    return {"title": table.title, "columns": columns, "rows": rows, "notes": table.notes, "total": table.total}


def _cell(value: Any) -> Any:
    """A formula as its spellings; the rest as it is."""
    return {name: getattr(value, name) for name in _SPELLINGS} if hasattr(value, "mathml") else value


def _read(found: Mapping[str, Any]) -> Demonstration:
    return Demonstration(
        tuple(Step(**step) for step in found["steps"]),
        {clause: tuple(map(_evidence_of, pieces)) for clause, pieces in found["clauses"].items()},
        tuple(map(_evidence_of, found["beside"])),
        tuple(_table_of(table) for table in found["tables"]),
        None if found["figure"] is None else _figure_of(found["figure"]),
        found["correction"],
    )


def _evidence_of(found: Mapping[str, Any]) -> Evidence:
    return Evidence(**{**found, "method": Method(found["method"])})


def _table_of(found: Mapping[str, Any]) -> Table:
    from ..report import Column, Kind, Table

    columns = tuple(Column(key, header, Kind(kind), *flags) for key, header, kind, *flags in found["columns"])
    rows = tuple(tuple(Spelled(**v) if isinstance(v, dict) else v for v in row) for row in found["rows"])
    return Table(found["title"], columns, rows, tuple(found["notes"]), found["total"])


def _figure_of(found: Mapping[str, Any]) -> Figure:
    from ..report.plots_theory import Chart, Mosaic, Picture, Series

    ((kind, fields),) = found.items()
    if kind == "Chart":
        series = tuple(Series(**{**one, "x": tuple(one["x"]), "y": tuple(one["y"])}) for one in fields["series"])
        return Chart(**{**fields, "series": series})

    def picture(one: Mapping[str, Any]) -> Picture:
        return Picture(one["title"], tuple(tuple(row) for row in one["rows"]))

    return Mosaic(fields["title"], tuple(tuple(map(picture, row)) for row in fields["pictures"]))
