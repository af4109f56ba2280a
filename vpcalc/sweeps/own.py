"""A module of the reader's, swept by its own execution on symbols."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..algebra.polynomial import as_polynomial, constant, symbol
from ..answers.own_inputs import refuse_of_code, shapes_of
from ..arrays.forms import Compiled
from ..arrays.regimes import Condition, Description, Found, Together
from ..errors import InputError, first_line, unknown
from ..inputs import LARGEST, whole
from ..placing import Placed
from ..report import Kind
from ..symbolic import SYMBOL_OF
from .axes import Name
from .subjects import BOUND, COUNTED, IN_BYTES, ON_DEVICE, STEP, Asked, Column, Subject, Trained, Values

if TYPE_CHECKING:
    from ..checks.targets import Target
    from ..execution.outcome import Execution
    from ..execution.program import Program

COLUMNS: Mapping[str, Column] = {
    **COUNTED,
    "backward_macs": Column("Backward", Kind.COUNT),
    **{name: column for name, column in IN_BYTES.items() if name not in ("cache_bytes", STEP)},
    **ON_DEVICE,
}
"""What a model of ours has, and what runs see beside; code does not say what a cache is."""

IN_TRAINING = frozenset(
    ("gradients_bytes", "optimizer_bytes", "saved_bytes", "forward_peak_bytes", "training_bytes")
)
"""Columns of a run in train mode, as :func:`vpcalc.memory` has them with ``train``."""

AT_INFERENCE = frozenset((*IN_BYTES, *ON_DEVICE)) - IN_TRAINING
"""Columns of a run in bytes without gradients."""

BACKWARD = frozenset(("backward_macs",))

RESTING = ("weights_bytes", "buffers_bytes", "input_bytes")

_OF = {
    BOUND: "bytes_moved",
    "inference_bytes": "peak_bytes",
    "forward_peak_bytes": "saved_bytes",
    "training_bytes": "saved_bytes",
}
"""Columns that are made of what a run has another name for."""


class OwnModule(Subject):
    """A target in letters. ``given`` are numbers of letters that stay, ``called`` what letters are called."""

    def __init__(
        self,
        name: str,
        code: object,
        target: Target,
        given: Mapping[str, int],
        arguments: Mapping[str, object],
        called: Mapping[str, str],
    ) -> None:
        self._name, self._code = name, code
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

    def unnamed(self, name: str, values: object) -> str:
        """Of code only letters are varied: those of its input, and of its factory's arguments.

        Raises:
            InputError: it is neither.
        """
        from ..checks.factories import described
        from ..checks.targets import settled

        if name in ("batch", "input", "H", "W", "N"):
            return f"give {self._target.spelled} a letter for it: --input B,3,H,W or B,N,C"
        make = settled(self._code)
        accepted = described(make).accepted if callable(make) else None
        if accepted is not None and name not in accepted:
            raise unknown(f"--vary: argument of {self.title}", name, accepted)
        letter = next(letter for letter in "CDEFG" if letter not in self._letters)
        return f"an argument of the factory is varied by a letter: --arg {name}={letter} --vary {letter}={values}"

    @property
    def columns(self) -> Mapping[str, Column]:
        """What one run, or three, can see."""
        return COLUMNS

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
            "trained": repr(self.asked.trained),
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
        from ..checks.own_memory import Narrowed

        self._name, self._columns, self._trained = name, columns, trained
        amp = trained.way.amp
        self._target = target if amp is None else Narrowed(target, amp).followed
        self._program: Program | None = None

    def at(self, point: Mapping[str, int]) -> Found:
        """See :class:`Description`."""
        conditions: list[Condition] = []
        figures: dict[str, tuple[Any, ...]] = {}
        refused = ""
        with self._set_up():
            for run, seen in self._runs(point):
                conditions += _conditions(run)
                if run.error is not None:
                    refused = refused or first_line(run.error)
                    continue
                asked = [name for name in self._columns if name in seen]
                for name in asked:
                    if why := run.missing.get(_OF.get(name, name)):
                        raise InputError(f"--columns {name}: {self._name} has no figure of it: {why}")
                figures |= self._figures(run, asked)
        return Found(tuple(conditions), {} if refused else figures, refused)

    def _runs(self, point: Mapping[str, int]) -> Iterator[tuple[Execution, frozenset[str]]]:
        """The runs that see all columns between them, each with its own; where none of its ways runs, all."""
        from ..execution.outcome import BeyondError
        from ..execution.run import Memory

        try:
            first = self._first(point) if self._program is None else [self._program.execute(point)]
            yield from ((run, frozenset(COUNTED)) for run in first)
            if self._program is None:
                return
            if (error := first[0].error) is not None:
                _refuse_letters_only(self._program, error, point)
                return
            ways = (BACKWARD, Memory.KEPT), (AT_INFERENCE, Memory.LIVE), (IN_TRAINING, Memory.KEPT)
            for seen, memory in ways:
                if seen & {*self._columns}:
                    training = seen is IN_TRAINING
                    with self._in_mode(self._program, training):
                        yield self._program.execute(point, memory=memory), seen
        except BeyondError as beyond:
            raise InputError(f"sweep {self._name}: cannot be executed on symbols: {beyond}") from beyond

    @contextmanager
    def _set_up(self) -> Iterator[None]:
        """Within it, weights are of the type that was asked for, and attention of torch.nn shows what it does."""
        from ..checks.memory import default_type, type_of
        from ..counters.kernels import spelled_out

        with default_type(type_of(self._trained.way.dtype)), spelled_out():
            yield

    @contextmanager
    def _in_mode(self, program: Program, training: bool) -> Iterator[None]:
        """Within it, the program runs in this mode."""
        before, program.training = program.training, training
        try:
            yield
        finally:
            program.training = before

    def _figures(self, run: Execution, asked: Iterable[str]) -> dict[str, tuple[Any, ...]]:
        """Columns that a run sees: sizes of which each is the greatest."""
        totals, trained = run.totals, self._trained
        state = trained.optimizer.state([((run.params,), 1)], trained.item)
        resting = sum((totals.get(each, constant(0)) for each in RESTING), constant(0))

        def of(name: str) -> tuple[Any, ...]:
            if name == "flops":
                return (2 * run.macs,)
            if name == "optimizer_bytes":
                return (state,)
            if name in ("peak_bytes", "forward_peak_bytes"):
                return tuple(run.peaks)
            if name == "inference_bytes":
                return tuple(resting + live for live in run.peaks)
            if name == "training_bytes":
                lasting = resting + totals["gradients_bytes"] + state
                return tuple(lasting + live for live in (*run.peaks, totals["saved_bytes"]))
            return (self._bound(run),) if name == BOUND else (totals.get(name, 0),)

        return {name: of(name) for name in asked}

    def _bound(self, run: Execution) -> Together:
        """The least time of what the functions of each module do, all calls of one together."""
        macs = run.calls.get("macs", {})
        return self._trained.bound(
            (macs.get(place, 0), moved) for place, moved in run.calls["bytes_moved"].items()
        )

    def _first(self, point: Mapping[str, int]) -> list[Execution]:
        """The run of the first way that goes through, which is the one from then on; else those of all."""
        from ..checks.exploring import program_of
        from ..execution.outcome import BeyondError

        errors: dict[str, None] = {}
        refused: list[Execution] = []
        for way in self._target.regimes:
            if self._target.tied(way):
                continue
            try:
                program = program_of(self._target, way)
                run = program.execute(point)
            except (InputError, BeyondError):
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
            with self._set_up():
                return {name: self._counted(self._program, name, point) for name in self._columns}
        except Exception as error:  # the program may raise anything
            raise InputError(first_line(error)) from error

    def _counted(self, program: Program, column: str, point: Mapping[str, int]) -> int:
        from ..execution.run import Memory

        with self._in_mode(program, column in IN_TRAINING):
            if column == BOUND:  # torch counts no bytes that move: those of another run on symbols, at this point
                return int(self._bound(program.execute(point, memory=Memory.LIVE)).subs(point))
            if column in IN_BYTES:
                return self._bytes(program, column, point)
            return _counted(program, column, point)

    def _bytes(self, program: Program, column: str, point: Mapping[str, int]) -> int:
        """What PyTorch keeps and holds."""
        from ..counters import live

        def most(gradients: bool) -> int:
            with program.plainly(point) as (module, args, kwargs):
                how = {"training": program.training, "gradients": gradients, "as_on_cpu": True}
                return live.count(module, args, kwargs, **how).peak

        kept, params = program.saved(point), _counted(program, "params", point)
        state = int(self._trained.optimizer.state([((params,), 1)], self._trained.item))
        resting = kept.weights + kept.buffers + kept.inputs
        if column == "inference_bytes":
            return resting + most(gradients=False)
        if column == "training_bytes":
            return resting + kept.trained + state + max(most(gradients=True), kept.total)
        if column in ("peak_bytes", "forward_peak_bytes"):
            return most(gradients=column in IN_TRAINING)
        return {
            "weights_bytes": kept.weights,
            "buffers_bytes": kept.buffers,
            "input_bytes": kept.inputs,
            "gradients_bytes": kept.trained,
            "optimizer_bytes": state,
            "saved_bytes": kept.total,
        }[column]


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
    if column == "attention_elements":  # which torch counts none of: those of another run, at this point
        return int(program.execute(point).totals[column].at(point))
    if column == "backward_macs" and not _counted(program, "params", point):
        return 0  # there is no backward pass
    if column == "backward_macs":
        return program.counts(point, backward=True).backward
    counts = program.counts(point)
    return {"macs": counts.macs, "flops": 2 * counts.macs, "activations": counts.activations}[column]


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
    if (attention := asked.trained.way.attention) != "eager":
        raise InputError(f"--attention {attention}: is of models of ours; code decides that itself")
    if asked.trained.optimizer.a_parameter(asked.trained.item) is None:
        raise InputError(
            f"--optimizer {asked.trained.optimizer.name}: of code a sweep knows those that keep as "
            "much of each parameter: sgd, momentum, adam, adamw, lion; vpcalc memory knows all"
        )
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
    if (dtype := asked.trained.way.dtype) != "float32":
        typed = (replace(shape, dtype=shape.dtype or dtype) for shape in found.inputs)
        found, _ = find_placed(replace(row, layout=";".join(map(str, typed))), "sweep")
    words = {*re.findall(r"\w+", " ".join([row.layout, *map(str, row.arguments.values())]))}
    called = {letter: name for name, letter in SYMBOL_OF.items() if name in words}
    letters = [called.get(variable.name, variable.name) for variable in found.variables]
    for letter in asked.settings:
        if letter not in letters:
            raise unknown(f"--set: letter of {row.text}", letter, letters)
    given = {letter: whole(f"--set {letter}", value) for letter, value in asked.settings.items()}
    return OwnModule(row.text, row.target, found, given, arguments, called)
