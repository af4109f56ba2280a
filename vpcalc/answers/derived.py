"""What all answers of ``vpcalc derive`` have in common, however the figures were found."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..report import Caveat, Column, Kind, Table
from ..symbolic import Form
from .result import Result

ITSELF = "(itself)"
"""What a module computes in its own forward, beside the modules that it holds."""


@dataclass(frozen=True, kw_only=True)
class Derived(Result, ABC):
    """A module as it was asked about.

    Args:
        target, inputs: what was derived, as it was written.
        depth: how many levels of modules are shown.
        built: which class was built, where its name leaves that open.
        train_mode: whether it ran in train mode.
        quantity: what tables show beside multiply-accumulates: one quantity, ``all``, or none.
        by: ``operator`` or ``module``: the one table only.
    """

    target: str
    inputs: str
    depth: int
    built: str = ""
    train_mode: bool = False
    quantity: str = ""
    by: str = ""

    @property
    def asked(self) -> dict[str, Any]:
        """The first fields of the JSON object."""
        names = ("target", "built", "train_mode")
        return {"command": "derive", **{name: getattr(self, name) for name in names}, "input": self.inputs}

    @property
    def title(self) -> str:
        """The module and its input."""
        return f"{self.target}, input {self.inputs or 'as registered'}"

    @property
    def circumstances(self) -> list[str]:
        """What was built, and in which mode it ran."""
        notes = [f"built: {self.built}"] if self.built else []
        return [*notes, "in train mode"] if self.train_mode else notes

    def within(self, path: str) -> bool:
        """Whether a module lies so deep at most as is asked."""
        return bool(path) and path.count(".") < self.depth


def unpriced(calls: Mapping[str, int]) -> list[str]:
    """Operators without a price, with their calls."""
    named = ", ".join(f"{name} ({number})" for name, number in calls.items())
    return [Caveat(f"not in the total, because nobody here can price it: {named}")] if named else []


def forms_table(
    key: str, header: str, title: str, forms: Mapping[str, Form | None], total: Form | None, notes: Iterable[str]
) -> Table:
    """The forms of operators or modules, and that of the whole."""
    columns = (Column(key, header), Column("macs", "MACs in closed form", Kind.FORMULA))
    return Table(title, columns, (*forms.items(), ("total", total)), tuple(notes), total=True)
