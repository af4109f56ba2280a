"""Bytes of training on the page of a model: forms with the decisions that they hold on, and cards."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..abstract.tape import ATTENTIONS, Tape, kept
from ..abstract.tensor import FLOATS
from ..algebra.polynomial import Polynomial, symbol
from ..algebra.traced import SILENT, Traced, form_of, silently
from ..architectures import Architecture
from ..arrays.regimes import NO_FORM
from ..errors import InputError
from ..pages.script import Script
from ..storage.devices import devices
from ..storage.footprint import Way, graph, started, taped, total
from ..storage.optimizers import KINDS
from ..storage.optimizers import PLAIN as IN_ITS_TYPE
from .model import Model
from .page_settings import ROUNDS, Setting, changed
from .page_stretches import ITEM, LAPS, CutTape, Fork, Law, Notes, Stretches

DTYPES = ("float32", "bfloat16")
"""Element types whose bytes are on a page."""

RUNS, SIZES = 48, 240
"""Runs that are spent on a way, and sizes at which it is looked whether one is needed."""


def memory_of(script: Script, found: Model, settings: Sequence[Setting]) -> dict[str, Any] | None:
    """Bytes of training, as runs on traced sizes keep them; None where there are no forms."""
    architecture = found.architecture
    ways = _stretches(architecture, found.config, settings)
    if not ways:
        return None
    known = list({id(each): each for each in ways.values()}.values())
    written = [_Written(script).stretches(each) for each in known]
    cards = {id: each for id, each in devices().items() if each.memory}
    return {
        "ways": {f"{way.dtype} {way.attention}": known.index(each) for way, each in ways.items()},
        "stretches": written,
        "input": {dtype: script.form(_input(found, settings, dtype), "") for dtype in DTYPES},
        "buffers": any(each.buffers for each in known),
        "attends": architecture.family.attends,
        "optimizers": {name: kind.numbers for name, kind in KINDS.items() if kind.kept == IN_ITS_TYPE},
        "cards": {id: {"name": each.name, "memory": each.memory} for id, each in cards.items()},
        "card": "a100_80gb" if "a100_80gb" in cards else next(iter(cards)),
        "command": f"vpcalc memory {architecture.id} --train",
    }


class _Written:
    """Stretches as data: laws and states by numbers, decisions with what follows if they are not so, and if so."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._numbers: dict[str, dict[Any, int]] = {"law": {}, "state": {(): 0}}

    def stretches(self, found: Stretches) -> dict[str, Any]:
        """The program and its laws."""
        laws: dict[int, dict[int, Any]] = {}
        for (what, state), law in found.laws.items():
            laws.setdefault(self._number("law", what), {})[self._number("state", state)] = self._law(law)
        program = [
            [self._number("law", place.what), self._forms(place.given), self._script.form(place.times, "")]
            for place in found.program
        ]
        return {"only": found.only, "program": program, "laws": laws}

    def _law(self, law: Law) -> Any:
        if isinstance(law, Fork):
            no, yes = map(self._law, law.ways)
            number = self._script.decision(law.guard)
            return no if no == yes else [number, no, yes] if number > 0 else [-number, yes, no]
        return law and {
            "kept": self._forms(law.kept),
            "ends": self._number("state", law.ends),
            "sizes": self._forms(law.sizes),
        }

    def _forms(self, forms: Mapping[str, Polynomial]) -> dict[str, int]:
        return {name: self._script.form(form, "") for name, form in forms.items()}

    def _number(self, kind: str, key: Any) -> int:
        return self._numbers[kind].setdefault(key, len(self._numbers[kind]))


def _input(found: Model, settings: Sequence[Setting], dtype: str) -> Polynomial:
    """Bytes of the input, at all sizes."""
    axes = found.architecture.family.axes
    point = {**axes.point(found.sizes), **{each.letter: each.value for each in settings}, "B": found.batch}
    sizes = silently(point)
    tape, given = taped(Way(dtype), training=True), changed(found.config, settings, sizes)
    inputs = axes.tensors(tape, tuple(sizes[axis] for axis in axes), given, sizes["B"])
    return form_of(total(tensor.storage.bytes for tensor in inputs))


def _stretches(
    architecture: Architecture, config: Mapping[str, Any], settings: Sequence[Setting]
) -> dict[Way, Stretches]:
    """What is kept at sizes around its own in each way, where it has a form; uncut where a run has to be whole."""
    for cut in (True, False):
        found: dict[Way, Stretches] = {}
        try:
            for attention in ATTENTIONS if architecture.family.attends else ATTENTIONS[:1]:
                for dtype in reversed(DTYPES):
                    run = _Run(architecture, config, settings, Way(dtype, attention), cut)
                    like = found.get(Way(DTYPES[-1], attention))
                    if like is None or not run.agrees(like):
                        like = run.everywhere(next(reversed(found.values()), None))
                    found[run.way] = like
        except (*NO_FORM, KeyError):
            continue
        return found
    return {}


