"""``vpcalc sweep``: what many configurations cost, exactly, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import InputError, unknown
from ..inputs import whole
from ..optional import optional
from ..report import Column, Kind, Table
from ..report.numbers import exact, how_many
from ..where import Expression, read_condition
from .result import Result

if TYPE_CHECKING:
    from ..sweeps.choosing import Choice, Rows
    from ..sweeps.parts import Counts
    from ..sweeps.running import Working
    from ..sweeps.subjects import Subject, Values
    from ..sweeps.work import Stretch, Work

MOST = 10**10
"""Configurations that are gone through without a ``--limit``."""

LISTED, SHOWN = 10_000, 20
"""Rows that a result holds, and that a table shows, where nothing was chosen."""

MEANT = ("macs", "params")
"""The columns unless others are asked for."""

Progress = Callable[[int, int, int], None]
"""Told how many configurations are done, of how many, and how many rows were found."""


@dataclass(frozen=True)
class Sweep(Result):
    """Configurations and their figures; gone through when they are first asked for.

    ``output`` is where they are all written, if anywhere.
    """

    target: str
    given: Mapping[str, Any]
    work: Work
    size: int
    working: Working
    output: Path | None = None
    resume: bool = False
    force: bool = False
    progress: Progress = field(default=lambda done, all, rows: None)

    # -- going through ----------------------------------------------------------------------------

    @cached_property
    def _found(self) -> tuple[Counts, Rows]:
        from ..arrays.regimes import DiffersError, NoFormError

        try:
            return self._to_memory() if self.output is None else self._to_file(self.output)
        except DiffersError as differs:
            raise InputError(f"sweep {self.target}: {differs}; please report this") from differs
        except NoFormError as none:
            raise InputError(f"sweep {self.target}: {none}: {none.__cause__}; please report this") from none

    @property
    def counts(self) -> Counts:
        """How many configurations there are, how many were kept, and why others were not."""
        return self._found[0]

    @property
    def rows(self) -> Rows:
        """What was chosen, or the first rows of all."""
        return self._found[1]

    def completed(self, told: object = None) -> Sweep:
        """With all gone through, and written where it is to be."""
        self._found  # noqa: B018
        return self

    @property
    def remarks(self) -> tuple[str, ...]:
        """How this run went through: forms, counts and the kind of integers. Another run may take other ways."""
        blocks, found = self.work.blocks, []
        if blocks.regimes:
            forms, agree = blocks.regimes, blocks.confirmed
            found.append(f"{how_many(forms, 'form')}, {how_many(agree, 'count agree')}")
        if blocks.counted:
            found.append(
                f"{how_many(blocks.counted, 'configuration')} counted one by one, at sizes with few of a kind"
            )
        if self.counts.redone:
            found.append(f"{how_many(self.counts.redone, 'part')} of the earlier run not as written: done again")
        if self.counts.wide:
            found.append(
                f"{how_many(self.counts.wide, 'configuration')} may pass 2⁶³ and went through Python's integers"
            )
        return tuple(found)

    @property
    def unheld(self) -> str:
        """That there are more rows than the result holds, if there are."""
        held, kept = len(self.rows), self.counts.kept
        return f"the first {exact(held)} of {exact(kept)} rows; -o FILE.csv has all" if held < kept else ""

    def _stretches(self, done: Iterable[int] = ()) -> Iterator[tuple[int, int, int]]:
        from ..sweeps.work import ABOUT

        stride, known = self.work.grid.stride(ABOUT), {*done}
        for number in range(-(-self.size // stride)):
            if number not in known:
                yield number, number * stride, min((number + 1) * stride, self.size)

    def _each(self, done: Iterable[int] = ()) -> Iterator[tuple[int, Stretch]]:
        """Stretch by stretch, as they are done."""
        from ..sweeps.work import ABOUT

        stride, known = self.work.grid.stride(ABOUT), {*done}
        so_far, rows = min(self.size, len(known) * stride), 0
        for number, stretch in self.working(self.work, self._stretches(known)):
            yield number, stretch
            so_far, rows = so_far + stretch.stop - stretch.start, rows + len(stretch.rows)
            self.progress(min(so_far, self.size), self.size, rows)

    def _to_memory(self) -> tuple[Counts, Rows]:
        from ..sweeps.choosing import put_together
        from ..sweeps.parts import Counts

        counts, held = Counts(), 0
        parts: dict[int, Rows] = {}
        for number, stretch in self._each():
            counts.add(stretch)
            if self.work.choice or held < LISTED or number < max(parts, default=0):
                parts[number] = stretch.rows
                held += len(stretch.rows)
            if self.work.choice and len(parts) > MANY:
                parts = {0: self.work.joined([part for _, part in sorted(parts.items())])}
        rows = self.work.joined([part for _, part in sorted(parts.items())])
        if self.work.choice:
            return counts, counts.chosen(rows, self.work.choice)
        return counts, put_together([rows.taken(slice(0, LISTED))])

    def _to_file(self, output: Path) -> tuple[Counts, Rows]:
        from ..sweeps.parts import Counts, Parts

        parts, counts = Parts(output, self.work, self._key()), Counts()
        for number, stretch in self._each(parts.begin(self.resume, self.force, counts)):
            parts.write(number, stretch)
        rows = parts.end(counts)
        return counts, self.work.joined([]) if rows is None else rows

    def _key(self) -> dict[str, Any]:
        """What is swept, for another run to see whether it is the same."""
        from hashlib import sha256

        from ..plugins import given_for
        from ..sweeps.work import ABOUT

        files = given_for([self.work.subject.title])
        return {
            "version": __version__,
            "subject": self.work.subject.key(),
            "loaded": {Path(file).name: sha256(Path(file).read_bytes()).hexdigest()[:12] for file in files},
            "vary": [str(axis) for axis in self.work.grid.axes],
            "columns": list(self.work.columns),
            "where": None if self.work.where is None else self.work.where.text,
            "choice": self.work.choice.options,
            "configurations": str(self.size),
            "stretch": self.work.grid.stride(ABOUT),
        }

    # -- shown ------------------------------------------------------------------------------------

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        from ..sweeps.written import records

        counts = self.counts
        return {
            "command": "sweep",
            "target": self.target,
            "inputs": dict(self.given),
            "configurations": counts.configurations,
            "kept": counts.kept,
            "cut": {
                "limit": self.work.grid.size - self.size,
                "top": counts.cut,
                "listed": counts.kept - len(self.rows),
            },
            "unmet": counts.unmet,
            "left_out": [{"configurations": number, "why": why} for why, number in counts.left.most_common()],
            "columns": list(self.work.columns),
            "output": None if self.output is None else str(self.output),
            "rows": records(self.rows, self.work.grid, self.work.columns),
        }

    def sheet(self) -> Table:
        """All rows that are held."""
        return self._table(None)

    def tables(self) -> tuple[Table, ...]:
        """What was chosen, or the first rows."""
        return (self._table(None if self.work.choice else SHOWN),)

    def _table(self, most: int | None) -> Table:
        from ..architectures.registry import spelled
        from ..sweeps.written import records

        work, known = self.work, self.work.subject.columns
        shown = self.rows if most is None else self.rows.taken(slice(0, most))
        columns = [
            Column(axis.name, axis.name, Kind.NUMBER if axis.numbers else Kind.WORD, kept=True)
            for axis in work.grid.axes
        ]
        columns += [Column(name, known[name].header, known[name].kind) for name in work.columns]
        rows = tuple(
            tuple(spelled(tuple(cell)) if isinstance(cell, list) else cell for cell in record.values())
            for record in records(shown, work.grid, work.columns)
        )
        return Table(self._title(), tuple(columns), rows, tuple(self._notes(len(rows))))

    def _title(self) -> str:
        return f"{self.target}: {how_many(self.counts.configurations, 'configuration')}, {self._said_of_rows()}"

    def _said_of_rows(self) -> str:
        counts, choice = self.counts, self.work.choice
        if not choice:
            return f"{exact(counts.kept)} kept"
        said = []
        if choice.pareto:
            said.append(f"Pareto front in {' and '.join(map(str, choice.pareto))}")
        if choice.top is not None:
            by = choice.by or choice.pareto[0]
            said.append(f"the first {exact(counts.kept)} by {by}")
        return ", ".join(said)

    def _notes(self, shown: int) -> list[str]:
        counts, work = self.counts, self.work
        notes = []
        if work.where is not None:
            notes.append(f"where {work.where.text}: {exact(counts.unmet)} do not meet it")
        most = counts.left.most_common(REASONS)
        notes += [f"{how_many(number, 'configuration')} left out: {why}" for why, number in most]
        rest = sum(counts.left.values()) - sum(number for _, number in most)
        notes += [f"{how_many(rest, 'configuration')} left out for other reasons"] if rest else []
        if self.output is not None:
            notes.append(f"written to {self.output}")
        elif not work.choice and shown < counts.kept:
            notes.append(f"{exact(counts.kept - shown)} more: -o FILE.csv has all, --top or --pareto chooses")
        return notes

    # -- all of them ------------------------------------------------------------------------------

    def _all(self) -> Iterator[Rows]:
        """Rows of every stretch, in order, without their being held."""
        if self.work.choice or (self.output is None and self.size <= LISTED):
            yield self.rows
            return
        if self.output is not None:
            self.completed()
        waiting: dict[int, Rows] = {}
        turn = 0
        for number, stretch in self._each():
            waiting[number] = stretch.rows
            while turn in waiting:
                yield waiting.pop(turn)
                turn += 1

    def records(self) -> Iterator[dict[str, Any]]:
        """All rows in order, each as a dictionary; only a stretch of them is held at a time."""
        from ..sweeps.written import records

        for rows in self._all():
            yield from records(rows, self.work.grid, self.work.columns)

    def to_arrow(self) -> Any:
        """All rows as a table of Arrow, with exact integers (needs pyarrow)."""
        from ..sweeps.written import arrow, arrow_table, one_schema

        needs = "to_arrow: needs pyarrow"
        pyarrow = arrow(needs)
        grid, columns = self.work.grid, self.work.columns
        tables = [arrow_table(rows, grid, columns, needs) for rows in chain(self._all(), [self.work.joined([])])]
        schema = one_schema([table.schema for table in tables], needs)
        return pyarrow.concat_tables([table.cast(schema) for table in tables])

    def to_pandas(self) -> Any:
        """All rows as a pandas DataFrame with exact integers (needs pandas)."""
        from ..sweeps.choosing import put_together
        from ..sweeps.written import cells

        pandas = optional("pandas", "to_pandas: needs pandas", "pip install pandas")
        rows = put_together([*self._all(), self.work.joined([])])
        varied = {axis.name: cells(axis, rows.at[axis.name]) for axis in self.work.grid.axes}
        return pandas.DataFrame({**varied, **{name: rows.figures[name] for name in self.work.columns}})

    def to_polars(self) -> Any:
        """All rows as a DataFrame of Polars with exact integers (needs polars and pyarrow)."""
        polars = optional("polars", "to_polars: needs polars", "pip install polars")
        return polars.from_arrow(self.to_arrow())


MANY = 64
"""Chosen rows of so many stretches are chosen among before there are more."""

REASONS = 5
"""Reasons for leaving configurations out that are told one by one."""


def sweep(
    target: object,
    *,
    vary: Mapping[str, object] | Iterable[str],
    set: Mapping[str, object] | None = None,
    args: Mapping[str, object] | None = None,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    batch: object = None,
    dtype: str = "float32",
    attention: str = "eager",
    optimizer: str = "adamw",
    amp: str | None = None,
    device: str | None = None,
    devices: str | None = None,
    columns: Iterable[str] | str | None = None,
    where: str | None = None,
    pareto: str | Iterable[str] | None = None,
    top: object = None,
    by: str | None = None,
    limit: object = None,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    force: bool = False,
    backend: str | None = None,
    jobs: object = None,
    progress: Progress | None = None,
) -> Sweep:
    """What every combination of some values costs, exactly; gone through when the result is first asked.

    Args:
        target: a layer, a model, what :func:`vpcalc.derive` takes, or what a row of :func:`vpcalc.compare` may be,
            ``"attn.py:X(dim=C)@1,hw,C"`` or :func:`vpcalc.placed`.
        vary: values by name, the first name varying slowest: ``{"C": "64,96:512:32", "M": [7, 8], "H": range(9)}``
            or texts, ``["h=14:224:7"]``. Names are settings, entries of lists (``depths_3``), sizes of the input
            (``H``, ``input`` for both sides) and ``batch``; of a layer its dimensions; of code its letters.
        set: settings, dimensions or letters that stay.
        args: of a module of your own: the factory's arguments.
        input, tokens, src, tgt, batch: sizes that stay, as for :func:`vpcalc.model`.
        dtype, attention, optimizer, amp: how memory is counted, as for :func:`vpcalc.memory`; ``amp`` of no layer.
        device, devices: where ``bound_ns`` is the least time, as for :func:`vpcalc.memory`.
        columns: quantities such as ``macs``, ``params``, ``fvcore``, ``saved_bytes``, ``peak_bytes``.
        where: a condition in columns and names: ``"macs < 5G and heads*32 == C"``.
        pareto: columns of which the Pareto front is kept, less being better: ``"macs,-H"`` wants much of H.
        top, by: only so many, the least by a column; ``"-params"`` for the greatest.
        limit: at most so many configurations, the first.
        output: a .csv or .parquet that all rows are written to.
        resume: go on where an earlier run of the same sweep ended.
        force: replace an output that exists.
        backend: who works: ``processes``, ``dask:ADDRESS`` or ``ray``; this process if None.
        jobs: how many of them.
        progress: told how far it is.

    Raises:
        InputError: an unknown name, a value that is not usable, too many configurations, or an output that cannot
            be written.
    """
    from ..sweeps.axes import Grid, read_axes
    from ..sweeps.choosing import read_choice
    from ..sweeps.parts import SUFFIXES
    from ..sweeps.running import working
    from ..sweeps.subjects import BOUND, Asked, trained
    from ..sweeps.work import Work

    sizes = {"input": input, "tokens": tokens, "src": src, "tgt": tgt}
    way = trained(dtype, attention, optimizer, device, devices, amp)
    subject = Asked(target, dict(set or {}), dict(args or {}), sizes, batch, way).subject()
    grid = Grid(read_axes(vary, subject.names, hint=subject.unnamed))
    _refuse_both(grid, set or {}, sizes, batch)
    names = [axis.name for axis in grid.axes]
    fixed = subject.fixed(names)
    condition = None if where is None else _condition(where, subject, fixed, grid)
    choice = read_choice(pareto, top, by, [*subject.columns, *(axis.name for axis in grid.axes if axis.numbers)])
    chosen = _columns(columns, subject, condition, choice)
    if way.device is not None:
        chosen = tuple(dict.fromkeys([*chosen, BOUND]))
    elif BOUND in chosen:
        raise InputError(f"--device: {BOUND} is the least time on one; name it, such as a100_80gb")
    size = _size(grid, limit)
    path = None if output is None else Path(output)
    if path is not None and path.suffix.lower() not in SUFFIXES:
        raise InputError(f"--output {str(path)!r}: a sweep is written to {' or '.join(SUFFIXES)}")
    if resume and path is None:
        raise InputError("--resume: needs --output; without one nothing is kept between runs")
    given = {
        "vary": [str(axis) for axis in grid.axes],
        "set": {name: str(value) for name, value in (set or {}).items()},
        **{name: value for name, value in sizes.items() if value is not None},
        "batch": fixed.get("batch"),
        **({} if way.way.amp is None else {"amp": way.way.amp}),
        **({} if way.device is None else {"device": way.device.id}),
        "where": where,
        **choice.options,
        "limit": None if limit is None else size,
    }
    return Sweep(
        subject.title,
        given,
        Work(subject, grid, chosen, condition, choice),
        size,
        working(backend, jobs),
        path,
        resume,
        force,
        progress or (lambda done, all, rows: None),
    )


def _refuse_both(grid: Any, settings: Mapping[str, object], sizes: Mapping[str, object], batch: object) -> None:
    """Refuse what stays and is varied."""
    staying = {*settings, *(name for name, value in sizes.items() if value is not None)}
    for axis in grid.axes:
        if axis.name in staying or (axis.name == "batch" and batch is not None):
            raise InputError(f"--vary {axis.name}: has a value that stays; take one of the two away")


def _condition(text: str, subject: Subject, fixed: Values, grid: Any) -> Expression:
    from ..sweeps.subjects import compared, entries_of

    varied = {axis.name: axis.values[0] for axis in grid.axes}
    names = [name for name, value in {**fixed, **varied, **entries_of(varied)}.items() if compared(value)]
    return read_condition("--where", text, [*subject.columns, *names])


def _columns(
    asked: Iterable[str] | str | None, subject: Subject, condition: Expression | None, choice: Choice
) -> tuple[str, ...]:
    """The columns that are asked for, or meant, and those that the condition and the choice are about."""
    names = asked.split(",") if isinstance(asked, str) else [*(asked or ())]
    found = [name.strip() for name in names] or [name for name in MEANT if name in subject.columns]
    for name in found:
        if name not in subject.columns:
            raise unknown("--columns: quantity", name, subject.columns)
    needed = [*(condition.names if condition else ()), *choice.columns]
    return tuple(dict.fromkeys([*found, *(name for name in needed if name in subject.columns)]))


def _size(grid: Any, limit: object) -> int:
    """How many configurations are gone through."""
    size: int = grid.size
    if limit is not None:
        return min(size, whole("--limit", limit, high=10**12 - 1))
    if size > MOST:
        raise InputError(
            f"--vary: {how_many(size, 'configuration')}; give fewer values, or --limit N for the first N of them"
        )
    return size
