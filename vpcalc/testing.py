"""Hold a module to a budget, a formula or its last recorded cost, in a test of one's own.

    from vpcalc.testing import assert_cost

    def test_the_model_stays_within_its_budget():
        assert_cost(make_model(), "1,3,224,224", macs="<= +2%", params="<= 30M", snapshot="tests/cost/model.json")

A snapshot is a small JSON file: the cost of each module by operator. Where a limit is broken, the message names
the operators that have grown since it was recorded. It is written anew where ``VPCALC_UPDATE=1`` is set, or with
``--vpcalc-update`` where ``conftest.py`` says ``pytest_plugins = ["vpcalc.testing"]``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

from . import snapshots
from .answers.diff_changes import Change, changes, together
from .errors import InputError, either
from .printed import Printed, read_printed
from .report.numbers import exact, growth, signed
from .snapshots import UPDATE, Counted

SHOWN = 8
"""Operators that a message names."""


def assert_cost(
    model: object,
    inputs: object = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    macs: object = None,
    params: object = None,
    saved_bytes: object = None,
    peak_bytes: object = None,
    formula: str | None = None,
    where: Mapping[str, int] | None = None,
    snapshot: str | Path | None = None,
    unknown: bool = False,
    prices: Mapping[str, object] | None = None,
) -> Counted:
    """Count a module and hold it to what is asked.

    Args:
        model: a module, a function that makes one, or by name what :func:`vpcalc.derive` takes:
            ``"net.py:make(width=64)@1,3,224,224"``, of which brackets and shape may stand here or elsewhere.
        inputs: a tensor, several, or a dictionary of them by name; a shape: ``"1,3,224,224"``, ``"1,128:long"``;
            or a function that makes them, as for ``vpcalc derive --inputs``. Their values are kept.
        kwargs: further arguments of ``forward``.
        macs, params: a bound (``"<= 5G"``), one that is relative to the snapshot (``"<= +2%"``), a printed figure
            (``"4.5G"``, to which the count has to round), or a whole number.
        saved_bytes: a bound of what autograd keeps of the forward pass: ``"<= 2GiB"``, ``"<= +2%"``, whole bytes.
        peak_bytes: the same of what is alive at once at inference, weights and inputs apart.
        formula: a closed form of the MACs in vpcalc's alphabet, which has to hold to the unit.
        where: the values of its symbols, and of those of a function that makes the inputs.
        snapshot: a file with the last recorded cost. Where nothing else is asked, the cost must be that very one,
            wherever its modules stand.
        unknown: whether operators that nobody can price may occur; they are missing from the count.
        prices: multiply-accumulates of operators that nobody else can price, as for ``vpcalc derive --price``: by
            ``library::operator`` a function of its arguments by name and of its result, or ``file.py:function``.

    Returns:
        What was counted.

    Raises:
        AssertionError: something asked does not hold, in one message.
        InputError: an argument that cannot be used.
    """
    __tracebackhide__ = True  # pytest shows the test's own line and the message
    given = {"macs": macs, "params": params, "saved_bytes": saved_bytes, "peak_bytes": peak_bytes}
    bounds = {name: read_bound(name, value) for name, value in given.items() if value is not None}
    if not bounds and formula is None and snapshot is None:
        raise InputError(f"assert_cost: nothing is asked; give {either([*given, 'formula', 'snapshot'])}")
    path = None if snapshot is None else Path(snapshot)
    before = _recorded(path, bounds)
    expected = _evaluated(formula, where or {})
    from .auditing.budget import count

    seen = count(model, inputs, kwargs, where, [name for name in bounds if name in BYTES], prices)
    counts = seen.counts
    tree = {
        path: dict(sorted(done.items())) for path, done in sorted(counts.modules.items()) if any(done.values())
    }
    found = Counted(counts.macs, counts.params, tree, **seen.figures, inputs=counts.inputs or None)
    alone = not bounds and formula is None
    if before is not None and None not in (before.inputs, found.inputs) and before.inputs != found.inputs:
        if alone or any(bound.figure is None for bound in bounds.values()):
            was = f"the snapshot {path} was counted at {before.inputs}, and this is {found.inputs}"
            raise InputError(f"assert_cost: inputs: {was}; write it anew with {UPDATE}=1")
        path = None  # it has nothing to say of these
    faults = [fault for name, bound in bounds.items() if (fault := _fault(name, bound, found, before))]
    if expected is not None and expected != found.macs:
        faults.append(
            f"macs: {exact(found.macs)}, and {formula} is {exact(expected)}: {signed(found.macs - expected)}"
        )
    if counts.unknown and not unknown:
        named = ", ".join(f"{name} ×{calls}" for name, calls in counts.unknown.items())
        faults.append(f"operators without a price, missing from the count: {named}")
    if path is not None:
        faults += _against(path, before, found, alone, bool(faults))
    if faults:
        raise AssertionError("\n".join(faults))
    return found


# -- bounds --------------------------------------------------------------------------------------------------

BYTES = ("saved_bytes", "peak_bytes")
"""Quantities in bytes, which another run shows."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A relation (empty: rounds to) and a figure, or the ``share`` by which the recorded cost may be changed."""

    relation: str
    figure: Printed | None
    share: Fraction = Fraction(0)
    text: str = ""

    def holds(self, value: int, before: int = 0) -> bool:
        """Whether a count is within it; ``before`` is what was recorded."""
        if self.figure is not None and not self.relation:
            return self.figure.fits(value)
        limit = before * (1 + self.share) if self.figure is None else self.figure.value
        return {
            "<=": value <= limit,
            "<": value < limit,
            ">=": value >= limit,
            ">": value > limit,
            "==": value == limit,
        }[self.relation]

    def __str__(self) -> str:
        return f"{self.relation or 'about'} {self.text}"


