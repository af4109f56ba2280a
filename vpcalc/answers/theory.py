"""``vpcalc theory``: statements about sequences and gradients, each with its proof."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import files
from ..errors import InputError, unwritable
from ..findings import Finding
from ..optional import require_torch
from ..report import Column, Hint, Kind, Table
from ..report.listing import Entry
from ..report.numbers import how_many
from ..statements import FAMILIES, STATEMENTS
from ..statements.recorded import Words, all_recorded, demonstration, recorded
from .result import Result
from .theory_search import find

if TYPE_CHECKING:
    from ..report.plots_theory import Figure
    from ..statements import Demonstration, Evidence


@dataclass(frozen=True)
class Settled:
    """A statement and its demonstration; without one, its verdict is the one on record.

    ``on_record`` says that the demonstration was not carried out now: it is the one that the record holds.
    """

    statement: Words
    demonstration: Demonstration | None = None
    seconds: float = 0.0
    on_record: bool = False

    @property
    def verdict(self) -> str:
        """proved, identified, checked, corrected or refuted; of a record, only where nothing has changed since."""
        if self.demonstration is not None:
            return self.demonstration.verdict.value
        found = recorded(self.statement)
        return "not verified here" if found is None else found.verdict

    @property
    def sentence(self) -> str:
        """The verdict, and of what is corrected how well the statement as it stands is known."""
        if self.demonstration is None or self.demonstration.verdict is not Finding.CORRECTED:
            return self.verdict
        return f"{self.verdict}; what stands is {self.demonstration.stands.value}"

    @property
    def note(self) -> str:
        """What the source prints and why it is not so, or what did not hold."""
        if self.demonstration is None:
            found = recorded(self.statement)
            return "" if found is None else found.note
        if self.demonstration.failed:
            return "does not hold: " + "; ".join(piece.what for piece in self.demonstration.failed)
        return self.demonstration.missing or self.demonstration.correction

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON contract."""
        from ..report.sentences import tex

        found: dict[str, Any] = {
            "id": self.statement.id,
            "title": self.statement.title,
            "claim": self.statement.claim,
            "claim_latex": tex(self.statement.claim),
            "source": self.statement.source,
            "family": self.statement.family,
            "verdict": self.verdict,
            "note": self.note,
        }
        if self.demonstration is not None:
            clauses = self.demonstration.clauses
            found["seconds"] = round(self.seconds, 3)
            found["derivation"] = [step.to_dict() for step in self.demonstration.steps]
            found["evidence"] = [
                {**piece.to_dict(), "settles": [clause for clause, own in clauses.items() if piece in own]}
                for piece in self.demonstration.evidence
            ]
            found["clauses"] = [
                {"clause": clause, "verdict": self.demonstration.of(clause).value} for clause in clauses
            ]
            found["data"] = [_data(table) for table in self.demonstration.tables]
            found["plot"] = self.demonstration.figure is not None
            found["on_record"] = self.on_record
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

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {"command": "theory", "statements": [settled.to_dict() for settled in self.statements]}

    @property
    def ok(self) -> bool:
        """Whether no statement is refuted or lacks evidence. To correct what a source prints is no failure."""
        return not any(s.verdict in (Finding.REFUTED.value, Finding.UNSETTLED.value) for s in self.statements)

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
        tally = f"{how_many(len(rows), 'statement')}{self._tally()}"
        return Table(tally, columns, rows, (*notes, *self._where_from(), _MORE))

    def entries(self) -> tuple[Entry, ...]:
        """The list for a terminal: each statement with its claim, and of a choice of them what was corrected."""
        few = len(self.statements) < MANY
        return tuple(
            Entry(s.statement.id, s.verdict, s.statement.title, (s.statement.claim, s.note if few else ""))
            for s in self.statements
        )

    def passages(self) -> tuple[tuple[str, tuple[Entry, ...]], ...]:
        """One statement for a terminal: its derivation and its evidence, each under a heading."""
        settled = self.statements[0]
        assert settled.demonstration is not None
        steps = enumerate(settled.demonstration.steps, start=1)
        return (
            (
                f"{settled.statement.title}: {settled.statement.claim}",
                tuple(Entry(str(number), "", step.why, (step.text,)) for number, step in steps),
            ),
            (
                f"Verdict: {settled.sentence}",
                tuple(
                    Entry(verdict, "", clause, tuple(f"{_held(piece)}: {describe(piece)}" for piece in pieces))
                    for verdict, clause, pieces in _clauses(settled.demonstration)
                ),
            ),
        )

    def heading(self) -> str:
        """How many statements, and how they ended."""
        return self._list().title

    def footing(self) -> tuple[str, ...]:
        """What the verdicts mean, where they come from, and where there is more."""
        said = {settled.verdict for settled in self.statements}
        words = "; ".join(f"{word.value}: {meaning}" for word, meaning in MEANINGS.items() if word.value in said)
        ending = _ending(self.statements[0]) if self.alone else (*self._where_from(), _MORE)
        return (words, *ending) if words else ending

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
        from ..report import derivation as passages
        from ..report import markup
        from ..report.floats import floats

        note = [f"Correction: {settled.note}."] if settled.note else []
        ending = [
            f"Verdict: {settled.sentence}.",
            *note,
            *(
                f"{clause} ({verdict}): {'; '.join(map(describe, pieces))}."
                for verdict, clause, pieces in _clauses(settled.demonstration)
            ),
            f"Source: {settled.statement.source}.",
        ]
        write = {"latex": passages.latex, "markdown": passages.markdown}[format]
        text = write(settled.statement.title, f"{settled.statement.claim}.", settled.demonstration.steps, ending)
        tables = settled.demonstration.tables
        if format == "latex":
            return "\n\n".join([text, *([floats(tables, self.label, format)] if tables else [])])
        return "\n\n".join([text, *map(markup.markdown, tables)])

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
        if shown is None or shown.figure is None:
            return ""
        from ..report.plots_theory import text

        return text(shown.figure, width)


