"""A model's stages at every size of its input and of its settings: forms, and the decisions that they hold on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..algebra.domains import Domain
from ..algebra.exploring import MOST_RUNS, explore
from ..algebra.floors import ceil_div
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..architectures import Architecture
from ..cost import Cost, Op, Quantity
from ..errors import InputError
from ..everywhere import of_forms, plainly
from ..symbolic import SYMBOL_OF
from .formula import terms_of
from .page_parts import path_of

COUNTS = (Quantity.MACS, Quantity.PARAMS, Quantity.ACTIVATIONS)

FIXED = ("P", "S", "k", "classes", "trained_at", "scales")
"""Settings that are no letters on a page: nobody learns from a patch of 5 pixels, and half a kernel, rounded down,
would stand in every form of a ConvNeXt."""

ROUNDS = ("depth", "depths", "layers", "N")
"""Settings that say how often something is done."""

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
) -> tuple[tuple[Setting, ...], tuple[Leaf, ...]]:
    """The settings that can be letters, and the forms at all their values; the first are those of the model's own.

    Sizes are followed as they run; how many blocks there are is no size: forms are followed as blocks alternate.
    """
    axes = architecture.family.axes.point(sizes)
    taken = {*axes, "B"}
    known = [each for each in _settings(config) if each.of not in FIXED and each.letter not in taken]

    def runs(settings: Iterable[Setting], values: Mapping[str, Any]) -> Cost:
        return architecture.cost(tuple(values[axis] for axis in axes), changed(config, settings, values), 1)

    def explored(settings: tuple[Setting, ...], most: int = MOST_RUNS) -> tuple[Leaf, ...]:
        rounds = [each for each in settings if each.of in ROUNDS]
        start = {**axes, **{each.letter: each.value for each in settings if each not in rounds}}

        def run(traced: Mapping[str, Any]) -> tuple[Forms | None, str]:
            try:
                return _in_rounds(lambda numbers: _forms(runs(settings, {**traced, **numbers})), rounds), ""
            except InputError as refusal:
                return None, plainly(refusal)

        found = explore(run, tuple(start), start, most)
        return tuple(Leaf(leaf.domain, *leaf.outcome) for leaf in found.leaves)

    def is_letter(each: Setting) -> bool:
        try:
            return explored((*sized, each), 1)[0].forms is not None
        except NO_FORM:
            return False

    sized: tuple[Setting, ...] = ()
    for each in known:
        if each.of not in ROUNDS and is_letter(each):
            sized += (each,)
    settings = tuple(each for each in known if each in sized or each.of in ROUNDS)
    try:
        return settings, explored(settings)
    except NO_FORM:  # how often something is done is no letter
        return sized, explored(sized)


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


def _in_rounds(forms: Any, rounds: list[Setting]) -> Forms:
    """Forms with so many blocks of each kind, of which each second one may differ from the first.

    Raises:
        ValueError: some number of blocks says otherwise.
    """
    once = {each.letter: 1 for each in rounds}
    base = forms(once)
    added: list[tuple[str, dict[Key, tuple[Polynomial, Polynomial]]]] = []
    zero = as_polynomial(0)
    for each in rounds:
        two = forms({**once, each.letter: 2})
        three = two if two.keys() <= base.keys() else forms({**once, each.letter: 3})
        steps = {}
        for key in {**base, **two, **three}:
            second = two.get(key, zero) - base.get(key, zero)
            steps[key] = second, second if three is two else three.get(key, zero) - two.get(key, zero)
        added.append((each.letter, {key: pair for key, pair in steps.items() if any(map(bool, pair))}))

    def at(numbers: Mapping[str, Any]) -> dict[Key, Polynomial]:
        result = dict(base)
        for letter, steps in added:
            number = as_polynomial(numbers[letter])
            firsts = ceil_div(number, 2)
            for key, (second, third) in steps.items():
                more = (
                    second * (number - 1) if second == third else second * (number - firsts) + third * (firsts - 1)
                )
                result[key] = result.get(key, zero) + more
        return {key: form for key, form in result.items() if form or key in base}

    if rounds:
        point = {each.letter: 4 + place % 2 for place, each in enumerate(rounds)}
        found, counted = at(point), forms(point)
        if any(found.get(key, zero) != counted.get(key, zero) for key in {**found, **counted}):
            raise ValueError(f"not as blocks that alternate at {point}")
    return at({each.letter: symbol(each.letter) for each in rounds})
