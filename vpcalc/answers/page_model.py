"""What is on the page of a model: its stages at every input, and in its settings around their own values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import lcm
from typing import Any

from ..abstract.tensor import FLOATS
from ..algebra.conditions import spell
from ..algebra.domains import Domain, Where, at_least, union
from ..algebra.polynomial import Polynomial, symbol
from ..architectures.registry import spelled
from ..cost import Quantity
from ..everywhere import Condition, Regime, model_run, trees
from ..pages.script import Script
from ..symbolic import SYMBOL_OF, Form
from ..symbols import ALPHABET
from .model import Model, our_model
from .page_memory import DTYPES, memory_of
from .page_parts import case_steps, parameter
from .page_settings import COUNTS, Leaf, Stage, stages_of
from .page_settings import around as around_own

MOST = 65536
"""The largest size of a parameter."""


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
        (union([domain]), None if cost is None else stages_of(cost, domain.fixed), refused)
        for domain, cost, refused in fixed
    ]
    settings = around_own(architecture, config, found.sizes)
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
        "dtypes": {each: FLOATS[each].bytes for each in DTYPES},
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
        "memory": memory_of(script, found, also),
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