MANY = 12
"""From so many statements on, a list in a terminal leaves corrections to whoever asks for one."""

MEANINGS = {
    Finding.PROVED: "shown for every value of its symbols",
    Finding.IDENTIFIED: "a polynomial of a supposed degree, found from counts of a program that runs",
    Finding.CHECKED: "holds at every point that was tried",
    Finding.CORRECTED: "the source prints it otherwise, and this is what holds",
    Finding.REFUTED: "some evidence does not hold",
    Finding.UNSETTLED: "of some clause nothing was tried",
}
"""What verdicts say of a statement."""

_MORE = Hint("vpcalc theory NAME shows one with its derivation, vpcalc theory WORDS those that have these words")

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
    from ..report.plots_theory import format_of

    format_of(path)
    if name not in _PLOTTED:
        raise _without_plot(name)


def _without_plot(name: str | None) -> InputError:
    asked = "a list of statements" if name is None or name in FAMILIES else name
    return InputError(f"--plot: {asked} has no plot; these have one: {', '.join(_PLOTTED)}")


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure, whole or not at all."""
    from ..report.plots_theory import draw, format_of

    picture = draw(figure, format_of(path))
    try:
        files.replace(Path(path), picture)
    except OSError as error:
        raise unwritable("--plot", path, error) from None


def describe(piece: Evidence) -> str:
    """Evidence in one line."""
    error = "" if piece.error is None else f", {piece.error:.2g}"
    tolerance = "" if piece.tolerance is None else f" of at most {piece.tolerance:g}"
    instances = f", instances: {piece.instances}" if piece.instances else ""
    return f"{piece.what} ({piece.method.value}{instances}{error}{tolerance}{_cases(piece.cases)})"


def _cases(cases: int) -> str:
    return f", {cases:,} cases" if cases > 1 else ""


def _held(piece: Evidence) -> str:
    return "holds" if piece.holds else "fails"


def _clauses(found: Demonstration) -> Iterator[tuple[str, str, tuple[Evidence, ...]]]:
    """For each clause its verdict, its sentence and its evidence; at the end what is beside the claim."""
    for clause, pieces in found.clauses.items():
        yield found.of(clause).value, clause, pieces
    if found.beside:
        yield "beside", "what the claim does not say", found.beside


def _derivation(settled: Settled) -> Table:
    assert settled.demonstration is not None
    columns = (Column("step", "", Kind.NUMBER), Column("why", "Why"), Column("text", "Step"))
    steps = settled.demonstration.steps
    rows = tuple((number, step.why, step.text) for number, step in enumerate(steps, start=1))
    return Table(f"{settled.statement.title}: {settled.statement.claim}", columns, rows)


def _evidence(settled: Settled) -> Table:
    assert settled.demonstration is not None
    columns = (
        Column("clause", "Clause"),
        Column("what", "Evidence"),
        Column("method", "Method"),
        Column("holds", "Verdict", Kind.VERDICT),
        Column("cases", "Cases", Kind.NUMBER),
        Column("error", "Error"),
        Column("tolerance", "Tolerance"),
    )
    rows = tuple(
        (
            clause,
            piece.what,
            piece.method.value,
            _held(piece),
            piece.cases,
            None if piece.error is None else f"{piece.error:.2g}",
            None if piece.tolerance is None else f"{piece.tolerance:g}",
        )
        for _, clause, pieces in _clauses(settled.demonstration)
        for piece in pieces
    )
    return Table(f"Verdict: {settled.sentence}", columns, rows, _ending(settled))


def _ending(settled: Settled) -> tuple[str, ...]:
    """What the source prints otherwise, the source, and whether the demonstration was carried out now."""
    notes = [settled.note] if settled.note else []
    notes.append(f"source: {settled.statement.source}")
    if settled.on_record:
        notes.append("on record, for these words and this code; --check carries it out again")
    return tuple(notes)


Progress = Callable[[int, int], None]
"""Called after each statement with how many are settled and how many there are."""


def proves(name: str | None, check: bool | None) -> bool:
    """Whether demonstrations are carried out: as asked, or else of a single statement that is not on record."""
    if check is not None or name is None:
        return bool(check)
    statements = _statements()
    found = find(name, statements)
    return _alone(name, found) and recorded(found[0]) is None


def _alone(name: str | None, found: Sequence[Words]) -> bool:
    """Whether a single statement was asked for, by its name or by its words; a family is a list."""
    return len(found) == 1 and (name == found[0].id or name not in FAMILIES)


def theory(name: str | None = None, *, check: bool | None = None, progress: Progress | None = None) -> Theory:
    """Statements about sequences and gradients: all, some, or one with its derivation.

    Args:
        name: a statement (``rnn_gradient`` …), a family (``positions`` …), or words, of which a statement's name,
            title, claim or source has all; all of them if None.
        check: carry the demonstrations out; or else show what is on record. What is on record of another version
            of statement or code is not shown: a single statement is then carried out, unless ``check`` is False.
        progress: called after each statement.

    Raises:
        InputError: neither a statement nor a family, and nothing has these words.
    """
    statements = _statements()
    chosen = statements if name is None else find(name, statements)
    alone = name is not None and _alone(name, chosen)
    check = proves(name, check) if check is None else check
    if check:
        require_torch("theory")
    settled = []
    for number, one in enumerate(chosen, start=1):
        settled.append(_settle(one.id) if check else _shown(one, alone))
        if progress is not None:
            progress(number, len(chosen))
    return Theory(tuple(settled), alone=alone)


def _statements() -> tuple[Words, ...]:
    """Every statement: as recorded, or where that is no longer so, as they stand in the code."""
    return all_recorded() or tuple(STATEMENTS.values())


def names() -> tuple[str, ...]:
    """What a statement can be asked for by: its own name, or that of its family."""
    return (*(one.id for one in _statements()), *FAMILIES)


def _shown(one: Words, alone: bool) -> Settled:
    """What is on record of a statement: its verdict, or where it stands alone, its demonstration."""
    found = demonstration(one) if alone else None
    return Settled(one, found, on_record=found is not None)


def _settle(id: str) -> Settled:
    one = STATEMENTS[id]
    start = time.perf_counter()
    found = one.settle()
    return Settled(one, found, time.perf_counter() - start)
