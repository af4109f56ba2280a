"""What is on the page of a layer: its figures at every size of its own dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import words
from ..cost import Quantity
from ..errors import unknown
from ..layers import LAYERS
from ..pages.script import Script
from ..symbolic import SYMBOL_OF, closed_form, layer_on_symbols
from .compare import DTYPES, SIDE
from .meanings import meaning
from .page_parts import AUTO, COLUMNS, NOTES, begin, beginnings, layer_row, parameter
from .sides import side

PATCH = 16
"""The side of a patch that a page begins with; elsewhere P is that of a pooled grid."""


def layer_page(script: Script, id: str, given: Mapping[str, object]) -> dict[str, Any]:
    """The data of the page.

    Raises:
        InputError: a value is not usable.
    """
    layer = LAYERS[id]
    dims = layer.dims
    if strange := next((name for name in given if name not in (*dims, "batch", "dtype")), None):
        raise unknown(f"--set of {id}", strange, (*dims, "batch", "dtype"))
    dtype = words.dtype(str(given.get("dtype", "float32")))
    if dtype not in DTYPES:
        raise unknown("--set dtype", dtype, DTYPES)
    own = {name: begin(SYMBOL_OF.get(name, name)) for name in dims} | {"batch": 1}
    own |= {"P": PATCH} if {"P", "H"} <= {*dims} else {}
    own |= beginnings({name: value for name, value in given.items() if name != "dtype"})
    if "heads" in own and "C" in own and "heads" not in given:
        own["heads"] = own["C"] // 32 if own["C"] % 32 == 0 else 1
    if "R" in own and "R" not in given:
        own["R"] = min(own["R"], own["h"], own["w"])
    layer.build(**layer.pick(own))

    def shown(name: str) -> dict[str, Any]:
        made = parameter(name, SYMBOL_OF.get(name, name), meaning(id, name), own[name], 1, SIDE)
        chosen = name not in given and {*dims} >= {"heads": {"C"}, "R": {"h", "w"}}.get(name, {""})
        return made | ({"step": 8} if name == "C" else {}) | ({"auto": AUTO[name]} if chosen else {})

    row = layer_row(
        script,
        (id, layer.name, layer.source),
        lambda quantity: side(id, quantity, {}).regimes,
        closed_form(layer_on_symbols(id), Quantity.MACS),
        names={},
    )
    grids = (pair for pair in (["h", "w"], ["H", "W"]) if {*pair} <= {*dims})
    return {
        "kind": "layer",
        "name": id,
        "title": layer.name,
        "about": f"{layer.source}. Exact at every size.",
        "parameters": [*map(shown, dims), parameter("batch", "B", "images or sequences", own["batch"], 1, SIDE)],
        "square": next(grids, None),
        "dtypes": DTYPES,
        "dtype": dtype,
        "columns": COLUMNS,
        "main": "macs",
        "crossing": False,
        "rowLabel": "Layer",
        "tableTitle": "What it costs",
        "rows": [row],
        "notes": list(NOTES),
    }