def read_bound(name: str, given: object) -> Bound:
    """``<= 5G``, ``4.5G``, ``<= +2%`` or a whole number; of bytes ``<= 2GiB`` or whole bytes.

    Raises:
        InputError: it is none of those.
    """
    if isinstance(given, int) and not isinstance(given, bool):
        return Bound("==", Printed(exact(given), given, 0), text=exact(given))
    found = re.fullmatch(r"\s*(<=|>=|==|<|>|≤|≥)?\s*(.+?)\s*", str(given))
    example = "'<= 2GiB' or '<= +2%'" if name in BYTES else "'<= 5G' or '<= +2%', a figure such as '4.5G'"
    refusal = InputError(f"assert_cost: {name}={given!r}: must be a bound such as {example}, or a number")
    if found is None:
        raise refusal
    relation, text = {"≤": "<=", "≥": ">="}.get(found[1] or "", found[1] or ""), found[2]
    if "%" in text:
        share = re.fullmatch(r"([+−-])\s*(\d{1,6}(?:\.\d{1,6})?)\s*%", text)
        if share is None or not relation:
            raise InputError(f"assert_cost: {name}={given!r}: a share has a relation and a sign, such as '<= +2%'")
        return Bound(relation, None, Fraction(share[2]) / 100 * (1 if share[1] == "+" else -1), text)
    try:
        if name not in BYTES:
            return Bound(relation, read_printed(text), text=text)
        from .storage.optimizers import read_size

        size = read_size(name, text)
    except InputError:
        raise refusal from None
    if not relation:
        raise refusal
    return Bound(relation, Printed(text, int(size * 10**6), -6), text=text)  # six places at most


def _fault(name: str, bound: Bound, found: Counted, before: Counted | None) -> str:
    """What a bound has to say, or nothing."""
    value = getattr(found, name)
    if bound.figure is not None:
        return "" if bound.holds(value) else f"{name}: {exact(value)} is not {bound}"
    if before is None:  # the snapshot is being written anew
        return ""
    recorded = getattr(before, name)
    if bound.holds(value, recorded):
        return ""
    change = growth(recorded, value)
    return f"{name}: {exact(value)} is not {bound} of the recorded {exact(recorded)}: {change or 'it was 0'}"


def _evaluated(formula: str | None, where: Mapping[str, int]) -> int | None:
    if formula is None:
        return None
    from .algebra.parser import parse

    form = parse(formula)
    try:
        return form.value(where)
    except ValueError as error:
        raise InputError(f"assert_cost: formula {formula!r}: {error}; give the values as where={{...}}") from None


# -- snapshots -----------------------------------------------------------------------------------------------


def updating() -> bool:
    """Whether snapshots are to be written anew."""
    return os.environ.get(UPDATE, "").strip().lower() not in ("", "0", "false", "no")


def _recorded(path: Path | None, bounds: Mapping[str, Bound]) -> Counted | None:
    """The snapshot, if there is one and it is not being written anew.

    Raises:
        InputError: a bound is relative to what was never recorded.
    """
    __tracebackhide__ = True

    before = None if path is None or updating() or not path.exists() else snapshots.load(path)
    for name, bound in bounds.items():
        if bound.figure is not None or (updating() and path is not None):
            continue
        asked = f"assert_cost: {name}='{bound}'"
        if path is None:
            raise InputError(f"{asked}: is relative to a snapshot; give the file as snapshot=")
        if before is None:
            raise InputError(f"{asked}: there is no snapshot {path} yet; run once with {UPDATE}=1")
        if getattr(before, name) is None:
            raise InputError(f"{asked}: the snapshot {path} has no {name}; write it anew with {UPDATE}=1")
    return before


def _against(path: Path, before: Counted | None, found: Counted, alone: bool, failed: bool) -> list[str]:
    """What a snapshot has to say: a fault where the cost must be the recorded one, else where it has grown."""
    if updating():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(snapshots.written(found), encoding="utf-8")
        return []
    if before is None:
        return [f"snapshot {path}: there is none yet; run once with {UPDATE}=1"]
    changed = changes(before.places, found.places).changed
    if alone and (changed or (before.macs, before.params) != (found.macs, found.params)):
        head = f"the cost is not the one in {path}: macs {exact(before.macs)} → {exact(found.macs)}"
        return [f"{head}, params {exact(before.params)} → {exact(found.params)}", *_lines(changed)]
    grown = _lines(changed, only_growth=True) if failed else []
    return [f"grown since {path}:", *grown] if grown else []


def _lines(changed: Sequence[Change], only_growth: bool = False) -> list[str]:
    """Operators whose MACs changed, the largest change first, those that changed alike together."""
    lines = []
    for change in changed:
        old, new, times = cast("int", change.base), cast("int", change.head), len(change.paths)
        if new > old or not only_growth:
            each = f" in each of {times}" if times > 1 else ""
            figures = f"{exact(old)} → {exact(new)} MACs ({signed(new - old)}){each}"
            lines.append((-abs(new - old) * times, f"  {together(change.paths)} · {change.operator}: {figures}"))
    named = [line for _, line in sorted(lines, key=itemgetter(0))]
    return [*named[:SHOWN], f"  and {len(named) - SHOWN} more"] if named[SHOWN:] else named


# -- pytest's hooks, for ``pytest_plugins = ["vpcalc.testing"]`` -----------------------------------------------


def pytest_addoption(parser: Any) -> None:
    """Add ``--vpcalc-update``."""
    parser.getgroup("vpcalc").addoption(
        "--vpcalc-update", action="store_true", help="write the snapshots of assert_cost anew"
    )


def pytest_configure(config: Any) -> None:
    """Heed it."""
    if config.getoption("--vpcalc-update"):
        os.environ[UPDATE] = "1"
