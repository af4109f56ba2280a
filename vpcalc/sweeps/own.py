"""A module of the reader's, swept by its own execution on symbols."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..algebra.polynomial import as_polynomial, symbol
from ..answers.own_inputs import refuse_of_code, shapes_of
from ..arrays.forms import Compiled
from ..arrays.regimes import Condition, Description, Found, Together
from ..checks.quantities import QUANTITIES
from ..errors import InputError, first_line, unknown
from ..inputs import LARGEST, whole
from ..placing import Placed
from ..report import Kind
from ..symbolic import SYMBOL_OF
from .axes import Name
from .subjects import BOUND, ON_DEVICE, Asked, Column, Subject, Trained, Values

if TYPE_CHECKING:
    from ..checks.targets import Target
    from ..execution.outcome import Execution
    from ..execution.program import Program

HEADERS = {
    "macs": "MACs",
    "params": "Params",
    "activations": "Activations",
    "fvcore": "fvcore",
    "backward_macs": "Backward",
    "saved_bytes": "Saved",
    "peak_bytes": "Peak",
}
"""The quantities that a run gives, by what tables call them."""


class OwnModule(Subject):
    """A target in letters. ``given`` are numbers of letters that stay, ``called`` what letters are called."""

    def __init__(
        self,
        name: str,
        target: Target,
        given: Mapping[str, int],
        arguments: Mapping[str, object],
        called: Mapping[str, str],
    ) -> None:
        self._name = name
        self._target, self._given, self._arguments = target, given, arguments
        self._letters = {called.get(variable.name, variable.name): variable.name for variable in target.variables}
        self._described: dict[tuple[Any, ...], OnSymbols] = {}

    @property
    def title(self) -> str:
        """Its name."""
        return self._name

    @property
    def names(self) -> Mapping[str, Name]:
        """The letters of its inputs and arguments."""
        return {name: Name(int, "whole", 1, LARGEST) for name in self._letters}

    def unnamed(self, name: str) -> str:
        """Of code only letters are varied: those of its input, and of its factory's arguments."""
        if name in ("batch", "input", "H", "W", "N"):
            return f"give {self._target.spelled} a letter for it: --input B,3,H,W or B,N,C"
        return f"an argument of the factory is varied by a letter: --arg {name}=C --vary C=VALUES"

    @property
    def columns(self) -> Mapping[str, Column]:
        """What one run, or three, can see."""
        counted = {
            name: Column(header, Kind.BYTES if QUANTITIES[name].unit == "bytes" else Kind.COUNT)
            for name, header in HEADERS.items()
        }
        return {**counted, **ON_DEVICE}

    def fixed(self, varied: Iterable[str]) -> Values:
        """See :class:`Subject`."""
        names = {*varied}
        missing = [name for name in self.names if name not in names and name not in self._given]
        if missing:
            each = " ".join(f"--vary {name}=VALUES" for name in missing)
            raise InputError(
                f"--vary: {self.title} has letters without a value: {each}, or --set for a single one"
            )
        return {name: size for name, size in self._given.items() if name not in names}

    def describe(self, fixed: Values, varied: frozenset[str], columns: tuple[str, ...]) -> Description:
        """See :class:`Subject`."""
        numbers = {self._letters[name]: size for name, size in fixed.items()}
        key = columns, tuple(numbers.items())
        if key not in self._described:
            on_symbols = OnSymbols(self.title, self._target.at(numbers), columns, self.asked.trained)
            self._described[key] = on_symbols
        return _Named(self._described[key], self._letters)

    def key(self) -> dict[str, Any]:
        """See :class:`Subject`; the text of its file is part of it."""
        file = Path(self.title.partition(":")[0])
        text = sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
        arguments = {name: str(value) for name, value in self._arguments.items()}
        return {
            "code": self.title,
            "text": text,
            "input": self._target.spelled,
            "arguments": arguments,
            "set": dict(self._given),
            "device": repr(self.asked.trained.device),
        }


