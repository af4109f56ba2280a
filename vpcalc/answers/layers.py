"""``vpcalc layers``: the layers that vpcalc knows, each with its closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..layers import LAYERS
from ..report import Column, Hint, Kind, Table
from .formula import Formula, formula
from .result import Result


@dataclass(frozen=True)
class Layers(Result):
    """Layers in the order in which they are registered."""

    formulas: tuple[Formula, ...]

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "layers",
            "layers": [
                {
                    "id": each.name,
                    "name": each.title,
                    "dimensions": list(LAYERS[each.name].dims),
                    "formula": each.form.to_dict(),
                    "source": each.source,
                }
                for each in self.formulas
            ],
        }

    def tables(self) -> tuple[Table, ...]:
        """One row a layer."""
        columns = (
            Column("id", "Id", Kind.WORD),
            Column("name", "Layer", kept=True),
            Column("macs", "MACs in closed form", Kind.FORMULA),
            Column("dimensions", "Dimensions", wide=True),
            Column("source", "Source", wide=True),
        )
        rows = tuple(
            (each.name, each.title, each.form, ", ".join(LAYERS[each.name].dims), each.source)
            for each in self.formulas
        )
        hint = Hint(
            "vpcalc formula ID --legend says what the letters stand for; compare --rows ID,ID… counts them"
        )
        return (Table(f"{len(rows)} layers", columns, rows, (hint,)),)


def layers() -> Layers:
    """The layers that have a name, a user's own among them once they are loaded."""
    return Layers(tuple(map(formula, LAYERS)))
