"""Bytes of training on the page of a model: forms with the decisions that they hold on, and cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..abstract.tape import ATTENTIONS
from ..algebra.domains import Domain, Where
from ..algebra.polynomial import Polynomial, symbol
from ..algebra.traced import Traced, form_of
from ..arrays.regimes import NO_FORM, Noting
from ..pages.script import Script
from ..storage.devices import devices
from ..storage.optimizers import KINDS
from ..storage.optimizers import PLAIN as IN_ITS_TYPE
from ..sweeps.subjects import OurModel, trained
from .model import Model

DTYPES = ("float32", "bfloat16")
"""Element types whose bytes are on a page."""

IN_MEMORY = ("weights_bytes", "buffers_bytes", "input_bytes", "saved_bytes")
"""What is there in a step of training, beside gradients and what an optimizer keeps."""


def memory_of(script: Script, found: Model, also: Where | None) -> dict[str, Any] | None:
    """Bytes of training at the model's own settings, as runs on traced sizes keep them, and where all that they
    decide is the same: at its own input, at twice its sides, and for one image; None where there are no forms."""
    architecture = found.architecture
    axes = architecture.family.axes
    ways: dict[str, list[dict[str, int]]] = {}
    for dtype in DTYPES:
        for attention in ATTENTIONS if architecture.family.attends else ATTENTIONS[:1]:
            subject = OurModel(architecture, {}, architecture.sizes, 1, trained(dtype, attention, "adamw"))
            known: list[tuple[Domain, dict[str, Polynomial]]] = []
            for scale, batch in ((1, 2), (1, 1), (2, 2), (2, 1)):
                point = {axis: size * scale for axis, size in axes.point(architecture.sizes).items()} | {
                    "B": batch
                }
                if any(all(guard.holds(point) for guard in domain.guards) for domain, _ in known):
                    continue
                try:
                    known.append(_bytes(subject, {**subject.own_values, **found.config}, point))
                except NO_FORM:
                    continue
            if known:
                ways[f"{dtype} {attention}"] = [
                    {
                        "when": script.condition(Where((domain,))),
                        **{name: script.form(form, written=False) for name, form in forms.items()},
                    }
                    for domain, forms in known
                ]
    if not ways:
        return None
    cards = {id: each for id, each in devices().items() if each.memory}
    like = axes.words(architecture.sizes), axes.words(tuple(2 * size for size in architecture.sizes))
    return {
        "ways": ways,
        **({"and": script.condition(also)} if also is not None else {}),
        "valid": f"inputs like {like[0]} and {like[1]}{', at its own settings' if also is not None else ''}",
        "attends": architecture.family.attends,
        "optimizers": {name: kind.numbers for name, kind in KINDS.items() if kind.kept == IN_ITS_TYPE},
        "cards": {id: {"name": each.name, "memory": each.memory} for id, each in cards.items()},
        "card": "a100_80gb" if "a100_80gb" in cards else next(iter(cards)),
        "command": f"vpcalc memory {architecture.id} --train",
    }


def _bytes(
    subject: OurModel, values: Mapping[str, Any], point: Mapping[str, int]
) -> tuple[Domain, dict[str, Polynomial]]:
    """The forms at a point, and the decisions that they hold on."""
    tape = Noting(point)
    sizes = {letter: Traced(size, symbol(letter), tape) for letter, size in point.items()}
    given = {**values, **{axis: sizes[axis] for axis in point if axis != "B"}, "batch": sizes["B"]}
    found = subject.figures(given, frozenset(point), IN_MEMORY)
    return tape.domain, {name.removesuffix("_bytes"): form_of(figure) for name, (figure,) in found.items()}
