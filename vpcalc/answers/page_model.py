"""What is on the page of a model: its stages at every input, and in its settings around their own values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import gcd, lcm
from typing import Any, NamedTuple

from ..abstract.tape import ATTENTIONS
from ..abstract.tensor import FLOATS
from ..algebra.conditions import spell
from ..algebra.domains import Domain, Guard, Where, at_least, divides, union
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..algebra.traced import Traced, form_of
from ..architectures import Architecture
from ..architectures.registry import spelled
from ..arrays.regimes import NO_FORM, Noting
from ..cost import Cost, Quantity
from ..everywhere import Condition, Regime, model_run, tree_at, trees
from ..pages.script import Script
from ..storage.devices import devices
from ..storage.optimizers import KINDS
from ..storage.optimizers import PLAIN as IN_ITS_TYPE
from ..sweeps.subjects import OurModel, trained
from ..symbolic import SYMBOL_OF, Form
from ..symbols import ALPHABET
from .model import Model, our_model
from .page_parts import case_steps, parameter

COUNTS = (Quantity.MACS, Quantity.PARAMS, Quantity.ACTIVATIONS)

MOST = 65536
"""The largest size of a parameter."""

FIXED = ("P", "classes", "trained_at")
"""Settings that are no letters on a page: nobody learns from a patch of 5 pixels."""

ROUNDS = ("depth", "layers", "N")
"""Settings that say how often something is done."""

MEMORY_DTYPES = ("float32", "bfloat16")
"""Element types whose bytes are on a page."""

IN_MEMORY = ("weights_bytes", "buffers_bytes", "input_bytes", "saved_bytes")
"""What is there in a step of training, beside gradients and what an optimizer keeps."""

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


def model_page(script: Script, name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The data of the page.

    Raises:
        InputError: a setting or a size is not usable.
    """
    found = our_model(name, **asked)
    architecture, config = found.architecture, found.config
    axes = architecture.family.axes
    fixed = trees(*model_run(architecture, config))
    leaves: list[Leaf] = [
        (union([domain]), None if cost is None else _stages(cost, domain.fixed), refused)
        for domain, cost, refused in fixed
    ]
    settings = _settings(architecture, config, found.sizes)
    names: dict[str, int] = {}
    also, around = None, ""
    if settings is not None:
        names, free = settings
        around = f", which hold for {spell(free[0], 'text')}"
        own = [
            guard
            for letter, value in ((SYMBOL_OF.get(each, each), value) for each, value in names.items())
            for guard in (at_least(symbol(letter) - value), at_least(value - symbol(letter)))
        ]
        also = Where((Domain(tuple(SYMBOL_OF.get(each, each) for each in names), tuple(own)),))
        leaves.append(free)
    steps = next(
        (
            {node.name: script.steps(case_steps(node, Quantity.MACS, {})) for node in cost.stages()}
            for _, cost, _ in fixed
            if cost is not None
        ),
        {},
    )
    rows = _rows(script, leaves, also, found, steps)
    left = ", ".join(
        f"{each} = {spelled(value).lower()}" for each, value in config.items() if not _varied(each, names)
    )
    grid = bool(rows[0].get("block"))
    return {
        "kind": "model",
        "name": name,
        "title": architecture.id,
        "about": f"{architecture.source}. Exact at every input{', with ' + left + ' fixed' if left else ''}.",
        "command": f"vpcalc model {name}",
        "parameters": [
            *(
                parameter(axis, axis, _meaning(axis, {}), size, 1, 8192)
                for axis, size in axes.point(found.sizes).items()
            ),
            *(_setting(each, value, free[0], architecture.family.meanings) for each, value in names.items()),
            parameter("batch", "B", "images" if axes.pixels else "sequences", found.batch, 1, MOST),
        ],
        "square": list(axes) if axes.pixels else None,
        "dtypes": {each: FLOATS[each].bytes for each in MEMORY_DTYPES},
        "dtype": "float32",
        "columns": [
            *([{"id": "sides", "label": "Grid", "kind": "grid"}] if grid else []),
            {"id": "channels", "label": "Channels", "kind": "number", "minor": True},
            {"id": "params", "label": "Params", "kind": "count", "times": []},
            {"id": "macs", "label": "MACs", "kind": "count", "times": ["batch"]},
            {"id": "share", "label": "Share", "kind": "share", "of": "macs"},
            {"id": "activations", "label": "Activations", "kind": "count", "times": ["batch"], "minor": True},
        ],
        "main": "macs",
        "focus": "total",
        "crossing": False,
        "rowLabel": "Stage",
        "tableTitle": "Stage by stage",
        "blocks": grid,
        "rows": rows,
        "beyond": f"beyond the forms of this page{around}; vpcalc model has what lies there",
        "memory": _memory(script, found, also),
        "notes": ["MACs are multiply–accumulates of matrix products and convolutions, the papers' FLOPs."],
    }


