"""``vpcalc memory`` of a module of the reader's: its own runs in bytes, at the size that is asked and around."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..abstract.tensor import FLOATS
from ..abstract.tuning import Tuning
from ..algebra.floors import on_lattice
from ..algebra.polynomial import Polynomial
from ..architectures.axes import PIXELS
from ..checks.own_memory import Narrowed, OwnBytes, in_bytes, tuned_target
from ..checks.ran import NotRunError, left_of, settles, written
from ..checks.shapes import InputShape
from ..checks.targets import Target, find_target, settled
from ..errors import InputError, unknown
from ..inputs import LARGEST
from ..storage.closed import peaking
from ..storage.devices import Device
from ..storage.fit import Fit, by_form, first_taken, fit, last_taken
from ..storage.footprint import Way
from ..storage.optimizers import Optimizer
from ..storage.plan import Plan
from ..storage.quantities import MemoryQuantity
from ..symbolic import Form, divisions
from .memory import Memory, remarks
from .memory_subjects import TheirModule
from .own_inputs import grid_of, name_of, refuse_letters, shapes_of, with_letters

if TYPE_CHECKING:
    from ..execution.guards import Noted

MOST_TOKENS = 1 << 16

FORMS = {
    MemoryQuantity.SAVED: "training",
    MemoryQuantity.PEAK: "inference",
    MemoryQuantity.FORWARD_PEAK: "training",
}
"""Quantities that have a form of their own, and the run that sees each."""


def own_memory(
    asked: Asked,
    input: object,
    tokens: object,
    batch: int,
    budget: int | None,
    solve: str | None,
    device: Device | None,
) -> Memory:
    """What a module of the reader's takes to run or to train; not counted yet.

    Args:
        asked: the module, and how it is run and trained.
        input, tokens, solve: as :func:`vpcalc.memory` has them.
        batch, budget, device: the same, as they were read; ``budget`` in bytes.

    Raises:
        InputError: it cannot be built, run or followed in bytes, or a value is not usable.
    """
    shapes = shapes_of(asked.name, input, tokens, batch)
    refuse_letters("memory", shapes, asked.arguments)
    fitted = None
    if budget is not None:
        solved = _solved(solve, shapes)
        fitted = asked.largest(solved, budget, shapes)
        shapes = _sized(shapes, solved, fitted.answer)
    here = asked.run(shapes)
    plan, point = asked.plan(here), here.inference.point
    totals = here.inference.totals
    maps, activations = (
        int(totals[each].at(point)) * asked.item for each in ("attention_elements", "activations")
    )
    number = shapes[0].dims[0] if shapes[0].dims else 1
    assert isinstance(number, int)
    return Memory(
        TheirModule(asked.name, asked.target(shapes).inputs, asked.arguments, here),
        number,
        asked.way,
        plan,
        maps,
        activations,
        asked.forms(shapes),
        (*_notes(here), *remarks(asked.way, plan)),
        fitted,
        device=device,
    )


class Asked:
    """What is asked of a target at any shapes of its inputs."""

    def __init__(
        self,
        target: object,
        arguments: Mapping[str, object],
        dtype: str,
        train: bool,
        optimizer: Optimizer,
        tuning: Tuning | None,
        amp: str | None,
        title: str = "",
    ) -> None:
        self._target, self.name, self.arguments = settled(target), title or name_of(target), arguments
        self.dtype, self.item, self.way = dtype, FLOATS[dtype].bytes, Way(dtype, amp=amp, tuning=tuning)
        self._train, self._optimizer = train, optimizer

    def target(self, shapes: tuple[InputShape, ...]) -> Target:
        """The target with inputs of these shapes, in the type that is asked for unless they have one."""
        found = find_target(self._target, ";".join(map(str, shapes)), self.arguments)
        typed = (shape if shape.dtype else replace(shape, dtype=self.dtype) for shape in found.inputs)
        return find_target(self._target, ";".join(map(str, typed)), self.arguments)

    def run(self, shapes: tuple[InputShape, ...], point: Mapping[str, int] | None = None) -> OwnBytes:
        """Both its runs.

        Raises:
            InputError: it does not run, or cannot be followed.
        """
        target = self.target(shapes)
        if self.way.tuning is not None:
            target = tuned_target(target, self.way.tuning)
        narrowed = None if self.way.amp is None else Narrowed(target, self.way.amp)
        try:
            gathering = self._optimizer.gradients == "float32"
            return in_bytes(target, dict(point or {}), self._train, self.dtype, gathering, narrowed)
        except NotRunError as error:
            raise InputError(f"memory {self.name}: {error}") from error

    def plan(self, found: OwnBytes) -> Plan:
        """What it takes, put together."""
        return Plan(found.footprint, self.item, self._train, self._optimizer, found.step)

    def forms(self, shapes: tuple[InputShape, ...]) -> dict[str, Form]:
        """The forms that hold at these shapes and around them, in the sides of images and lengths of sequences."""
        lettered, point = with_letters(shapes)
        try:
            found = self.run(lettered, point)
        except InputError:
            return {}
        others = with_letters(shapes, otherwise=True)
        if settles(found.inference) and others[0] != lettered:
            with suppress(InputError):
                again = self.run(*others)
                found = found if settles(again.inference) else again
        path = (*found.inference.path, *found.training.path)
        runs = {"inference": found.inference, "training": found.training}
        peaks = {"peak_bytes": found.footprint.inference, "forward_peak_bytes": found.footprint.forward}
        forms = {q.value: runs[run].totals[q.value] for q, run in FORMS.items()}
        near = {x: size + times * max(size // 7, 1) for times, (x, size) in enumerate(point.items(), start=1)}
        if (top := self.plan(found).step_top) is not None and found.step_holds_at(
            self._optimizer, self.item, near
        ):
            forms["step_peak_bytes"] = self._needed(found)
            peaks["step_peak_bytes"] = top
        limits = {name: peaking(peak.path or peak.kind) for name, peak in peaks.items()}
        return {
            name: _form(form, found.inference.point, path, limits.get(name, "")) for name, form in forms.items()
        }

    def _needed(self, found: OwnBytes) -> Polynomial:
        """What has to find room, while it peaks where it does."""
        plan = self.plan(found)
        run, peak = (found.training, "forward_peak_bytes") if self._train else (found.inference, "peak_bytes")
        step = found.step_form(self._optimizer, self.item)
        part = run.totals[peak] if step is None else step
        form = part + found.inference.totals["input_bytes"]
        return form + int(plan.needed[1]) - int(form.at(found.inference.point))

    def largest(self, solved: str, budget: int, shapes: tuple[InputShape, ...]) -> Fit:
        """The largest batch, side or length that fits into a budget."""

        def total(number: int) -> int:
            return int(self.plan(self.run(_sized(shapes, solved, number))).needed[1])

        needed, _ = self.plan(self.run(shapes)).needed  # what does not run at all is told by itself
        highest = {"batch": LARGEST, "input": PIXELS, "tokens": MOST_TOKENS}[solved]
        least = first_taken(total, highest)
        last = last_taken(total, least, highest)
        found = replace(fit(solved, budget, total, last, self._guess(solved, shapes), least), of=needed)
        asked = shapes[0].dims[0]
        if solved != "batch" or not isinstance(asked, int):
            return found
        return replace(found, asked=asked, asked_bytes=total(asked))

    def _guess(self, solved: str, shapes: tuple[InputShape, ...]) -> Any:
        """The total by its form in what is solved for, where there is one: at sizes that are more than one."""
        start = 3 if solved == "batch" else 64
        try:
            found = self.run(_sized(shapes, solved, "B"), {"B": start})
        except InputError:
            return None
        return by_form(self._needed(found), ("B",))


def _places(shape: InputShape, solved: str) -> tuple[int, ...]:
    """Which sides of an input are solved for."""
    if solved == "batch":
        return (0,) if shape.dims else ()
    if solved == "input":
        return grid_of(shape)
    return () if shape.grid or len(shape.dims) < 2 else (1,)


def _sized(shapes: tuple[InputShape, ...], solved: str, size: int | str) -> tuple[InputShape, ...]:
    """The inputs with a number, or a letter, in the place of what is solved for; a mask may have no batch."""

    def sized(shape: InputShape) -> InputShape:
        apart = solved == "batch" and shape.dims[:1] != shapes[0].dims[:1]
        places = () if apart else _places(shape, solved)
        return replace(shape, dims=tuple(size if k in places else side for k, side in enumerate(shape.dims)))

    return tuple(map(sized, shapes))


def _solved(solve: str | None, shapes: tuple[InputShape, ...]) -> str:
    """What is looked for.

    Raises:
        InputError: it is not known, or no input has it.
    """
    if solve is None:
        return "batch"
    if solve not in ("batch", "input", "tokens"):
        raise unknown("--solve", solve, ("batch", "input", "tokens"))
    if not any(_places(shape, solve) for shape in shapes):
        raise InputError(
            f"--solve {solve}: no input has it; must be batch or {'tokens' if solve == 'input' else 'input'}"
        )
    return solve


def _form(form: Polynomial, point: Mapping[str, int], path: tuple[Noted, ...], limit: str) -> Form:
    """The tidy form where it has this value, else the one with floors; and where decisions are taken alike."""
    tidy = on_lattice(form)
    if tidy is not None and Form(tidy.form).gives(int(form.at(point)), point):
        phrases = [*divisions(tidy), _written(left_of(path, point, tidy), tuple(point.items())), limit]
        return Form(tidy.form, "; ".join(filter(None, phrases)))
    return Form(form, "; ".join(filter(None, (_written(path, tuple(point.items())), limit))))


@lru_cache(maxsize=16)
def _written(path: tuple[Noted, ...], point: tuple[tuple[str, int], ...]) -> str:
    """The same for all forms of a run, or nearly all."""
    return written(path, dict(point))


def _notes(found: OwnBytes) -> tuple[str, ...]:
    from ..counters.kernels import SPELLED_OUT

    notes = ["run in train mode, as it is trained"] if found.train else []
    if not found.train and found.narrowed is None and found.is_in_one_piece:
        notes.append(
            f"attention of torch.nn as after {SPELLED_OUT}: its one kernel shows nothing of what it takes"
        )
    if found.train and found.training.passes is None:
        why = found.training.missing.get("step_peak_bytes", "it was not run")
        if found.narrowed is not None and why.startswith("CheckpointError"):
            why = "what is computed again under autocast, which casts again, is not followed"
        notes.append(f"the peak of a whole step is not known: {why}")
    if (step := found.step) is not None and (left := found.footprint.tensors - len(step.weights)):
        notes.append(f"{left} trained weights get no gradient; all figures have their optimizer's state")
    return tuple(notes)