class _Named:
    """The same with letters by what they are called."""

    def __init__(self, of: OnSymbols, letters: Mapping[str, str]) -> None:
        self._of, self._letters = of, letters
        self._names = {letter: symbol(name) for name, letter in letters.items() if name != letter}

    def _point(self, point: Mapping[str, int]) -> dict[str, int]:
        return {self._letters[name]: size for name, size in point.items()}

    def at(self, point: Mapping[str, int]) -> Found:
        """See :class:`Description`."""
        found = self._of.at(self._point(point))
        if not self._names:
            return found
        conditions = [each._replace(form=Compiled(each.form.form.subs(self._names))) for each in found.conditions]
        figures = {
            name: tuple(as_polynomial(part).subs(self._names) for part in parts)
            for name, parts in found.figures.items()
        }
        return Found(tuple(conditions), figures, found.refused)

    def count(self, point: Mapping[str, int]) -> Mapping[str, int]:
        """See :class:`Description`."""
        return self._of.count(self._point(point))


class OnSymbols:
    """A target executed on symbols, in the first of its ways that runs at the first size of all."""

    def __init__(self, name: str, target: Target, columns: tuple[str, ...], trained: Trained) -> None:
        self._name, self._target, self._columns, self._trained = name, target, columns, trained
        self._program: Program | None = None

    def at(self, point: Mapping[str, int]) -> Found:
        """See :class:`Description`."""
        conditions: list[Condition] = []
        figures: dict[str, tuple[Any, ...]] = {}
        refused = ""
        for run in self._runs(point):
            conditions += _conditions(run)
            if run.error is not None:
                refused = refused or first_line(run.error)
                continue
            totals: dict[str, tuple[Any, ...]] = {name: (form,) for name, form in run.totals.items()}
            totals.setdefault("params", (0,))
            if run.peaks:
                totals["peak_bytes"] = tuple(run.peaks)
            if BOUND in self._columns and "bytes_moved" in run.calls:
                totals[BOUND] = (self._bound(run),)
            figures |= {name: totals[name] for name in self._columns if name in totals and name not in figures}
            for name, why in run.missing.items():
                name = BOUND if name == "bytes_moved" else name
                if name in self._columns and name not in figures:
                    raise InputError(f"--columns {name}: {self._name} has no figure of it: {why}")
        return Found(tuple(conditions), {} if refused else figures, refused)

    def _runs(self, point: Mapping[str, int]) -> Iterator[Execution]:
        """The runs that see all columns between them; where none of its ways runs, those of all."""
        from ..execution.outcome import BeyondError
        from ..execution.run import Memory

        try:
            first = self._first(point) if self._program is None else [self._program.execute(point)]
            yield from first
            if self._program is None:
                return
            if (error := first[0].error) is not None:
                _refuse_letters_only(self._program, error, point)
                return
            if {"saved_bytes", "backward_macs"} & {*self._columns}:
                yield self._program.execute(point, memory=Memory.KEPT)
            if {"peak_bytes", BOUND} & {*self._columns}:
                yield self._program.execute(point, memory=Memory.LIVE)
        except BeyondError as beyond:
            raise InputError(f"sweep {self._name}: cannot be executed on symbols: {beyond}") from beyond

    def _bound(self, run: Execution) -> Together:
        """The least time of what the functions of each module do, all calls of one together."""
        macs = run.calls.get("macs", {})
        return self._trained.bound(
            (macs.get(place, 0), moved) for place, moved in run.calls["bytes_moved"].items()
        )

    def _first(self, point: Mapping[str, int]) -> list[Execution]:
        """The run of the first way that goes through, which is the one from then on; else those of all."""
        from ..checks.exploring import program_of

        errors: dict[str, None] = {}
        refused: list[Execution] = []
        for way in self._target.regimes:
            if self._target.tied(way):
                continue
            try:
                program = program_of(self._target, way)
                run = program.execute(point)
            except InputError:
                raise
            except Exception as error:  # a factory may raise anything
                errors[first_line(error)] = None
                continue
            if run.error is None:
                self._program = program
                return [run]
            _refuse_letters_only(program, run.error, point)
            refused.append(run)
        if not refused:
            why = next(iter(errors), "it takes squares only; give both sides one letter, as in 1,3,H,H")
            raise InputError(f"sweep {self._name}: {why}")
        return refused

    def count(self, point: Mapping[str, int]) -> Mapping[str, int]:
        """See :class:`Description`."""
        if self._program is None:
            raise InputError("refused at every size so far")
        try:
            return {name: self._counted(self._program, name, point) for name in self._columns}
        except Exception as error:  # the program may raise anything
            raise InputError(first_line(error)) from error

    def _counted(self, program: Program, column: str, point: Mapping[str, int]) -> int:
        from ..execution.run import Memory

        if column == BOUND:  # torch counts no bytes that move: those of another run on symbols, at this point
            run = program.execute(point, memory=Memory.LIVE)
            return int(self._bound(run).subs(point))
        return _counted(program, column, point)


