"""What is on the page of ``compare``: its rows at every size, and where they cross."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..algebra.polynomial import as_polynomial, symbol
from ..cost import Quantity
from ..everywhere import Regime
from ..layers import LAYERS
from ..pages.script import Script
from ..symbolic import SYMBOL_OF
from .compare import DTYPES, PARTS, SIDE, Comparison, Row, compare
from .meanings import GRID, meaning
from .page_parts import AUTO, COLUMNS, NOTES, begin, beginnings, layer_row, parameter
from .rows import AS_SEQUENCE, OurLayer, OwnLayer, as_sequence
from .sides import side

if TYPE_CHECKING:
    from ..placing import Placed
    from .formula import Formula

MAPS = "The attention maps of code are what softmax returns and fused attention computes."
"""What they are there, where nobody says what is one."""


def compare_page(
    script: Script, rows: Iterable[str | Placed] | None, given: Mapping[str, object]
) -> dict[str, Any]:
    """The data of the page.

    Raises:
        InputError: a value or a row is not usable.
    """
    options = ("h", "w", "C", "M", "R", "P", "heads", "k", "r", "chunk", "batch", "dtype")
    begins: dict[str, Any] = {
        **{name: begin(name) for name in "hwC"},
        **beginnings({name: value for name, value in given.items() if name in options and name != "dtype"}),
        **{name: given[name] for name in given if name == "dtype"},
    }
    others = {name: value for name, value in given.items() if name not in options}
    found = compare(**begins, set=others, rows=rows, check=False)
    used = {"h", "w", "C", *(name for row in found.rows for name in row.layer.dims if name not in AS_SEQUENCE)}
    names = [name for name in found.inputs if name in used]
    return {
        "kind": "compare",
        "name": "compare",
        "title": "What attention costs",
        "about": "Kinds of attention on one grid of tokens, exact at every size.",
        "parameters": [
            *(_parameter(name, found, begins) for name in names),
            parameter("batch", "B", "images", found.inputs["batch"], 1, SIDE),
        ],
        "square": ["h", "w"],
        "dtypes": DTYPES,
        "dtype": found.inputs["dtype"],
        "columns": [
            COLUMNS[0],
            {"id": "ratio", "label": f"× {found.rows[0].name}", "kind": "ratio", "of": "macs"},
            *COLUMNS[1:],
        ],
        "main": "macs",
        "rowLabel": "Layer",
        "tableTitle": "Side by side",
        "rows": [_row(script, row) for row in found.rows],
        "crossings": _crossings(script, found),
        "notes": [*NOTES, *([MAPS] if any(isinstance(row.layer, OwnLayer) for row in found.rows) else [])],
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
        made["auto"] = AUTO[name]
    return made


def _row(script: Script, row: Row) -> dict[str, Any]:
    """A row; layers over a sequence run over the grid's tokens."""
    if isinstance(row.layer, OwnLayer):
        code = _everywhere(row.layer.row)
        return layer_row(script, (row.id, row.name, ""), lambda figure: code(figure).regimes, row.form, {})
    grid = {name: as_polynomial(form) for name, form in _GRID.items()}

    def regimes(figure: str) -> Sequence[Regime]:
        found = side(row.id, figure, {})
        return found.at({letter: form for letter, form in grid.items() if letter in found.letters}).regimes

    return layer_row(script, (row.id, row.name, LAYERS[row.id].source), regimes, row.form, grid)


def _everywhere(row: Placed) -> Callable[[str], Formula]:
    """Of code, which is run on symbols once, each quantity at every size."""
    from ..checks.placed_layers import find_placed
    from .executed_formula import executed, formula_of

    target, arguments = find_placed(row, "page")
    return partial(formula_of, executed(row.target, target.spelled, arguments, {}), names={}, everywhere=True)


_GRID = as_sequence({name: symbol(name) for name in ("h", "w", "C")})


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
