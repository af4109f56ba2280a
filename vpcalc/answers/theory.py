"""``vpcalc theory``: statements about sequences and gradients, each with its proof."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import files
from ..checks.proof import Finding
from ..errors import InputError, unknown
from ..report import Column, Kind, Table, markup
from ..report import derivation as passages
from ..report.plots_theory import Figure, draw, format_of
from ..report.plots_theory import text as in_characters
from ..statements import FAMILIES, STATEMENTS, Demonstration, Evidence, Statement
from ..statements.recorded import recorded
from .result import Result


@dataclass(frozen=True)
class Settled:
    """A statement and its demonstration; without one, its verdict is the one on record."""

    statement: Statement
    demonstration: Demonstration | None = None
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """proved, identified, checked, corrected or refuted; of a record, only where nothing has changed since."""
        if self.demonstration is not None:
            return self.demonstration.verdict.value
        found = recorded(self.statement)
        return "not verified here" if found is None else found.verdict

    @property
    def note(self) -> str:
        """What the source prints and why it is not so, or what did not hold."""
        if self.demonstration is None:
            found = recorded(self.statement)
            return "" if found is None else found.note
        if self.demonstration.failed:
            return "does not hold: " + "; ".join(piece.what for piece in self.demonstration.failed)
        return self.demonstration.correction

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON contract."""
        found: dict[str, Any] = {
            "id": self.statement.id,
            "title": self.statement.title,
            "claim": self.statement.claim,
            "source": self.statement.source,
            "family": self.statement.family,
            "verdict": self.verdict,
            "note": self.note,
        }
        if self.demonstration is not None:
            found["seconds"] = round(self.seconds, 3)
            found["derivation"] = [step.to_dict() for step in self.demonstration.steps]
            found["evidence"] = [piece.to_dict() for piece in self.demonstration.evidence]
            found["data"] = [_data(table) for table in self.demonstration.tables]
            found["plot"] = self.demonstration.figure is not None
        return found


def _data(table: Table) -> dict[str, Any]:
    from ..report.table import records

    rows = [{key: getattr(value, "text", value) for key, value in row.items()} for row in records(table)]
    return {"title": table.title, "rows": rows, "notes": list(table.notes)}


@dataclass(frozen=True)
class Theory(Result):
    """One statement in full, or a list of them."""

    statements: tuple[Settled, ...]
    alone: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The command's JSON object."""
        return {"command": "theory", "statements": [settled.to_dict() for settled in self.statements]}

    @property
    def ok(self) -> bool:
        """Whether no statement is refuted. A correction of what a source prints is a finding, not a failure."""
        return not any(settled.verdict == Finding.REFUTED.value for settled in self.statements)

    def tables(self) -> tuple[Table, ...]:
        """Of a list one row a statement; of one statement its data, its derivation and its evidence."""
        if not self.alone:
            return (self._list(),)
        settled = self.statements[0]
        if settled.demonstration is None:
            return (self._list(),)
        return (*settled.demonstration.tables, _derivation(settled), _evidence(settled))

    def _list(self) -> Table:
        columns = (
            Column("id", "Statement", Kind.WORD),
            Column("title", "Title"),
            Column("verdict", "Verdict", Kind.VERDICT),
            Column("claim", "Claim"),
            Column("source", "Source", wide=True),
        )
        rows = tuple(
            (s.statement.id, s.statement.title, s.verdict, s.statement.claim, s.statement.source)
            for s in self.statements
        )
        notes = tuple(f"{s.statement.id}: {s.note}" for s in self.statements if s.note)
        return Table(
            f"{len(rows)} statement{'s' * (len(rows) != 1)}{self._tally()}",
            columns,
            rows,
            (*notes, *self._where_from(), "vpcalc theory NAME shows one with its derivation"),
        )

    def _where_from(self) -> tuple[str, ...]:
        """Where the verdicts of a list come from, unless they have just been computed."""
        if all(settled.demonstration is not None for settled in self.statements):
            return ()
        return ("verdicts on record, for these words and these demonstrations; --check computes them again",)

    def _tally(self) -> str:
        verdicts = [settled.verdict for settled in self.statements]
        counted = [f"{n} {finding.value}" for finding in Finding if (n := verdicts.count(finding.value))]
        return f": {', '.join(counted)}" if counted else ""

    def passage(self, format: str) -> str:
        """The derivation of one statement as ``latex`` or ``markdown``, ready to paste."""
        settled = self.statements[0]
        if settled.demonstration is None:
            raise InputError("--no-check: a derivation is only shown with its verdict; leave --no-check out")
        note = [f"Correction: {settled.note}."] if settled.note else []
        ending = [
            f"Verdict: {settled.verdict}.",
            *note,
            *(f"{describe(piece)}." for piece in settled.demonstration.evidence),
            f"Source: {settled.statement.source}.",
        ]
        write, set_table = {
            "latex": (passages.latex, markup.latex),
            "markdown": (passages.markdown, markup.markdown),
        }[format]
        text = write(settled.statement.title, f"{settled.statement.claim}.", settled.demonstration.steps, ending)
        return "\n\n".join([text, *map(set_table, settled.demonstration.tables)])

    def figure(self) -> Figure:
        """The plot of one statement.

        Raises:
            InputError: it has none.
        """
        shown = self.statements[0].demonstration if self.alone else None
        if shown is None or shown.figure is None:
            raise _without_plot(self.statements[0].statement.id if self.alone else None)
        return shown.figure

    def save(self, path: str | Path) -> None:
        """Write the plot of one statement; the name's suffix says of which kind: .png, .svg or .pdf.

        Raises:
            InputError: there is no plot, an unknown suffix, no matplotlib, or a file that cannot be written.
        """
        save(self.figure(), path)

    def terminal(self, width: int = 72) -> str:
        """The plot in characters; empty where there is none."""
        shown = self.statements[0].demonstration if self.alone else None
        return "" if shown is None or shown.figure is None else in_characters(shown.figure, width)


