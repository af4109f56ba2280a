"""What is on the page of a model: its stages at every input, and in its settings around their own values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm
from typing import Any

from ..abstract.tensor import FLOATS
from ..algebra.conditions import spell
from ..algebra.domains import Domain, Where, at_least
from ..algebra.polynomial import symbol
from ..architectures.registry import spelled
from ..cost import Quantity
from ..pages.script import SPELLINGS, Script
from ..symbols import ALPHABET
from .model import Model, our_model
from .page_memory import DTYPES, memory_of
from .page_parts import command, parameter, shapes_of
from .page_settings import COUNTS, ONCE, Leaf, Setting, everywhere, without_letter

MEANINGS = {each.name: each.meaning for each in ALPHABET}

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
    settings, idle, leaves = everywhere(architecture, config, found.sizes)
    values = {each.letter: each.value for each in settings}
    own = _own(settings)
    rows = _rows(script, leaves, own, found)
    left = ", ".join(
        f"{each} = {spelled(value).lower()}"
        for each, value in architecture.family.said(config).items()
        if not any(setting.of == each for setting in settings)
    )
    grid = bool(rows[0].get("block"))
    return {
        "kind": "model",
        "name": name,
        "title": architecture.id,
        "about": f"{architecture.source}. Exact at every input{', with ' + left + ' fixed' if left else ''}.",
        "parameters": [
            *(
                parameter(axis, axis, MEANINGS[axis], size, 1, 8192)
                for axis, size in axes.point(found.sizes).items()
            ),
            *(_setting(each, leaves[0].domain, values, architecture.family.meanings) for each in settings),
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
        "leaves": [
            {
                "path": script.path(leaf.domain),
                **({"refused": leaf.refused} if leaf.refused else {"where": spell(Where((leaf.domain,)), "text")}),
            }
            for leaf in leaves
        ],
        "beyond": "no form is known at these sizes; vpcalc model has what lies there",
        "memory": memory_of(script, found, settings, f"{command('memory', name, asked)} --train"),
        "notes": [
            "MACs are multiply–accumulates of matrix products and convolutions, the papers' FLOPs.",
            *(
                f"{each} is no slider: no form was found that holds at all its values. --set {each}=… makes a "
                "page with another one."
                for each in without_letter(config, (*settings, *idle))
            ),
            *(f"{each} is no slider: nothing here depends on it." for each in dict.fromkeys(s.of for s in idle)),
        ],
    }


def _own(settings: Sequence[Setting]) -> Where | None:
    """Where the settings are the model's own; None where there are none."""
    guards = [
        guard
        for each in settings
        for guard in (at_least(symbol(each.letter) - each.value), at_least(each.value - symbol(each.letter)))
    ]
    return Where((Domain(tuple(each.letter for each in settings), tuple(guards)),)) if settings else None


def _setting(
    setting: Setting, domain: Domain, values: Mapping[str, int], meanings: Mapping[str, str]
) -> dict[str, Any]:
    """A setting as a parameter; its slider stops where what has to divide it does."""
    letter, value = setting.letter, setting.value
    # its family's own: in a Transformer N and h are not those of a grid; what it is as a word is left out
    meaning = meanings.get(setting.of, setting.of).partition(";")[0].partition(", or an expression")[0]
    if setting.place is not None:
        meaning = f"{meaning.replace(' of each stage', '')} of stage {setting.place + 1}"
    made = parameter(setting.name, letter, meaning, value, 1, MOST)
    steps = [
        next(step for step in range(1, MOST) if guard.form.at({letter: step}) % guard.divisor.at(values) == 0)
        for guard in domain.guards
        if guard.divisor is not None and guard.form.letters == {letter}
    ]
    made["step"] = lcm(8 if letter == "C" and value % 8 == 0 else 1, *steps)
    return {**made, **({} if setting.place is None else {"of": setting.of})}


def _rows(script: Script, leaves: Sequence[Leaf], own: Where | None, found: Model) -> list[dict[str, Any]]:
    """A row a stage, and the total; each form in each regime."""
    tidy = found.form if found.batch == 1 else our_model(found.id, set=found.config).form
    main = next(leaf.forms for leaf in leaves if leaf.forms)
    names = list(dict.fromkeys(key[0] for key in main))
    shared = [leaf.forms for leaf in leaves if leaf.forms and ("total", ONCE[Quantity.MACS]) in leaf.forms]

    def law(name: str, *what: Any, written: str = "") -> dict[str, Any]:
        """Each form once, and which it is in each regime."""
        key, cases = (name, *what), list[dict[str, Any]]()
        at = []
        for forms in (leaf.forms for leaf in leaves):
            case: dict[str, Any] = {} if forms is None else {"form": script.form(forms[key], written)}
            if forms is not None and written and name != "total":
                steps = [(each[2:], form) for each, form in forms.items() if each[:2] == (name, "step") and form]
                case["steps"] = script.steps(
                    [(path, op.kind, shapes_of(op, 1, {}), form) for (path, op), form in steps]
                )
            if case not in cases:
                cases.append(case)
            at.append(cases.index(case))
        return {"at": at, "cases": cases}

    rows: list[dict[str, Any]] = []
    for name in names:
        cells: dict[str, Any] = {
            each.value: law(name, each.value, written=SPELLINGS if each is Quantity.MACS else "")
            for each in COUNTS
        }
        cells |= {once: law(name, once) for once in ONCE.values() if any(forms[name, once] for forms in shared)}
        row: dict[str, Any] = {"id": name, "name": name, "cells": cells, "source": ""}
        if name == "total":
            cells["macs"]["tidy"] = {**script.tidy(tidy), **({"when": script.condition(own)} if own else {})}
            row |= {"total": True, "source": found.source}
        else:
            cells["channels"] = law(name, "channels")
        if (name, "side", 1) in main:
            cells["sides"] = [law(name, "side", at) for at in range(2)]
            row["block"] = {
                "sides": cells["sides"],
                "channels": cells["channels"],
                "depth": law(name, "depth"),
            }
        rows.append(row)
    return rows