def _varied(name: str, names: Mapping[str, int]) -> bool:
    return name in names or any(each.rpartition("_")[0] == name for each in names)


def _meaning(name: str, meanings: Mapping[str, str]) -> str:
    of, _, place = name.rpartition("_")
    if of == "depths":
        return f"blocks of stage {place}"
    known = {each.name: each.meaning for each in ALPHABET}
    return known.get(SYMBOL_OF.get(name, name), meanings.get(name, name))


def _setting(name: str, value: int, where: Where, meanings: Mapping[str, str]) -> dict[str, Any]:
    """A setting as a parameter; its slider stops where what has to divide it does."""
    letter = SYMBOL_OF.get(name, name)
    made = parameter(name, letter, _meaning(name, meanings), value, 1, MOST)
    steps = [
        guard.divisor.terms[()]
        for guard in where.parts[0].guards
        if guard.divisor is not None and not guard.divisor.symbols and guard.form == symbol(letter)
    ]
    made["step"] = lcm(8 if letter == "C" and value % 8 == 0 else 1, *steps)
    return made


def _stages(cost: Cost, fixed: Mapping[str, int]) -> tuple[Stage, ...]:
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


def _count(at: int, stage: Stage) -> Polynomial:
    return stage.counts[at]


def _side(at: int, stage: Stage) -> Polynomial:
    return stage.sides[at]


def _rows(
    script: Script, leaves: Sequence[Leaf], also: Where | None, found: Model, steps: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """A row a stage, and the total; each form in each regime. All but the last are of the model's own settings,
    which ``also`` says, if there is one."""
    own, free = (leaves, []) if also is None else (leaves[:-1], leaves[-1:])
    tidy = found.form if found.batch == 1 else our_model(found.id, set=found.config).form
    if also is not None and tidy.valid:
        tidy = replace(tidy, valid=f"{tidy.valid}, at its own settings")
    names = [stage.name for stage in next(stages for _, stages, _ in leaves if stages)]

    def law(
        place: int, of: Callable[[Stage], Polynomial], tidy: Form | None = None, written: bool = False
    ) -> dict[str, Any]:
        same: dict[Polynomial | str, list[Domain]] = {}
        for where, stages, refused in own:
            same.setdefault(refused if stages is None else of(stages[place]), []).extend(where.parts)
        cases: list[tuple[Where, Polynomial | str]] = [(union(parts), key) for key, parts in same.items()]
        cases += [(where, of(stages[place])) for where, stages, _ in free if stages is not None]
        regimes = [
            Regime(Condition(where), refused=key) if isinstance(key, str) else Regime(Condition(where), Form(key))
            for where, key in cases
        ]
        return script.law(regimes, tidy, also, written=written)

    rows: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        first = next(stages for _, stages, _ in leaves if stages)[place]
        is_total = place == len(names) - 1
        cells: dict[str, Any] = {}
        for at, quantity in enumerate(COUNTS):
            is_main = quantity is Quantity.MACS
            shown = tidy if is_main and is_total else None
            cells[quantity.value] = law(place, partial(_count, at), shown, is_main)
        row: dict[str, Any] = {"id": name, "name": name, "cells": cells, "source": ""}
        if is_total:
            row |= {"total": True, "source": found.source}
        else:
            cells["channels"] = law(place, lambda stage: stage.channels)
            row["steps"] = steps.get(name, [])
        if len(first.sides) == 2:
            cells["sides"] = [law(place, partial(_side, at)) for at in range(2)]
            row["block"] = {
                "sides": cells["sides"],
                "channels": cells["channels"],
                "depth": law(place, lambda stage: stage.depth),
            }
        rows.append(row)
    return rows


# -- settings ---------------------------------------------------------------------------------------


def _settings(
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
        return domain, _stages(cost, {})

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
    return names, (Where((Domain(letters, _plain(domain)),)), stages, "")


def _plain(domain: Domain) -> tuple[Any, ...]:
    """6 | 2C as 3 | C."""
    found: dict[Guard, None] = {}
    for guard in domain.guards:
        if (
            guard.divisor is not None
            and not guard.divisor.symbols
            and len(guard.form.terms) == 1
            and not guard.negated
        ):
            step, (number,) = guard.divisor.terms[()], guard.form.terms.values()
            common = gcd(step, number)
            guard = divides(
                as_polynomial(step // common), guard.form * number**0 / (common if number % common == 0 else 1)
            )
        found[guard] = None
    return tuple(found)


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


# -- memory -----------------------------------------------------------------------------------------


def _memory(script: Script, found: Model, also: Where | None) -> dict[str, Any] | None:
    """Bytes of training at the model's own settings, as runs on traced sizes keep them, and where all that they
    decide is the same: at its own input, at twice its sides, and for one image; None where there are no forms."""
    architecture = found.architecture
    axes = architecture.family.axes
    ways: dict[str, list[dict[str, int]]] = {}
    for dtype in MEMORY_DTYPES:
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
