"""``vpcalc diff``: what a change of code did to a model's cost, in figures or in closed form, module by module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..algebra.floors import equal, on_lattice
from ..algebra.polynomial import Polynomial, as_polynomial
from ..auditing.process import Limits
from ..errors import InputError
from ..inputs import whole
from ..optional import require_torch
from ..report import Caveat, Column, Kind, Table
from ..report.numbers import exact, growth, signed
from ..symbolic import Form, divisions
from .diff_changes import Amount, Change, Changes, Move, Respelled, blocks, changes, together
from .diff_cost import Cost, Verdict, macs_at, same_macs, same_params
from .diff_sides import Side, costs, read_side
from .result import Result

SHOWN = 4
"""Moves that a note names."""


LONGEST = 160
"""Characters of a condition that a note holds; a longer one is for ``vpcalc derive``."""


class Delta(Form):
    """A form that is added: with its sign."""

    def spell(self, spelling: str) -> str:
        """As a form, with a plus in front of a first term that has none."""
        written = super().spell(spelling)
        is_plain = spelling in ("text", "latex", "typst") and not written.startswith(("-", "−"))
        return f"+{written}" if is_plain and self.polynomial else written


@dataclass(frozen=True)
class Diff(Result):
    """Two costs, and what lies between them.

    ``macs`` and ``params`` say whether these are equal, and name a size at which they are not.
    """

    sides: tuple[Side, Side]
    base: Cost
    head: Cost
    inputs: str
    macs: Verdict
    params: Verdict

    @property
    def ok(self) -> bool:
        """Whether both cost the same in all; where in it may have changed."""
        return self.macs.equal and self.params.equal and not self.unpriced

    @property
    def verdict(self) -> str:
        """One word."""
        return "equal" if self.ok else "different"

    @cached_property
    def changes(self) -> Changes:
        """Multiply-accumulates, by module and operator."""
        return changes(self.base.places, self.head.places)

    @cached_property
    def weights(self) -> Changes:
        """Parameters, by module, where both sides say them."""
        if self.base.weights is None or self.head.weights is None:
            return Changes((), ())
        return changes(self.base.weights, self.head.weights)

    @property
    def unpriced(self) -> dict[str, tuple[int, int]]:
        """Operators that nobody can price whose calls changed, from how many to how many."""
        if self.base.unknown is None or self.head.unknown is None:
            return {}
        found = {name: (self.base.unknown.get(name, 0), self.head.unknown.get(name, 0)) for name in self._unknown}
        return {name: calls for name, calls in found.items() if calls[0] != calls[1]}

    @property
    def _unknown(self) -> list[str]:
        return sorted({**(self.base.unknown or {}), **(self.head.unknown or {})})

    @property
    def symbols(self) -> Mapping[str, str]:
        """What the letters mean; empty where both sides are numbers."""
        return {**self.base.symbols, **self.head.symbols}

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "diff",
            "base": self.sides[0].to_dict(),
            "head": self.sides[1].to_dict(),
            "input": self.inputs,
            "symbols": dict(self.symbols),
            "verdict": self.verdict,
            "macs": self._pair(self.base.macs, self.head.macs, self.macs),
            "params": self._pair(self.base.params, self.head.params, self.params),
            "changes": [
                *({"quantity": "macs", **self._change(change)} for change in self.changes.changed),
                *({"quantity": "params", **self._change(change)} for change in self.weights.changed),
            ],
            "moved": [self._move(move) for move in self.changes.moved],
            "respelled": [
                {"modules": list(each.paths), "base": list(each.before), "head": list(each.after)}
                for each in self.changes.respelled
            ],
            "unknown": {name: list(calls) for name, calls in self.unpriced.items()},
            "notes": list(self._notes()),
        }

    def _pair(self, base: Amount, head: Amount, verdict: Verdict) -> dict[str, Any]:
        sizes = {"at": verdict.at, "refused_at": verdict.fewer}
        found = {name: dict(point) for name, point in sizes.items() if point is not None}
        return {"base": _plain(base), "head": _plain(head), "change": _plain(head - base), **found}

    def _change(self, change: Change) -> dict[str, Any]:
        return {
            "module": together(change.paths),
            "modules": list(change.paths),
            "operator": change.operator,
            "base": _plain(change.base),
            "head": _plain(change.head),
            "change": _plain(change.each),
        }

    def _move(self, move: Move) -> dict[str, Any]:
        fields = {"from": list(move.before), "to": list(move.after), "operator": move.operator}
        return {**fields, "macs": _plain(move.amount)}

    def tables(self) -> tuple[Table, ...]:
        """All in all, then what changed, equal modules in one line."""
        by_module = [
            self._changed("Multiply-accumulates that changed", "MACs", self.changes.changed),
            self._changed("Parameters that changed", "parameters", self.weights.changed),
        ]
        return (self._totals(), *(table for table in by_module if table.rows))

    def sheet(self) -> Table:
        """Totals and changes, one line each."""
        columns = (
            Column("quantity", "Quantity"),
            Column("module", "Module"),
            Column("operator", "Operator"),
            Column("base", "Base"),
            Column("head", "Head"),
            Column("change", "Change in each"),
            Column("modules", "Modules", Kind.NUMBER),
        )
        totals = (("macs", self.base.macs, self.head.macs), ("params", self.base.params, self.head.params))
        rows: list[tuple[Any, ...]] = [(name, "", "", base, head, head - base, 1) for name, base, head in totals]
        for name, found in (("macs", self.changes), ("params", self.weights)):
            rows += [
                (name, together(c.paths), c.operator, c.base, c.head, c.each, len(c.paths)) for c in found.changed
            ]
        return Table(self.title, columns, tuple(rows))

    def beside_the_sheet(self) -> tuple[Table, ...]:
        """Nothing."""
        return ()

    @property
    def title(self) -> str:
        """Both sides, and by how much they differ."""
        return f"{self.sides[0].name} → {self.sides[1].name}: {self._headline()}"

    @cached_property
    def _tidy(self) -> tuple[Delta, str] | None:
        """The change of multiply-accumulates where everything divides, and where that is; None if none has to."""
        tidy = on_lattice(as_polynomial(self.head.macs - self.base.macs))
        if tidy is None or not (where := divisions(tidy, self.symbols)):
            return None
        return _delta(tidy.form), "; ".join(where)

    def _headline(self) -> str:
        if self.ok:
            return "equal"
        found = []
        for name, verdict, base, head in self._quantities():
            if not verdict.equal:
                written = _share(base, head) if not self.symbols else str(_delta(head - base))
                where = ""
                if len(written) > LONGEST // 2 and name == "MACs" and self._tidy is not None:
                    written, where = str(self._tidy[0]), f" for {self._tidy[1]}"
                found.append(self._elsewhere(name, verdict) if equal(base, head) else f"{written} {name}{where}")
        found += ["operators without a price"] if self.unpriced else []
        return ", ".join(found)

    def _elsewhere(self, name: str, verdict: Verdict) -> str:
        """Of forms that are equal though figures are not: that these are those of other sizes."""
        where = {side.condition for side in (self.base, self.head) if side.condition}
        alike = f" for {where.pop()}" if len(where) == 1 else " nearly everywhere"
        return f"equal {name}{alike}, others at {_sizes(verdict.at or {})}"

    def _quantities(self) -> tuple[tuple[str, Verdict, Amount, Amount], ...]:
        return (
            ("MACs", self.macs, self.base.macs, self.head.macs),
            ("parameters", self.params, self.base.params, self.head.params),
        )

    def _totals(self) -> Table:
        numbers = not self.symbols
        kind = Kind.NUMBER if numbers else Kind.FORMULA
        columns = (
            Column("quantity", "Quantity"),
            Column("base", "Base", kind, kept=True),
            Column("head", "Head", kind, kept=True),
            Column("change", "Change", Kind.CHANGE if numbers else kind),
            *((Column("share", "Of base", Kind.WORD),) if numbers else ()),
        )
        rows = []
        for name, _, base, head in self._quantities():
            share = (_share(base, head),) if numbers else ()
            rows.append((name, self._shown(base), self._shown(head), self._signed(head - base), *share))
        return Table(self.title, columns, tuple(rows), self._notes())

    def _changed(self, title: str, unit: str, found: Sequence[Change]) -> Table:
        numbers = not self.symbols
        kind = Kind.NUMBER if numbers else Kind.FORMULA
        columns = (
            Column("module", "Module"),
            *((Column("operator", "Operator"),) if unit == "MACs" else ()),
            Column("base", "Base", kind),
            Column("head", "Head", kind),
            Column("change", "Change in each", Kind.CHANGE if numbers else kind, kept=True),
            Column("modules", "Modules", Kind.NUMBER),
        )
        rows = []
        for change in found:
            operator = (change.operator,) if unit == "MACs" else ()
            amounts = (self._shown(change.base), self._shown(change.head), self._signed(change.each))
            rows.append((together(change.paths), *operator, *amounts, len(change.paths)))
        return Table(title, columns, tuple(rows))

    def _shown(self, amount: Amount) -> int | Form:
        return Form(as_polynomial(amount)) if self.symbols else int(_plain(amount))

    def _signed(self, amount: Amount) -> int | Form:
        return _delta(amount) if self.symbols else int(_plain(amount))

    def _notes(self) -> tuple[str, ...]:
        notes = [f"input {self.inputs}"] if self.inputs else []
        old, new = self.base.inputs, self.head.inputs
        if None not in (old, new) and old != new:
            notes = [Caveat(f"not the same input: BASE was counted at {old}, HEAD at {new}")]
        for name, verdict, base, head in self._quantities():
            if verdict.at is not None and equal(base, head):  # the forms that are shown are not those that differ
                figures = [macs_at(side, verdict.at) for side in (self.base, self.head) if name == "MACs"]
                they_are = ": " * bool(figures) + " and ".join(exact(f) for f in figures if f is not None)
                notes.append(f"{name} differ at {_sizes(verdict.at)}{they_are}")
            elif verdict.equal and verdict.tried and self.symbols:
                notes.append(f"{name} are equal at {verdict.tried} sizes that were tried")
            if verdict.fewer is not None:
                notes.append(f"one of them refuses {_sizes(verdict.fewer)}, where the other runs")
        if not self.macs.equal and self._tidy is not None:
            notes.append(Caveat(f"{self._tidy[0]} MACs for {self._tidy[1]}"))
        for alike, amount in blocks(self.changes.changed):
            written = _delta(amount) if self.symbols else signed(int(_plain(amount)))
            notes.append(f"{written} MACs in each of {len(alike)}: {together(alike)}")
        if self.macs.equal and self.changes.changed:
            notes.append("the same multiply-accumulates in all, arranged otherwise")
        if self.changes.moved:
            notes.append(f"moved at the same cost: {_moved(self.changes.moved)}")
        if self.changes.respelled:
            notes.append(f"by other operators at the same cost: {_other_operators(self.changes.respelled)}")
        why = "because nobody here can price it"
        for name, (before, after) in self.unpriced.items():
            notes.append(Caveat(f"not in the total, {why}: {name} ({before} → {after} calls)"))
        still = [name for name in self._unknown if name not in self.unpriced]
        if still:
            notes.append(Caveat(f"not in the total of either, {why}: {', '.join(still)}"))
        where = dict.fromkeys(side.condition for side in (self.base, self.head) if side.condition)
        notes += [Caveat(f"the forms hold for {condition}") for condition in where if len(condition) <= LONGEST]
        for side, cost in zip(self.sides, (self.base, self.head), strict=True):
            notes += [f"{side.option}: {note}" for note in cost.notes]
            running = sum(regime.form is not None for regime in cost.regimes)
            notes += [f"{side.option} has {running} regimes; the widest is shown"] if running > 1 else []
        return tuple(dict.fromkeys(notes))


def _sizes(point: Mapping[str, int]) -> str:
    return ", ".join(f"{letter} = {size}" for letter, size in point.items())


def diff(
    base: object,
    head: object,
    *,
    target: str | None = None,
    input: str | None = None,
    args: Mapping[str, object] | None = None,
    inputs: object = None,
    range: Mapping[str, object] | None = None,
    prices: Mapping[str, object] | None = None,
    train_mode: bool = False,
    timeout: object = 600,
    memory: object = 16,
) -> Diff:
    """Compare what two versions of a model cost.

    Each is a snapshot of ``vpcalc.testing.assert_cost``, a target as :func:`vpcalc.derive` takes it, or either
    at a git revision: ``HEAD~1:attn.py:make``, ``main:tests/cost/model.json``. What is at a revision is built from
    the repository's files there, in a folder of its own.

    Args:
        base, head: before and after. With a ``target`` they are git revisions; ``.`` is the files as they are.
        target: what is compared at both: ``file.py:factory``, ``package.module:factory`` or a snapshot.
        input, args, inputs, range, prices, train_mode: of both, as :func:`vpcalc.derive` has them. With numbers
            alone they are counted, with letters compared in closed form.
        timeout, memory: seconds and GiB that each of the two processes may take in which they are built.

    Raises:
        InputError: one of them cannot be read, found or built; or one has letters and the other has not.
    """
    limits = Limits(float(whole("--timeout", timeout, high=86_400)), whole("--memory", memory, high=4096) << 30)
    sides = (read_side("BASE", base, target), read_side("HEAD", head, target))
    if all(side.is_snapshot for side in sides) and (input or inputs or args):
        raise InputError("--input: two snapshots were recorded at inputs of their own")
    if not all(side.is_snapshot for side in sides):
        require_torch("diff")
    how = {"input": input, "args": args, "inputs": inputs, "range": range, "prices": prices}
    before, after = costs(sides, {**how, "train_mode": train_mode}, limits)
    if bool(before.symbols) != bool(after.symbols):
        recorded = next((side for side in sides if side.is_snapshot), sides[0])
        raise InputError(f"{recorded.option} {recorded.name}: has numbers alone; give numbers in --input too")
    if before.symbols and _has_no_operators(before) != _has_no_operators(after):
        before, after = _without_operators(before), _without_operators(after)
    shown = "" if input is None and inputs is None else str(input or inputs)
    return Diff(sides, before, after, shown, same_macs(before, after), same_params(before, after))


def _has_no_operators(cost: Cost) -> bool:
    return not any(operator for _, operator in cost.places)


def _without_operators(cost: Cost) -> Cost:
    """By module alone: what was found from counts says no more."""
    places: dict[tuple[str, str], Amount] = {}
    for (path, _), amount in cost.places.items():
        places[path, ""] = places.get((path, ""), 0) + amount
    return replace(cost, places=places)


def _plain(amount: Amount) -> Any:
    """A number, or a form's fields."""
    if isinstance(amount, Polynomial):
        return Form(amount).to_dict() if amount.letters else amount.value({})
    return amount


def _share(base: Amount, head: Amount) -> str:
    before, after = int(_plain(base)), int(_plain(head))
    return growth(before, after) or f"+{exact(after)}"


def _delta(amount: Amount) -> Delta:
    return Delta(as_polynomial(amount))


def _moved(moves: Sequence[Move]) -> str:
    return _first(f"{together(move.before)} → {together(move.after)}" for move in moves)


def _other_operators(respelled: Sequence[Respelled]) -> str:
    return _first(
        f"{together(each.paths)} ({', '.join(each.before)} → {', '.join(each.after)})" for each in respelled
    )


def _first(written: Iterable[str]) -> str:
    named = list(dict.fromkeys(written))
    return ", ".join(named[:SHOWN]) + (f" and {len(named) - SHOWN} more" if len(named) > SHOWN else "")
