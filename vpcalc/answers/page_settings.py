"""A model's stages at every size of its input and of its settings: forms, and the decisions that they hold on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from ..algebra.domains import Domain
from ..algebra.exploring import explore, run_at
from ..algebra.polynomial import Polynomial, as_polynomial
from ..architectures import Architecture
from ..cost import Cost, Op, Quantity
from ..errors import InputError
from ..everywhere import of_forms, plainly
from ..symbolic import SYMBOL_OF
from .formula import terms_of
from .page_parts import path_of

COUNTS = (Quantity.MACS, Quantity.PARAMS, Quantity.ACTIVATIONS)

ONCE = {Quantity.MACS: "macs_once", Quantity.ACTIVATIONS: "activations_once"}
"""What is there once for all images of a batch, of the quantities that are one image's."""

FIXED = ("P", "S", "k", "dap", "classes", "trained_at", "scales")
"""Settings that are no letters on a page: nobody learns from a patch of 5 pixels, and half a kernel, rounded down,
would stand in every form of a ConvNeXt."""

LETTERS = {**SYMBOL_OF, "depth": "L", "depths": "L", "layers": "L"}
"""Settings whose letter on a page is not their own name: in a formula a word is no factor."""

NO_FORM = (TypeError, ValueError, AssertionError, ArithmeticError, IndexError, KeyError, AttributeError)
"""What a description raises that asks a letter for what only a number has."""

Key = tuple[Any, ...]
Forms = Mapping[Key, Polynomial]
"""Forms of all stages and of the whole: by the stage's name, what it is (``side``, ``channels``, ``depth``, a
quantity, or ``step``) and which."""


class Setting(NamedTuple):
    """A setting, or an entry of a list of them, that is a letter."""

    name: str
    of: str
    place: int | None
    value: int

    @property
    def letter(self) -> str:
        """Its letter in forms."""
        letter = LETTERS.get(self.of, self.of)
        return letter if self.place is None else f"{letter}_{self.place + 1}"


class Leaf(NamedTuple):
    """Where the same decisions are taken, and the forms there; or why sizes are refused."""

    domain: Domain
    forms: Forms | None
    refused: str


def everywhere(
    architecture: Architecture, config: Mapping[str, Any], sizes: tuple[int, ...]
) -> tuple[tuple[Setting, ...], tuple[Setting, ...], tuple[Leaf, ...]]:
    """The settings that can be letters, those that no form has, and the forms at all values, the model's first."""
    axes = architecture.family.axes.point(sizes)
    shared = any(_once(*(architecture.cost(sizes, config, batch) for batch in (1, 2))).values())
    taken = {*axes, "B"}

    def start(settings: Iterable[Setting]) -> dict[str, int]:
        return {**axes, **{each.letter: each.value for each in settings}}

    def run(settings: Iterable[Setting], traced: Mapping[str, Any]) -> tuple[Forms | None, str]:
        of_input, given = tuple(traced[axis] for axis in axes), changed(config, settings, traced)
        try:
            one = architecture.cost(of_input, given, 1)
            once: Forms = _once(one, architecture.cost(of_input, given, 2)) if shared else {}
            return {**_forms(one), **once}, ""
        except InputError as refusal:
            return None, plainly(refusal)

    def is_letter(each: Setting) -> bool:
        if each.of in FIXED or each.letter in taken:
            return False
        try:
            more = (*settings, each)
            return run_at(partial(run, more), start(more)).outcome[0] is not None
        except NO_FORM:
            return False

    settings: tuple[Setting, ...] = ()
    for each in _settings(config):
        settings += (each,) if is_letter(each) else ()
    found = explore(partial(run, settings), tuple(start(settings)), start(settings))
    leaves = tuple(Leaf(leaf.domain, *leaf.outcome) for leaf in found.leaves)
    said = {letter for leaf in leaves for form in (leaf.forms or {}).values() for letter in form.letters}
    said |= {letter for leaf in leaves for guard in leaf.domain.guards for letter in guard.letters}
    idle = tuple(each for each in settings if each.letter not in said)
    return tuple(each for each in settings if each not in idle), idle, leaves


def _settings(config: Mapping[str, Any]) -> Iterable[Setting]:
    """Numbers among the settings, and entries of lists of numbers."""
    for name, value in config.items():
        for place, each in enumerate(value) if isinstance(value, tuple) else [(None, value)]:
            if isinstance(each, int) and not isinstance(each, bool) and each > 0:
                yield Setting(name if place is None else f"{name}_{place + 1}", name, place, each)


def without_letter(config: Mapping[str, Any], settings: Iterable[Setting]) -> list[str]:
    """Numbers among the settings that could be letters, and have no form."""
    with_letter = {each.of for each in settings}
    return list(dict.fromkeys(each.of for each in _settings(config) if each.of not in {*FIXED, *with_letter}))


def changed(config: Mapping[str, Any], settings: Iterable[Setting], values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a model with values for some of them, by their letters."""
    found = {name: list(value) if isinstance(value, tuple) else value for name, value in config.items()}
    for each in settings:
        if each.place is None:
            found[each.of] = values[each.letter]
        else:
            found[each.of][each.place] = values[each.letter]
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}


def _forms(cost: Cost) -> Forms:
    """The forms of a tree of traced sizes."""
    plain = of_forms(cost)
    found: dict[Key, Polynomial] = {}
    for node in plain.stages():
        stage = node.stage
        assert stage is not None
        parts: dict[Key, Any] = {("side", at): side for at, side in enumerate(stage.resolution)}
        parts |= {("channels",): stage.channels, ("depth",): stage.depth}
        for module, op, _, term in terms_of(node, Quantity.MACS):
            key = ("step", path_of(module, op), Op(op.kind, op.label, shapes=op.shapes))
            parts[key] = parts.get(key, 0) + term
        found |= {(node.name, *key): as_polynomial(part or 0) for key, part in parts.items()}
        found |= {(node.name, each.value): as_polynomial(node.total(each)) for each in COUNTS}
    return found | {("total", each.value): as_polynomial(plain.total(each)) for each in COUNTS}


def _once(one: Cost, two: Cost) -> dict[Key, Polynomial]:
    """What two images have in common, by the trees of one and of two."""
    one, two = of_forms(one), of_forms(two)
    nodes = [(node.name, node, other) for node, other in zip(one.stages(), two.stages(), strict=True)]
    return {
        (name, said): as_polynomial(2 * node.total(each) - other.total(each))
        for name, node, other in [*nodes, ("total", one, two)]
        for each, said in ONCE.items()
    }
