"""Bytes of training on the page of a model: forms with the decisions that they hold on, and cards."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..abstract.tape import ATTENTIONS, kept
from ..algebra.domains import Domain
from ..algebra.polynomial import Polynomial, symbol
from ..algebra.traced import Traced, form_of, silently
from ..architectures import Architecture
from ..arrays.regimes import NO_FORM, Noting
from ..errors import InputError
from ..pages.script import Script
from ..storage.devices import devices
from ..storage.footprint import Way, graph, started, taped, total
from ..storage.optimizers import KINDS
from ..storage.optimizers import PLAIN as IN_ITS_TYPE
from .model import Model
from .page_settings import ROUNDS, Setting, changed

DTYPES = ("float32", "bfloat16")
"""Element types whose bytes are on a page."""

MOST, SIZES = 10, 40
"""Paths of a run that are on a page, and sizes at which they are looked for."""

Path = tuple[Domain, dict[str, Polynomial]]


def memory_of(script: Script, found: Model, settings: Sequence[Setting]) -> dict[str, Any] | None:
    """Bytes of training, as runs on traced sizes keep them, and where all that they decide is the same: at its own
    input and settings, and at others around them; None where there are no forms."""
    architecture = found.architecture
    paths = {
        f"{dtype} {attention}": _paths(architecture, found.config, settings, Way(dtype, attention))
        for dtype in DTYPES
        for attention in (ATTENTIONS if architecture.family.attends else ATTENTIONS[:1])
    }
    if not any(paths.values()):
        return None
    cards = {id: each for id, each in devices().items() if each.memory}
    return {
        "ways": {
            way: [
                {"path": script.path(domain), **{name: script.form(form, "") for name, form in forms.items()}}
                for domain, forms in known
            ]
            for way, known in paths.items()
        },
        "input": {dtype: script.form(_input(found, settings, dtype), "") for dtype in DTYPES},
        "buffers": any(forms["buffers"] for known in paths.values() for _, forms in known),
        "attends": architecture.family.attends,
        "optimizers": {name: kind.numbers for name, kind in KINDS.items() if kind.kept == IN_ITS_TYPE},
        "cards": {id: {"name": each.name, "memory": each.memory} for id, each in cards.items()},
        "card": "a100_80gb" if "a100_80gb" in cards else next(iter(cards)),
        "command": f"vpcalc memory {architecture.id} --train",
    }


def _paths(
    architecture: Architecture, config: Mapping[str, Any], settings: Sequence[Setting], way: Way
) -> list[Path]:
    """The paths of a run that sizes around its own take, each once."""
    paths: list[Path] = []
    for point in _points(architecture, settings):
        if len(paths) >= MOST:
            break
        if any(all(guard.holds(point) for guard in domain.guards) for domain, _ in paths):
            continue
        try:
            paths.append(_bytes(architecture, config, settings, way, point))
        except InputError:
            continue
        except NO_FORM:
            return []
    return paths


def _input(found: Model, settings: Sequence[Setting], dtype: str) -> Polynomial:
    """Bytes of the input, at all sizes."""
    axes = found.architecture.family.axes
    point = {**axes.point(found.sizes), **{each.letter: each.value for each in settings}, "B": found.batch}
    sizes = silently(point)
    tape, given = taped(Way(dtype), training=True), changed(found.config, settings, sizes)
    inputs = axes.tensors(tape, tuple(sizes[axis] for axis in axes), given, sizes["B"])
    return form_of(total(tensor.storage.bytes for tensor in inputs))


def _points(architecture: Architecture, settings: Sequence[Setting]) -> Iterator[dict[str, int]]:
    """Its own sizes, once and twice, alone and together; then others."""
    axes = architecture.family.axes.point(architecture.sizes)
    own = {each.letter: each.value for each in settings if each.of not in ROUNDS}
    for scale in (1, 2):
        for images in (2, 1):
            yield {**{axis: scale * size for axis, size in axes.items()}, **own, "B": images}
    dice = random.Random(0)
    for turn in range(SIZES):
        side = 32 * dice.randint(2, 32)
        sides = {axis: side if turn % 4 else 32 * dice.randint(2, 32) for axis in axes}
        values = dict(own)
        if turn % 2 and own:
            name = dice.choice(sorted(own))
            values[name] *= 2
        yield {**sides, **values, "B": dice.choice((1, 2))}


def _bytes(
    architecture: Architecture,
    config: Mapping[str, Any],
    settings: Sequence[Setting],
    way: Way,
    point: Mapping[str, int],
) -> Path:
    """The forms at a point, and the decisions that they hold on."""
    notes, tape = Noting(point), taped(way, training=True)
    sizes = {letter: Traced(size, symbol(letter), notes) for letter, size in point.items()}
    given = changed(config, [each for each in settings if each.letter in point], sizes)
    axes = architecture.family.axes
    _, outputs = started(
        tape,
        lambda each: architecture.family.start(each, tuple(sizes[axis] for axis in axes), given, sizes["B"]),
    )
    parts = kept(*graph(outputs), again=tape.again)
    found = {
        "buffers": tape.entered("buffers", lambda buffer: buffer.storage.bytes),
        "saved": total(part.total for _, part, _ in parts),
    }
    return notes.domain, {name: form_of(figure) for name, figure in found.items()}
