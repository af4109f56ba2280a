"""What ``vpcalc derive`` answers where no side of the input is a letter: numbers, module by module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..algebra.polynomial import constant
from ..checks.measured import Further, Measured, Part
from ..checks.quantities import QUANTITIES
from ..counters.pricing import announced
from ..report import Column, Kind, Table
from ..symbolic import Form
from .derived import Derived, unpriced


@dataclass(frozen=True, kw_only=True)
class AtSize(Derived):
    """One counted run of a module.

    Args:
        measured: the run, with every module.
        backward: whether the gradients are counted too.
        further: what it costs beside multiply-accumulates, from another run.
        sources: operators whose price is not ours, and whose it is: ``user`` or ``torch``.
    """

    measured: Measured
    backward: bool
    sources: Mapping[str, str]
    further: Callable[[], Further] = lambda: Further({}, {})

    @property
    def macs(self) -> int:
        """Multiply-accumulates, of the backward pass too where that was asked for."""
        return self.measured.counts.macs

    @property
    def params(self) -> int:
        """Trained parameters."""
        return self.measured.parts[0].params

    @property
    def quantities(self) -> Mapping[str, int]:
        """What it costs beside multiply-accumulates; without what cannot be seen."""
        return self._seen.figures

    def completed(self, told: object = None) -> AtSize:
        """See :class:`Result`: other quantities."""
        _ = self._seen
        return self

    @cached_property
    def _seen(self) -> Further:
        """Further figures, and why others are missing."""
        return self.further()

    def _not_seen(self, asked: Iterable[str]) -> str:
        """Quantities that were asked for and not seen, with why."""
        by_reason: dict[str, list[str]] = {}
        for name in asked:
            if name in self._seen.missing:
                by_reason.setdefault(self._seen.missing[name], []).append(QUANTITIES[name].name)
        return "; ".join(f"{', '.join(names)}: {why}" for why, names in by_reason.items())

    def parts(self) -> tuple[Part, ...]:
        """The modules within the whole, to the given depth; those that never ran have no output."""
        return tuple(part for part in self.measured.parts[1:] if self.within(part.path))

    def fields(self) -> dict[str, Any]:
        """The command's JSON object: that of a closed form, whose forms are numbers."""
        counts = self.measured.counts
        return {
            **self.asked,
            "symbols": {},
            "regimes": [],
            "complete": True,
            "range": {},
            "macs": _number(self.macs),
            "valid": {},
            "verdict": "checked",
            "params": _number(self.params),
            **({"backward_macs": _number(counts.backward)} if self.backward else {}),
            **{name: _number(figure) for name, figure in self.quantities.items()},
            "not_seen": self._not_seen(self._seen.missing),
            "operators": {name: _number(macs) for name, macs in counts.operators.items()},
            "modules": {part.path: _number(part.macs) for part in self.parts()},
            "layers": [_row(part) for part in (self.measured.parts[0], *self.parts())],
            "unknown": dict(counts.unknown),
            "sources": dict(self.sources),
            "fixed": {},
            "regime": self.measured.regime.text,
            "method": self.measured.way.value,
            "backward": self.backward,
            "points": 1,
            "held_out": 0,
        }

    def tables(self) -> tuple[Table, ...]:
        """Every module to the given depth, and operators."""
        passes = ", forward and backward" if self.backward else ""
        columns = (
            Column("module", "Module", Kind.WORD),
            Column("kind", "Class", Kind.WORD, wide=True),
            Column("output", "Output", Kind.WORD),
            Column("params", "Parameters", Kind.NUMBER),
            Column("macs", "MACs", Kind.NUMBER),
            Column("share", "Of all", Kind.SHARE),
            Column("calls", "Calls", Kind.NUMBER, wide=True),
            Column("output_bytes", "Output bytes", Kind.BYTES, wide=True),
            Column("weight_bytes", "Weights", Kind.BYTES, wide=True),
        )
        rows = [self._cells(part, part.path) for part in self.parts()]
        rows.append(self._cells(self.measured.parts[0], "whole"))
        layers = Table(self.title + passes, columns, tuple(rows), self._notes(), total=True)
        found = [self._further()] if self.quantity not in ("", "macs") else []
        found += [layers] if self.by != "operator" else []
        found += [self._operators()] if self.by != "module" else []
        return tuple(found)

    def _further(self) -> Table:
        columns = (Column("quantity", "Quantity"), Column("figure", "Figure", Kind.NUMBER), Column("unit", "Unit"))
        figures = {"macs": self.macs, "params": self.params, **self.quantities}
        asked = QUANTITIES if self.quantity == "all" else (self.quantity,)
        known = [(QUANTITIES[name], figures[name]) for name in asked if name in figures]
        left = self._not_seen(asked)
        notes = (f"not seen: {left}",) if left else ()
        return Table("Quantities", columns, tuple((each.name, figure, each.unit) for each, figure in known), notes)

    def _operators(self) -> Table:
        columns = (
            Column("operator", "Operator"),
            Column("macs", "MACs", Kind.NUMBER),
            Column("calls", "Calls", Kind.NUMBER),
        )
        counts = self.measured.counts
        rows = tuple((name, macs, counts.calls[name]) for name, macs in counts.operators.items())
        return Table("By operator", columns, rows)

    def _cells(self, part: Part, name: str) -> tuple[Any, ...]:
        share = part.macs / self.macs if self.macs else 0
        output = "×".join(map(str, part.output))
        bytes_ = (part.output_bytes, part.weight_bytes)
        return (name, part.kind, output, part.params, part.macs, share, part.calls, *bytes_)

    def _notes(self) -> tuple[str, ...]:
        counts = self.measured.counts
        notes = [
            "counted at this size, where operators reach their kernels; a letter for a number gives a closed form"
        ]
        way = self.measured.regime.text.removeprefix("one model at every size").strip(", ")
        notes += [f"run with {way}" if "=" in way else way] if way else []
        notes += self.circumstances
        notes += [f"of this backward: {counts.backward:,}"] if self.backward else []
        idle = [part.path for part in self.parts() if part.runs and not part.calls]
        notes += [f"never called: {', '.join(idle)}"] if idle else []
        return (*notes, *announced(self.sources), *unpriced(counts.unknown))

    def __str__(self) -> str:
        return f"{self.macs:,}"


def _number(number: int) -> dict[str, Any]:
    return Form(constant(number)).to_dict()


def _row(part: Part) -> dict[str, Any]:
    """A module's JSON."""
    return {
        "path": part.path,
        "class": part.kind,
        "calls": part.calls,
        "output": list(part.output),
        "params": part.params,
        "macs": part.macs,
        "output_bytes": part.output_bytes,
        "weight_bytes": part.weight_bytes,
    }