def _refuse_letters_only(program: Program, error: BaseException, point: Mapping[str, int]) -> None:
    """Raise where a size is refused as a letter and taken as a number, as torch's recurrent layers do.

    Raises:
        TypeError: as it was refused.
    """
    try:
        program.counts(point)
    except Exception:  # the program may raise anything
        return
    raise TypeError(first_line(error))


def _counted(program: Program, column: str, point: Mapping[str, int]) -> int:
    if column == "params":
        with program.plainly(point) as (module, _, _):
            return sum(weight.numel() for weight in module.parameters() if weight.requires_grad)
    if column == "fvcore":
        return program.by_fvcore(point)
    if column == "saved_bytes":
        return program.saved(point).total
    if column == "peak_bytes":
        return program.live(point).peak
    if column == "backward_macs" and not _counted(program, "params", point):
        return 0  # there is no backward pass
    if column == "backward_macs":
        return program.counts(point, backward=True).backward
    counts = program.counts(point)
    return counts.macs if column == "macs" else counts.activations


def _conditions(run: Execution) -> list[Condition]:
    """What a run decided, and the letters of which it knows one value only."""
    from ..execution.guards import EQUAL

    found = [
        Condition("==" if guard.relation == EQUAL else ">=", Compiled(guard.form), None, not outcome)
        for guard, outcome, _, _ in run.path
    ]
    return found + [Condition("==", Compiled(symbol(letter) - run.point[letter])) for letter in run.held]


def own_subject(asked: Asked, row: Placed, sizes: Mapping[str, object]) -> OwnModule:
    """A module of the reader's in letters; ``row`` is how it was asked for, ``sizes`` those that were given.

    Raises:
        InputError: its input is missing, it cannot be built, or a letter is not known.
    """
    from ..checks.placed_layers import find_placed

    refuse_of_code({name: value for name, value in sizes.items() if name in ("src", "tgt")})
    batch = 1 if asked.batch is None else asked.number
    if "@" in row.behind:
        for option in sizes:
            raise InputError(f"--{option}: the input of {row.text} stands behind @; take one of the two away")
    elif sizes:
        shapes = shapes_of(row.name, sizes.get("input"), sizes.get("tokens"), batch)
        row, batch = replace(row, layout=";".join(map(str, shapes))), 1
    elif "(" not in row.behind:
        raise InputError(
            f"--input: give the shape of {row.text}'s input, letters for what is varied: 1,3,H,W or 1,N,C; "
            f"or behind @, '{row.text}@1,hw,C'"
        )
    for name in asked.arguments:
        if name in row.arguments:
            raise InputError(f"--arg {name}: stands in the brackets of {row.text}, too")
    row = replace(row, arguments={**row.arguments, **asked.arguments})
    if batch != 1 and not any(shape.startswith("1,") for shape in row.layout.split(";")):
        raise InputError(f"--batch {batch}: the shape {row.layout} has its batch in it")
    found, arguments = find_placed(row, "sweep", batch=batch)
    words = {*re.findall(r"\w+", " ".join([row.layout, *map(str, row.arguments.values())]))}
    called = {letter: name for name, letter in SYMBOL_OF.items() if name in words}
    letters = [called.get(variable.name, variable.name) for variable in found.variables]
    for letter in asked.settings:
        if letter not in letters:
            raise unknown(f"--set: letter of {row.text}", letter, letters)
    given = {letter: whole(f"--set {letter}", value) for letter, value in asked.settings.items()}
    return OwnModule(row.text, found, given, arguments, called)
