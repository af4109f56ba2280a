"""``vpcalc audit``: every counter against the exact count, with the reasons for each difference."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..architectures import ARCHITECTURES
from ..auditing.process import Limits, Status
from ..auditing.reasons import Reason
from ..auditing.request import Subject, subject
from ..auditing.session import Progress, Row, Session, Settings, chosen
from ..auditing.session import audit as run_audit
from ..cost import Quantity
from ..counters.pricing import announced
from ..errors import InputError, unknown
from ..inputs import whole
from ..optional import require_torch
from ..placing import in_brackets
from ..report import Column, Hint, Kind, Table
from ..report.numbers import exact as all_digits
from ..report.numbers import short
from ..report.plots_theory import bar
from .result import Result

DEVICES = ("auto", "cpu", "meta")
WIDTH = 12
"""Columns of the bar of the exact figure; there is room for twice as much."""
SHOWN = 3
"""Reasons that stand in a counter's row."""


@dataclass(frozen=True)
class Audit(Result):
    """The exact count, what it covers, and a row for each counter.

    Args:
        target: what was audited, as it was named.
        session: what came back from the processes.
        closed_form: what the closed form says of the forward pass, for targets of the registry.
        strict: whether an operator that nobody can price is a failure.
    """

    target: str
    session: Session
    closed_form: int | None
    settings: Settings
    strict: bool

    @property
    def rows(self) -> tuple[Row, ...]:
        """One for each counter that was asked for."""
        return self.session.rows

    @property
    def macs(self) -> int:
        """The exact count."""
        return self.session.exact.macs

    @property
    def unknown(self) -> dict[str, int]:
        """Operators without a price, with their calls: missing from the exact count."""
        return dict(self.session.facts["unknown"])

    @property
    def hidden(self) -> int:
        """What the products spelled as broadcasts would be, which are among the unknown."""
        return int(self.session.facts["hidden"])

    @property
    def ok(self) -> bool:
        """Whether the closed form agrees and, under ``strict``, nothing is unknown."""
        agrees = self.closed_form is None or self.closed_form == self.session.exact.forward
        return agrees and not (self.strict and self.unknown)

    def row(self, counter: str) -> Row:
        """The row of one counter."""
        for row in self.rows:
            if row.peer.name == counter:
                return row
        raise unknown("counter", counter, [row.peer.name for row in self.rows])

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        facts = self.session.facts
        return {
            "command": "audit",
            "target": self.target,
            "input": facts["input"],
            "regime": facts["text"],
            "device": facts["device"],
            "grad": self.settings.grad,
            "backward": self.settings.backward,
            "exact": {
                "macs": self.macs,
                "forward": self.session.exact.forward,
                "backward": self.macs - self.session.exact.forward,
                "params": facts["params"],
                "closed_form": self.closed_form,
            },
            "coverage": {
                "counted": {
                    name: {"calls": calls, "macs": facts["operators"].get(name, 0)}
                    for name, calls in facts["calls"].items()
                },
                "free": dict(facts["free"]),
                "unknown": self.unknown,
                "hidden_macs": self.hidden,
                "sources": dict(facts["sources"]),
            },
            "counters": [_row_dict(row) for row in self.rows],
        }

    def tables(self) -> tuple[Table, ...]:
        """Counters, the reasons for each, and what the exact count covers."""
        found = [self._counters()]
        if any(row.reasons for row in self.rows):
            found.append(self._reasons())
        return (*found, self._coverage())

    def _counters(self) -> Table:
        columns = (
            Column("counter", "Counter", Kind.WORD),
            Column("version", "Version", Kind.WORD, wide=True),
            Column("macs", "MACs", Kind.COUNT),
            Column("off", "Off", Kind.SHARE, kept=True),
            Column("bar", "Of the exact", Kind.PICTURE),
            Column("unexplained", "Unexplained", Kind.NUMBER),
            Column("because", "Because"),
        )
        rows: list[tuple[Any, ...]] = [
            ("exact", "", self.macs, None, _bar(self.macs, self.macs), None, self._said_of_exact())
        ]
        for row in self.rows:
            if row.status is Status.NOT_INSTALLED:
                continue
            drawn = None if row.macs is None else _bar(row.macs, self.macs)
            off = None if row.difference is None or not self.macs else row.difference / self.macs
            rows.append((row.peer.name, row.version, row.macs, off, drawn, row.unexplained, because(row)))
        shapes = "; ".join("×".join(map(str, shape)) for shape in self.session.facts["input"])
        title = f"{self.target}, input {shapes}: {all_digits(self.macs)} multiply-accumulates"
        return Table(title, columns, tuple(rows), tuple(self._notes()))

    def _said_of_exact(self) -> str:
        if self.closed_form is None:
            return "counted where operators are dispatched"
        if self.closed_form == self.session.exact.forward:
            return "counted where operators are dispatched; the closed form agrees"
        return f"differs from the closed form, {all_digits(self.closed_form)}"

    def _notes(self) -> Iterable[str]:
        facts = self.session.facts
        if self.unknown:
            named = ", ".join(f"{name} ×{calls}" for name, calls in self.unknown.items())
            yield f"missing from the exact count, since nobody here can price it: {named}"
        if self.hidden:
            yield f"products spelled as broadcasts would be {all_digits(self.hidden)} multiply-accumulates"
        absent = [row for row in self.rows if row.status is Status.NOT_INSTALLED]
        if absent:
            brought = " ".join(dict.fromkeys(row.peer.distributions[0] for row in absent))
            yield Hint(f"not installed: {', '.join(row.peer.name for row in absent)}; pip install {brought}")
        yield from announced(facts["sources"])
        if facts["device"] == "meta" and self.settings.device == "auto":
            yield "on the meta device: the weights are too large for a real run"
        left = [f"{row.peer.name}: {'; '.join(row.leaves)}" for row in self.rows if row.leaves]
        if left:
            yield f"left behind in its process by {' — '.join(left)}"
        for row in self.rows:
            if row.version and row.status is Status.OK and not _same_version(row):
                yield f"{row.peer.name}: its rules were read at {row.peer.read_at}"

    def _reasons(self) -> Table:
        columns = (
            Column("counter", "Counter", Kind.WORD),
            Column("macs", "MACs", Kind.COUNT, kept=True),
            Column("verdict", "Verdict", kept=True),
            Column("operator", "Operator", kept=True),
            Column("calls", "Calls", Kind.NUMBER),
            Column("formula", "Closed form"),
            Column("where", "Where", wide=True),
            Column("why", "Rule", wide=True),
        )
        rows = [
            (row.peer.name, r.macs, r.verdict.value, r.operator, r.calls, r.formula, r.where, r.why)
            for row in self.rows
            for r in row.reasons
        ]
        return Table("Reasons, each from its calls and the counter's rules", columns, tuple(rows))

    def _coverage(self) -> Table:
        columns = (
            Column("operator", "Operator", Kind.WORD),
            Column("rule", "Rule", Kind.WORD),
            Column("calls", "Calls", Kind.NUMBER),
            Column("macs", "MACs", Kind.NUMBER, kept=True),
        )
        facts = self.session.facts
        rows: list[tuple[Any, ...]] = [
            (name, "counted", calls, facts["operators"].get(name, 0)) for name, calls in facts["calls"].items()
        ]
        rows += [(name, "unknown", calls, None) for name, calls in self.unknown.items()]
        free = facts["free"]
        rows.append((f"{len(free)} others", "free by policy", sum(free.values()), 0))
        return Table("What the exact count covers", columns, tuple(rows))