class _Run:
    """A model that is run for training, with few blocks of each kind if it can be cut between them."""

    def __init__(
        self,
        architecture: Architecture,
        config: Mapping[str, Any],
        settings: Sequence[Setting],
        way: Way,
        cut: bool,
    ) -> None:
        self._architecture, self._config, self._settings, self.way = architecture, config, settings, way
        self._own = {ITEM: 4} if way.dtype == DTYPES[0] else {}
        self._cut = cut
        self._few = {each.letter: LAPS if cut else each.value for each in settings if each.of in ROUNDS}

    def _loops(self) -> dict[int, Polynomial]:
        """How often loops go that go as often as a letter says."""
        axes = self._architecture.family.axes.point(self._architecture.sizes)
        point = {**axes, **{each.letter: each.value for each in self._settings}, "B": 1}

        def counted(few: Mapping[str, int]) -> list[int]:
            tape = self._tape()
            self._start(tape, {**point, **few})
            return tape.loops

        found: dict[int, Polynomial] = {}
        base = counted(self._few)
        for letter in self._few:
            more = counted({**self._few, letter: LAPS + 1})
            loops = [loop for loop, (one, other) in enumerate(zip(base, more, strict=True)) if one != other]
            if not loops or any(base[loop] != LAPS or more[loop] != LAPS + 1 or loop in found for loop in loops):
                raise ValueError(f"{letter} is not how often blocks come")
            found |= dict.fromkeys(loops, symbol(letter))
        return found

    def everywhere(self, other: Stretches | None) -> Stretches:
        """The stretches at sizes around its own; those of another way that have no attention are the same."""
        if other is not None:
            found, points = other.begun(self._own), iter(other.points)
        else:
            found = Stretches(self._loops(), {}) if self._cut else Stretches(None, self._few)
            points = _points(self._architecture, self._settings)
        for point in points:
            if len(found.points) < (RUNS if self._cut else RUNS // 4) and found.of({**point, ITEM: 1}) is None:
                self.at(point, found)
        return found

    def agrees(self, found: Stretches) -> bool:
        """Whether stretches of another element type give what is counted wherever they were found."""
        item = {ITEM: FLOATS[self.way.dtype].bytes}
        return all(found.of({**point, **item}) == self._counted(point) for point in found.points)

    def _counted(self, point: Mapping[str, int]) -> dict[str, int]:
        """What is kept at a point, in numbers."""
        tape = taped(self.way, training=True)
        outputs = self._start(tape, point)
        return {
            "saved": total(part.total for _, part, _ in kept(*graph(outputs), again=tape.again)),
            "buffers": tape.entered("buffers", lambda buffer: buffer.storage.bytes),
        }

    def at(self, point: Mapping[str, int], found: Stretches) -> None:
        """A run at a point, taken to pieces."""
        notes = Notes(point)
        plain = {letter: point[letter] for letter in (*self._architecture.family.axes, "B")}
        settings = {letter: size for letter, size in point.items() if letter not in plain}
        tape = self._tape(notes=notes, settings=settings, plain=plain, found=found)
        sizes = {letter: Traced(size, symbol(letter), notes) for letter, size in point.items()}
        try:
            outputs = self._start(tape, {**sizes, **self._few})
        except InputError:
            return
        tape.end(outputs)
        found.run(tape.program, point)

    def _start(self, tape: Tape, values: Mapping[str, Any]) -> Any:
        family = self._architecture.family
        given = changed(self._config, self._settings, values)
        sizes = tuple(values[axis] for axis in family.axes)
        return started(tape, lambda each: family.start(each, sizes, given, values["B"]))[1]

    def _tape(self, **more: Any) -> CutTape:
        way, item = self.way, FLOATS[self.way.dtype]
        if not self._own:
            letter: Any = Traced(item.bytes, symbol(ITEM), SILENT)
            item = replace(item, bytes=letter)
        return CutTape(
            item,
            grad=True,
            training=True,
            attention=way.attention,
            trail=[],
            watched=[],
            **more,
        )


def _points(architecture: Architecture, settings: Sequence[Setting]) -> Iterator[dict[str, int]]:
    """Its own sizes, once and twice, alone and together; then others."""
    axes = architecture.family.axes.point(architecture.sizes)
    own = {each.letter: each.value for each in settings}
    for scale in (1, 2):
        for images in (2, 1):
            yield {**{axis: scale * size for axis, size in axes.items()}, **own, "B": images}
    dice = random.Random(0)
    for turn in range(SIZES):
        low = 0 if turn % 4 == 3 else 5
        side, other = (dice.randint(1, 9) * 2 ** dice.randint(low, 6) + dice.randint(-1, 1) for _ in "hw")
        sides = {axis: max(1, other if turn % 2 and place else side) for place, axis in enumerate(axes)}
        values = dict(own)
        if turn % 3 == 0 and own:
            name = dice.choice(sorted(own))
            values[name] = max(1, values[name] * dice.randint(1, 6) // dice.randint(1, 3))
        yield {**sides, **values, "B": dice.choice((1, 2))}
