"""``vpcalc models``: the architectures that vpcalc knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..architectures import Architecture
from ..architectures.registry import in_order, listed
from ..errors import unknown
from ..report import Column, Kind, Table
from .result import Result


@dataclass(frozen=True, slots=True)
class Models(Result):
    """A list of architectures."""

    architectures: tuple[Architecture, ...]

    def to_dict(self) -> dict[str, Any]:
        """The command's JSON object."""
        return {
            "command": "models",
            "models": [
                {
                    "id": a.id,
                    "family": a.family.name,
                    "aliases": list(a.aliases),
                    "source": a.source,
                    "input": list(a.sizes),
                    "axes": list(a.family.axes),
                    "config": {name: listed(value) for name, value in a.config.items()},
                }
                for a in self.architectures
            ],
        }

    def tables(self) -> tuple[Table, ...]:
        """One row an architecture."""
        columns = (
            Column("id", "Model", Kind.WORD),
            Column("family", "Family", Kind.WORD),
            Column("input", "Input", Kind.WORD),
            Column("aliases", "Also known as"),
            Column("source", "Source", wide=True),
        )
        rows = tuple((a.id, a.family.name, _input(a), ", ".join(a.aliases), a.source) for a in self.architectures)
        notes = ("vpcalc model NAME shows one; vpcalc formula NAME gives its closed form",)
        return (Table(f"{len(rows)} models", columns, rows, notes),)


def models(family: str | None = None) -> Models:
    """The architectures, all or those of one family.

    Raises:
        InputError: an unknown family.
    """
    every = in_order()
    families = {a.family.name for a in every}
    if family is not None and family not in families:
        raise unknown("family", family, families)
    return Models(tuple(a for a in every if family in (None, a.family.name)))


def _input(architecture: Architecture) -> str:
    return f"{','.join(architecture.family.axes)} = {'×'.join(map(str, architecture.sizes))}"
