"""Bytes of training on the page of a model: forms with the decisions that they hold on, and cards."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..abstract.tape import ATTENTIONS, Tape, kept
from ..abstract.tensor import FLOATS
from ..algebra.domains import Guard
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
from .page_laws import ITEM, WHOLE, Law, Laws, Leaf
from .page_runs import Notes, Run
from .page_settings import Setting, changed

DTYPES = ("float32", "bfloat16")
"""Element types whose bytes are on a page."""

Point = dict[str, int]

SIZES, COUNTED = 240, 4
"""Sizes at which laws are looked for, and those of them at which they are held against counts, too."""


def memory_of(script: Script, found: Model, settings: Sequence[Setting], command: str) -> dict[str, Any] | None:
    """Bytes of training, as runs on traced sizes keep them; None where there are no forms.

    ``command`` is that which has them in the terminal.
    """
    architecture = found.architecture
    ways = _ways(architecture, found.config, settings)
    if not ways:
        return None
    written = _Written(script)
    cards = {id: each for id, each in devices().items() if each.memory}
    return {
        "ways": {f"{way.dtype} {way.attention}": written.laws(each) for way, each in ways.items()},
        "laws": written.nodes,
        "input": {dtype: script.form(_input(found, settings, dtype), "") for dtype in DTYPES},
        "buffers": any(each.buffers for each in ways.values()),
        "attends": architecture.family.attends,
        "optimizers": {name: kind.numbers for name, kind in KINDS.items() if kind.kept == IN_ITS_TYPE},
        "cards": {id: {"name": each.name, "memory": each.memory} for id, each in cards.items()},
        "card": "a100_80gb" if "a100_80gb" in cards else next(iter(cards)),
        "command": command,
    }


class _Written:
    """Laws as data, each once: what is kept, or a question with the laws that follow, by their numbers or null."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._numbers: dict[str, int] = {}
        self.nodes: list[Any] = []

    def laws(self, found: Laws) -> dict[int, int | None]:
        """Those of modules, by the modules' numbers."""
        return {module: self._law(law) for module, law in found.modules.items()}

    def _law(self, law: Law) -> int | None:
        if law is None:
            return None
        node: Any
        if isinstance(law, Leaf):
            node = {"kept": self._forms(law.kept), "ends": law.ends}
        elif isinstance(question := law.question, Guard):
            number = self._script.decision(question)
            no, yes = (self._law(law.then.get(answer)) for answer in (False, True))
            if no == yes:
                return no
            node = [number, no, yes] if number > 0 else [-number, yes, no]
        else:
            then = {ends: self._law(each) for ends, each in law.then.items()}
            given, times = self._forms(dict(question.given)), self._script.form(question.times, "")
            node = {"module": question.module, "given": given, "times": times, "then": then}
        number = self._numbers.setdefault(str(node), len(self.nodes))
        self.nodes += [node] if number == len(self.nodes) else []
        return number

    def _forms(self, forms: Mapping[str, Polynomial]) -> dict[str, int]:
        return {name: self._script.form(form, "") for name, form in forms.items()}


def _input(found: Model, settings: Sequence[Setting], dtype: str) -> Polynomial:
    """Bytes of the input, at all sizes."""
    axes = found.architecture.family.axes
    point = {**axes.point(found.sizes), **{each.letter: each.value for each in settings}, "B": found.batch}
    sizes = silently(point)
    tape, given = taped(Way(dtype), training=True), changed(found.config, settings, sizes)
    inputs = axes.tensors(tape, tuple(sizes[axis] for axis in axes), given, sizes["B"])
    return form_of(total(tensor.storage.bytes for tensor in inputs))


def _ways(architecture: Architecture, config: Mapping[str, Any], settings: Sequence[Setting]) -> dict[Way, Laws]:
    """What is kept at sizes around its own in each way; nothing where there are no forms."""
    found: dict[Way, Laws] = {}
    points = list(_points(architecture, settings))
    for attention in ATTENTIONS if architecture.family.attends else ATTENTIONS[:1]:
        for dtype in reversed(DTYPES):
            model = _Model(architecture, config, settings, Way(dtype, attention))
            laws = found.get(Way(DTYPES[-1], attention))
            try:
                if laws is None or not model.agrees(laws, points):
                    laws, points = model.laws(points, next(iter(found.values()), None))
                    if not model.agrees(laws, points[:COUNTED]):
                        return {}
            except (*NO_FORM, KeyError):
                return {}
            found[model.way] = laws
    return found


class _Model:
    """A model that is run for training."""

    def __init__(
        self, architecture: Architecture, config: Mapping[str, Any], settings: Sequence[Setting], way: Way
    ) -> None:
        self._architecture, self._config, self._settings, self.way = architecture, config, settings, way

    def laws(self, points: Iterable[Point], like: Laws | None) -> tuple[Laws, list[Point]]:
        """What is kept at some sizes, and wherever else it follows from that; and those that had to be run."""
        found = Laws(like)
        return found, [
            point for point in points if found.of({**point, ITEM: 1}) is None and self._at(point, found)
        ]

    def agrees(self, found: Laws, points: Iterable[Point]) -> bool:
        """Whether laws give what is counted at some sizes."""
        item = {ITEM: FLOATS[self.way.dtype].bytes}
        return all(found.of({**point, **item}) == self._counted(point) for point in points)

    def _counted(self, point: Point) -> dict[str, int]:
        """What is kept at a point, in numbers."""
        tape = taped(self.way, training=True)
        outputs = self._start(tape, point)
        return {
            "saved": total(part.total for _, part, _ in kept(*graph(outputs), again=tape.again)),
            "buffers": tape.entered("buffers", lambda buffer: buffer.storage.bytes),
        }

    def _at(self, point: Point, found: Laws) -> bool:
        """A run at a point, and all that it called; whether sizes are taken there."""
        item = FLOATS[self.way.dtype]
        if self.way.dtype != DTYPES[0]:
            letter: Any = Traced(item.bytes, symbol(ITEM), SILENT)
            item = replace(item, bytes=letter)
        notes = Notes(point)
        run = Run(item, grad=True, training=True, attention=self.way.attention, trail=[], laws=found, notes=notes)
        sizes = {letter: Traced(size, symbol(letter), notes) for letter, size in point.items()}
        try:
            found.add(WHOLE, notes.path, *run.over(self._start(run, sizes), whole=True))
        except InputError:
            return False
        return True

    def _start(self, tape: Tape, values: Mapping[str, Any]) -> Any:
        family = self._architecture.family
        given = changed(self._config, self._settings, values)
        sizes = tuple(values[axis] for axis in family.axes)
        return started(tape, lambda each: family.start(each, sizes, given, values["B"]))[1]


def _points(architecture: Architecture, settings: Sequence[Setting]) -> Iterator[Point]:
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
