"""``vpcalc model A B C``: several architectures in one table, a column each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..cost import Cost, Quantity
from ..errors import InputError, is_code
from ..optional import counts
from ..placing import Placed, as_placed
from ..report import Column, Kind, Table
from .model import Model, sized
from .own_model import OwnModel
from .result import Result

ROWS = {
    Quantity.PARAMS: "parameters",
    Quantity.MACS: "MACs",
    Quantity.FLOPS: "FLOPs",
    Quantity.FVCORE: "fvcore's convention",
    Quantity.ACTIVATIONS: "activations",
    Quantity.ATTENTION: "attention elements",
}
"""Quantities in the order of the table, as it calls them."""


@dataclass(frozen=True)
class SideBySide(Result):
    """Architectures, each as :func:`vpcalc.model` gives it, and what it is called beside the others."""

    models: tuple[Model | OwnModel, ...]
    names: tuple[str, ...]

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {"command": "model", "models": [each.to_dict() for each in self.models]}

    def checked(self) -> SideBySide:
        """The same with the instantiated modules counted by fvcore."""
        return SideBySide(tuple(each.checked() for each in self.models), self.names)

    @property
    def ok(self) -> bool:
        """Whether no check differs."""
        return all(each.ok for each in self.models)

    def tables(self) -> tuple[Table, ...]:
        """All quantities, then multiply-accumulates and parameters by stage, then the former by operator."""
        totals = [(words, [_total(each, quantity) for each in self.models]) for quantity, words in ROWS.items()]
        found = [self._table(self._title(), "quantity", "", totals, self._notes())]
        for words, quantity in (("MACs", Quantity.MACS), ("Parameters", Quantity.PARAMS)):
            stages = [_by_stage(each.cost, quantity) for each in self.models]
            found.append(self._parts(f"{words} by stage", "stage", stages, quantity))
        operators = [each.cost.by_operator(Quantity.MACS) for each in self.models]
        found.append(self._parts("MACs by operator", "operator", operators, Quantity.MACS))
        return tuple(found)

    def _parts(self, title: str, key: str, parts: list[dict[str, Any]], quantity: Quantity) -> Table:
        """A row for each part that any of the models has and that costs anything, and their total."""
        names = [name for name in _in_order(parts) if any(each.get(name) for each in parts)]
        rows = [(name, [each.get(name) for each in parts]) for name in names]
        rows.append(("total", [each.figure(quantity) for each in self.models]))
        return self._table(title, key, key.capitalize(), rows, (), total=True)

    def _table(
        self,
        title: str,
        key: str,
        header: str,
        rows: list[tuple[str, list[Any]]],
        notes: tuple[str, ...],
        total: bool = False,
    ) -> Table:
        own = [isinstance(each, OwnModel) for each in self.models]
        figures = (Column(name, name, Kind.COUNT, kept=kept) for name, kept in zip(self.names, own, strict=True))
        columns = (Column(key, header, Kind.WORD), *figures)
        return Table(title, columns, tuple((name, *cells) for name, cells in rows), notes, total)

    def _title(self) -> str:
        sizes = dict.fromkeys(each.size for each in self.models)
        at = f" at {next(iter(sizes))}" if len(sizes) == 1 else ", each at its own size"
        return f"{len(self.models)} models{at}, batch {self.models[0].batch}"

    def _notes(self) -> tuple[str, ...]:
        notes = []
        named = list(zip(self.names, self.models, strict=True))
        if len({each.size for each in self.models}) > 1:
            notes.append("; ".join(f"{name} at {each.size}" for name, each in named))
        said: dict[str, list[str]] = {}
        for name, each in named:
            if each.report is not None:
                held = str(each.report) == "agrees"
                words = "fvcore, activations and params agree with the counted module"
                words = words if held else str(each.report)
                said.setdefault(words, []).append(name)
        notes += [f"{', '.join(names)}: {words}" for words, names in said.items()]
        for name, each in named:
            remarks = each.notes
            if remarks:
                more = f"; {len(remarks) - 1} more where it stands alone" if remarks[1:] else ""
                notes.append(f"{name}: {remarks[0]}{more}")
        return tuple(notes)


def _total(model: Model | OwnModel, quantity: Quantity) -> int | None:
    """A figure of a model; none of fvcore's convention where it was priced in part."""
    in_part = quantity is Quantity.FVCORE and isinstance(model, OwnModel) and model.no_fvcore
    return None if in_part else model.figure(quantity)


def side_by_side(names: Iterable[str], *, check: bool | None = None, **asked: Any) -> SideBySide:
    """The costs of several architectures, all asked in the same way.

    Args:
        names: ids or aliases, two at least; in brackets settings of one of them, ``swin_t(C=48)``.
        check: count the instantiated modules with fvcore; if left out, where torch and fvcore are installed.
        asked: what :func:`vpcalc.model` is asked: ``set`` of models of ours, ``args`` of code.

    Raises:
        InputError: a name that is not known or is given twice, or what :func:`vpcalc.model` refuses for one.
    """
    told = [(name, as_placed(name, "NAME", shown=True)) for name in names]
    models = tuple(sized(name if is_code(name) else row.untitled, **_of(row, asked)) for name, row in told)
    if len(models) < 2:
        raise InputError("NAME: give two models at least, such as swin_t resnet50")
    called = [
        row.title or (name if row.arguments else each.id) for each, (name, row) in zip(models, told, strict=True)
    ]
    name, times = Counter(called).most_common(1)[0]
    if times > 1:
        raise InputError(f"NAME {name}: given {times} times; once is enough")
    found = SideBySide(models, tuple(called))
    return found.checked() if counts(check) else found


def _of(row: Placed, asked: dict[str, Any]) -> dict[str, Any]:
    """What is asked of one of several: settings of ours only, arguments of code only; not what it says itself."""
    mine, other = ("args", "set") if is_code(row.target) else ("set", "args")
    given = {name: value for name, value in (asked.get(mine) or {}).items() if name not in row.arguments}
    return {**asked, other: None, mine: given, **({"input": None} if "@" in row.behind else {})}


def _by_stage(cost: Cost, quantity: Quantity) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for stage in cost.stages():
        found[stage.name] = found.get(stage.name, 0) + stage.total(quantity)
    return found


def _in_order(parts: Iterable[Iterable[str]]) -> list[str]:
    """Every name once, each where it comes in the first model that has it, after those before it there."""
    found: list[str] = []
    for names in parts:
        at = 0
        for name in names:
            if name in found:
                at = found.index(name) + 1
            else:
                found.insert(at, name)
                at += 1
    return found