@in_brackets("target", own="set")
def audit(
    target: object,
    *,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    inputs: object = None,
    set: Mapping[str, object] | None = None,
    counters: Iterable[str] | None = None,
    device: str = "auto",
    grad: bool = True,
    backward: bool = False,
    strict: bool = False,
    prices: Mapping[str, object] | None = None,
    timeout: object = 300,
    memory: object = 16,
    jobs: object = None,
    progress: Progress | None = None,
) -> Audit:
    """Run every counter that is installed and say why its figure differs from the exact one.

    Args:
        target: a model's or layer's id, ``file.py:factory``, ``package.module:factory``, ``timm:NAME``,
            ``torchvision:NAME``, ``transformers:NAME``, or a module or function.
        input: side of a square image, ``"HxW"``, or a whole shape such as ``"1,3,224,224"`` or ``"1,128:long"``.
        tokens, src, tgt: lengths of sequences.
        inputs: in the place of these, a function that makes the inputs with their values, or ``file.py:function``
            or ``file.py:function(N=128)``.
        set: a model's settings, a layer's dimensions or a factory's arguments.
        counters: names of counters; all of them if None.
        device: ``cpu``, ``meta``, or ``auto``: the CPU unless the weights are too large for a real run.
        grad: whether autograd is on for counters that leave that to the caller; torch has other kernels
            without it.
        backward: count the gradients too.
        strict: an operator without a price makes the result not ``ok``.
        prices: multiply-accumulates of operators that nobody else can price, by ``library::operator``: a function
            of the operator's arguments by name and of its result, or ``file.py:function``.
        timeout, memory: seconds and GiB that each process may take.
        jobs: processes at once.
        progress: told after each process how many of all are done.

    Raises:
        InputError: a target, size, counter or limit that is not usable.
    """
    if device not in DEVICES:
        raise unknown("--device", device, DEVICES)
    if backward and not grad:
        raise InputError("--no-grad: there is no backward pass without autograd; leave out one of the two")
    peers = chosen(counters)
    processors = os.cpu_count() or 1
    number = max(1, min(4, processors // 2)) if jobs is None else whole("--jobs", jobs, high=256)
    limits = Limits(
        whole("--timeout", timeout, high=86400),
        whole("--memory", memory, high=65536) << 30,
        max(1, min(4, processors // number)),
    )
    settings = Settings(device, grad, backward, number, limits, dict(prices or {}))
    require_torch("audit")
    what = subject(target, input=input, tokens=tokens, src=src, tgt=tgt, inputs=inputs, arguments=set)
    session = run_audit(what, peers, settings, progress)
    return Audit(what.name, session, _closed_form(what), settings, strict)


def because(row: Row) -> str:
    """A row's reasons in few words, the largest first."""
    if row.status is not Status.OK:
        return f"{row.status.value}: {row.detail}" if row.detail else row.status.value
    parts = [_in_short(reason) for reason in row.reasons[:SHOWN]]
    if row.reasons[SHOWN:]:
        parts.append(f"and {len(row.reasons) - SHOWN} more")
    if row.detail:
        parts.append(row.detail)
    return "; ".join(parts) or "agrees to the unit"


def _in_short(reason: Reason) -> str:
    sign = "+" if reason.macs > 0 else ""
    return f"{sign}{short(reason.macs)} {reason.operator} ×{reason.calls} {reason.verdict.value}"


def _bar(figure: int, exact: int) -> str:
    """A bar to scale; an arrow where it is more than twice the exact figure."""
    most = 2 * max(exact, 1)
    if figure > most:
        return bar(most, 0, most, 2 * WIDTH - 1) + "▶"
    return bar(figure, 0, most, 2 * WIDTH) or "▏"


def _same_version(row: Row) -> bool:
    """Whether the rules were read at the version that is installed, however it spells itself."""
    known, found = (re.findall(r"\d+", text.partition("+")[0]) for text in (row.peer.read_at, row.version))
    return known == found


def _closed_form(what: Subject) -> int | None:
    if what.inputs is not None or what.name not in ARCHITECTURES:
        return None
    architecture = ARCHITECTURES[what.name]
    sizes = tuple(what.point[axis] for axis in architecture.family.axes)
    return int(architecture.cost(sizes, architecture.configure(what.arguments)).total(Quantity.MACS))


def _row_dict(row: Row) -> dict[str, Any]:
    return {
        "name": row.peer.name,
        "version": row.version,
        "status": row.status.value,
        "macs": row.macs,
        "difference": row.difference,
        "explained": row.explained,
        "unexplained": row.unexplained,
        "reasons": [reason.to_dict() for reason in row.reasons],
        "unit": row.peer.unit,
        "grad": row.grad,
        "rules_read_at": row.peer.read_at,
        "leaves": list(row.leaves),
        "detail": row.detail,
        "seconds": round(row.seconds, 3),
    }
