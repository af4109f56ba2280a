"""A model's stages in forms of its input's sizes and of its settings, around the settings' own values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..algebra.domains import Domain, Where
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..architectures import Architecture
from ..cost import Cost, Quantity
from ..everywhere import tree_at
from ..symbolic import SYMBOL_OF
from .formula_settings import plain

COUNTS = (Quantity.MACS, Quantity.PARAMS, Quantity.ACTIVATIONS)

FIXED = ("P", "classes", "trained_at")
"""Settings that are no letters on a page: nobody learns from a patch of 5 pixels."""

ROUNDS = ("depth", "layers", "N")
"""Settings that say how often something is done."""

TRIED = (3, 5)
"""Numbers of blocks at which forms are held against being affine in them."""


class Stage(NamedTuple):
    """A stage, or the whole, in forms: sides, channels, depth, and what is counted."""

    name: str
    sides: tuple[Polynomial, ...]
    channels: Polynomial
    depth: Polynomial
    counts: tuple[Polynomial, ...]

    def forms(self) -> tuple[Polynomial, ...]:
        """All its forms in a row."""
        return (*self.sides, self.channels, self.depth, *self.counts)


Leaf = tuple[Where, tuple[Stage, ...] | None, str]


def stages_of(cost: Cost, fixed: Mapping[str, int]) -> tuple[Stage, ...]:
    """The stages of a tree of forms, and the whole at last."""

    def form(size: Any) -> Polynomial:
        return as_polynomial(size or 0).subs(fixed)

    found = []
    for node in cost.stages():
        stage = node.stage
        assert stage is not None
        counts = tuple(form(node.total(each)) for each in COUNTS)
        found.append(
            Stage(node.name, tuple(map(form, stage.resolution)), form(stage.channels), form(stage.depth), counts)
        )
    total = tuple(form(cost.total(each)) for each in COUNTS)
    return (*found, Stage("total", (), as_polynomial(0), as_polynomial(0), total))


def around(
    architecture: Architecture, config: Mapping[str, Any], sizes: tuple[int, ...]
) -> tuple[dict[str, int], Leaf] | None:
    """The settings that can be letters, with their values, and the forms around these; None where there are none.

    Sizes are followed as they run; how many blocks there are is no size, and forms are affine in it, or it stays.
    """
    axes = architecture.family.axes.point(sizes)
    numbers = {
        name: value
        for name, value in config.items()
        if isinstance(value, int) and not isinstance(value, bool) and name not in axes and value > 0
    }
    entries = {
        f"{name}_{place}": entry
        for name, value in config.items()
        if name == "depths" and isinstance(value, tuple)
        for place, entry in enumerate(value, 1)
    }

    def tree(values: Mapping[str, Any], names: Sequence[str]) -> tuple[Domain, tuple[Stage, ...]]:
        def run(traced: Mapping[str, Any]) -> Cost:
            given = {**values, **{name: traced[SYMBOL_OF.get(name, name)] for name in names}}
            changed = {
                name: tuple(given.get(f"{name}_{place}", each) for place, each in enumerate(value, 1))
                if isinstance(value, tuple)
                else given.get(name, value)
                for name, value in config.items()
            }
            return architecture.cost(tuple(traced[axis] for axis in axes), changed, 1)

        start = {**axes, **{SYMBOL_OF.get(name, name): numbers[name] for name in names}}
        domain, cost = tree_at(run, start)
        return domain, stages_of(cost, {})

    def is_traced(names: Sequence[str]) -> bool:
        letters = [SYMBOL_OF.get(name, name) for name in names]
        if len({*letters, *axes}) < len(letters) + len(axes):
            return False
        try:
            tree({}, names)
        except (TypeError, ValueError, AssertionError, ArithmeticError, IndexError, KeyError, AttributeError):
            return False
        return True

    sized: list[str] = []
    for name in numbers:
        if name not in (*FIXED, *ROUNDS) and is_traced([*sized, name]):
            sized.append(name)
    rounds = {**entries, **{name: numbers[name] for name in ROUNDS if name in numbers}}
    try:
        domain, base = tree(dict.fromkeys(rounds, 1), sized)
        slopes = {name: _minus(tree({**dict.fromkeys(rounds, 1), name: 2}, sized)[1], base) for name in rounds}
        for turn in TRIED:
            point = {name: 1 + (turn + 2 * place) % 7 for place, name in enumerate(rounds)}
            again = tree(point, sized)
            if rounds and (_at(base, slopes, point) != again[1] or again[0] != domain):
                raise ValueError
        stages = _at(base, slopes, {name: symbol(name) for name in rounds})
    except (TypeError, ValueError, AssertionError, IndexError, KeyError):
        rounds = {}
        domain, stages = tree({}, sized)
    if not sized and not rounds:
        return None
    names = {**{name: numbers[name] for name in sized}, **rounds}
    letters = (*domain.letters, *rounds)
    return names, (Where((Domain(letters, plain(domain.guards)),)), stages, "")


def _minus(one: tuple[Stage, ...], other: tuple[Stage, ...]) -> tuple[tuple[Polynomial, ...], ...]:
    return tuple(
        tuple(a - b for a, b in zip(mine.forms(), its.forms(), strict=True))
        for mine, its in zip(one, other, strict=True)
    )


def _at(
    base: tuple[Stage, ...], slopes: Mapping[str, tuple[tuple[Polynomial, ...], ...]], rounds: Mapping[str, Any]
) -> tuple[Stage, ...]:
    """The forms with so many blocks."""
    found = []
    for place, stage in enumerate(base):
        forms = list(stage.forms())
        for name, number in rounds.items():
            forms = [
                form + slope * (as_polynomial(number) - 1)
                for form, slope in zip(forms, slopes[name][place], strict=True)
            ]
        sides = len(stage.sides)
        found.append(
            Stage(stage.name, tuple(forms[:sides]), forms[sides], forms[sides + 1], tuple(forms[sides + 2 :]))
        )
    return tuple(found)