_PLOTTED = (
    "rnn_bound",
    "gradient_clipping",
    "lstm_jacobian",
    "attention_gradient",
    "bptt_cost",
    "table1_path",
    "softmax_saturation",
    "exp_overflow",
    "sinusoid_distance",
    "receptive_field",
    "windows_never_meet",
)
"""Statements that come with a plot: named, so that whoever asks another for one hears it at once."""


def require_plot(name: str | None, path: str | Path) -> None:
    """Refuse a plot that cannot be drawn before anything is proved.

    Raises:
        InputError: no single statement, one without a plot, or a file of another kind.
    """
    format_of(path)
    if name not in _PLOTTED:
        raise _without_plot(name)


def _without_plot(name: str | None) -> InputError:
    asked = "a list of statements" if name is None or name in FAMILIES else name
    return InputError(f"--plot: {asked} has no plot; these have one: {', '.join(_PLOTTED)}")


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure, whole or not at all."""
    picture = draw(figure, format_of(path))
    try:
        files.replace(Path(path), picture)
    except OSError as error:
        raise InputError(f"--plot {str(path)!r}: cannot be written: {error.strerror or error}") from None


def describe(piece: Evidence) -> str:
    """Evidence in one line."""
    error = "" if piece.error is None else f", {piece.error:.2g}"
    tolerance = "" if piece.tolerance is None else f" of at most {piece.tolerance:g}"
    return f"{piece.what} ({piece.method.value}{error}{tolerance}{_cases(piece.cases)})"


def _cases(cases: int) -> str:
    return f", {cases:,} cases" if cases > 1 else ""


def _derivation(settled: Settled) -> Table:
    assert settled.demonstration is not None
    columns = (Column("step", "", Kind.NUMBER), Column("why", "Why"), Column("text", "Step"))
    steps = settled.demonstration.steps
    rows = tuple((number, step.why, step.text) for number, step in enumerate(steps, start=1))
    return Table(f"{settled.statement.title}: {settled.statement.claim}", columns, rows)


def _evidence(settled: Settled) -> Table:
    assert settled.demonstration is not None
    columns = (
        Column("what", "Evidence"),
        Column("method", "Method"),
        Column("holds", "Verdict", Kind.VERDICT),
        Column("cases", "Cases", Kind.NUMBER),
        Column("error", "Error"),
        Column("tolerance", "Tolerance"),
    )
    rows = tuple(
        (
            piece.what,
            piece.method.value,
            "holds" if piece.holds else "fails",
            piece.cases,
            None if piece.error is None else f"{piece.error:.2g}",
            None if piece.tolerance is None else f"{piece.tolerance:g}",
        )
        for piece in settled.demonstration.evidence
    )
    notes = [settled.note] if settled.note else []
    return Table(f"Verdict: {settled.verdict}", columns, rows, (*notes, f"source: {settled.statement.source}"))


Progress = Callable[[int, int], None]
"""Called after each statement with how many are settled and how many there are."""


def proves(name: str | None, check: bool | None) -> bool:
    """Whether demonstrations are carried out: as asked, or else of a single statement."""
    return name in STATEMENTS if check is None else check


def theory(name: str | None = None, *, check: bool | None = None, progress: Progress | None = None) -> Theory:
    """Statements about sequences and gradients: all, those of one family, or one with its derivation.

    Args:
        name: a statement (``rnn_gradient`` …) or a family (``positions`` …); all of them if None.
        check: carry the demonstrations out, or show the verdicts on record; None: one statement's is carried out.
        progress: called after each statement.

    Raises:
        InputError: neither a statement nor a family.
    """
    if name is not None and name not in STATEMENTS and name not in FAMILIES:
        raise unknown("statement", name, [*STATEMENTS, *FAMILIES])
    chosen = [one for one in STATEMENTS.values() if name in (None, one.id, one.family)]
    check = proves(name, check)
    settled = []
    for number, one in enumerate(chosen, start=1):
        settled.append(_settle(one) if check else Settled(one))
        if progress is not None:
            progress(number, len(chosen))
    return Theory(tuple(settled), alone=name in STATEMENTS)


def _settle(one: Statement) -> Settled:
    start = time.perf_counter()
    demonstration = one.settle()
    return Settled(one, demonstration, time.perf_counter() - start)
