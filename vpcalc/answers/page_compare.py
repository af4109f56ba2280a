"""What is on the page of ``compare``: its rows at every size, and where they cross."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..algebra.polynomial import as_polynomial
from ..cost import Quantity
from ..errors import InputError
from ..everywhere import Regime
from ..pages.script import SPELLINGS, Script
from ..symbolic import SYMBOL_OF
from .compare import DTYPES, PARTS, SIDE, Comparison, Row, compare
from .meanings import GRID, meaning
from .page_parts import case_steps, parameter
from .rows import AS_SEQUENCE, OurLayer, as_sequence
from .sides import side

if TYPE_CHECKING:
    from ..placing import Placed

BEGINS = {"h": 56, "w": 56, "C": 96}
"""The grid that a page begins with: that of Swin's first stage."""

COLUMNS = (Quantity.MACS, Quantity.PARAMS, Quantity.ATTENTION)


def compare_page(
    script: Script, rows: Iterable[str | Placed] | None, given: Mapping[str, object]
) -> dict[str, Any]:
    """The data of the page.

    Raises:
        InputError: a value or a row is not usable.
    """
    options = ("h", "w", "C", "M", "R", "P", "heads", "k", "r", "chunk", "batch", "dtype")
    begins: dict[str, Any] = {**BEGINS, **{name: given[name] for name in given if name in options}}
    others = {name: value for name, value in given.items() if name not in options}
    found = compare(**begins, set=others, rows=rows, check=False)
    used = {"h", "w", "C", *(name for row in found.rows for name in row.layer.dims if name not in AS_SEQUENCE)}
    names = [name for name in found.inputs if name in used]
    return {
        "kind": "compare",
        "name": "compare",
        **_titles(found),
        "parameters": [
            *(_parameter(name, found, begins) for name in names),
            parameter("batch", "B", "images", found.inputs["batch"], 1, SIDE),
        ],
        "square": ["h", "w"],
        "dtypes": DTYPES,
        "dtype": found.inputs["dtype"],
        "columns": [
            {"id": "macs", "label": "MACs", "kind": "count", "times": ["batch"]},
            {"id": "ratio", "label": f"× {found.rows[0].name}", "kind": "ratio", "of": "macs"},
            {"id": "params", "label": "Params", "kind": "count", "times": []},
            {"id": "attention_elements", "label": "Attention maps", "kind": "bytes", "times": ["batch", "item"]},
        ],
        "main": "macs",
        "rowLabel": "Layer",
        "tableTitle": "Side by side",
        "rows": [_row(script, row) for row in found.rows],
        "crossings": _crossings(script, found),
        "notes": [
            "MACs are multiply–accumulates of matrix products and convolutions, what the papers print as FLOPs.",
            "The attention maps are those of all heads and windows at once, in the element type.",
        ],
    }


def _titles(found: Comparison) -> dict[str, str]:
    if len(found.rows) == 1:
        row = found.rows[0]
        return {
            "title": row.name,
            "about": "One layer on a grid of tokens, exact at every size.",
            "command": f"vpcalc formula {row.id}",
        }
    return {
        "title": "What attention costs",
        "about": "Kinds of attention on one grid of tokens, exact at every size.",
        "command": "vpcalc compare",
    }


def _parameter(name: str, found: Comparison, begins: Mapping[str, Any]) -> dict[str, Any]:
    letter = SYMBOL_OF.get(name, name)
    has = [row.layer for row in found.rows if name in row.layer.dims]
    ours = next((layer.id for layer in has if isinstance(layer, OurLayer)), "")
    said = "side of the pooled grid of linear SRA" if name == "P" else meaning(ours, name)
    if not ours and letter not in GRID:
        said = f"{name} of {', '.join(layer.name for layer in has)}"
    made = parameter(name, letter, said, found.inputs[name], 1, SIDE)
    if name == "C":
        made["step"] = 8
    if name in ("heads", "R") and name not in begins:
        made["auto"] = {"heads": "C/32", "R": "8, or what the grid allows"}[name]
    return made


def _row(script: Script, row: Row) -> dict[str, Any]:
    cells = {}
    for quantity in COLUMNS:
        try:
            regimes = side(row.id, quantity.value, {}).regimes
        except InputError:
            if quantity is Quantity.MACS:
                raise
            continue
        cells[quantity.value] = script.law(
            regimes,
            row.form if quantity is Quantity.MACS else None,
            SPELLINGS if quantity is Quantity.MACS else "",
        )
        if quantity is Quantity.MACS and isinstance(row.layer, OurLayer):
            for case, regime in zip(cells[quantity.value]["cases"], regimes, strict=True):
                case["steps"] = script.steps(_steps(regime))
    source = ""
    if isinstance(row.layer, OurLayer):
        from ..layers import LAYERS

        source = LAYERS[row.id].source
    return {"id": row.id, "name": row.name, "source": source, "cells": cells}


def _steps(regime: Regime) -> list[Any]:
    from ..algebra.polynomial import symbol

    if regime.cost is None:
        return []
    grid = as_sequence({name: symbol(name) for name in ("h", "w", "C")})
    return case_steps(regime.cost, Quantity.MACS, {name: as_polynomial(form) for name, form in grid.items()})


def _crossings(script: Script, found: Comparison) -> list[dict[str, Any]]:
    """Where one row costs more than another, or a part of one than the rest of it."""
    names = {row.id: row.name for row in found.rows} | PARTS
    parts: dict[str, int] = {}
    for row in found.rows:
        if row.id == "msa":
            forms = row.layer.symbolic.by_operator(Quantity.MACS)
            parts = {f"msa:{kind}": script.form(as_polynomial(form), "") for kind, form in forms.items()}
    shown = []
    for each in found.crossovers:
        more, less = each.between
        shown.append(
            {
                "more": more,
                "less": less,
                "names": [names[more], names[less]],
                "forms": [parts.get(more), parts.get(less)],
                "mathml": each.mathml,
                "text": each.text,
                "latex": each.latex,
                "valid": each.valid,
            }
        )
    return shown
