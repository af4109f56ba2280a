"""Hold a module to a budget, a formula or its last recorded cost, in a test of one's own.

    from vpcalc.testing import assert_cost

    def test_the_model_stays_within_its_budget():
        assert_cost(make_model(), "1,3,224,224", macs="<= 5G", params="<= 30M", snapshot="tests/cost/model.json")

A snapshot is a small JSON file: the cost of each module by operator. Where a limit is broken, the message names
the operators that have grown since it was recorded. It is written anew where ``VPCALC_UPDATE=1`` is set, or with
``--vpcalc-update`` where ``conftest.py`` says ``pytest_plugins = ["vpcalc.testing"]``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .answers.conventions import Printed, read_printed
from .errors import InputError
from .report.numbers import exact

UPDATE = "VPCALC_UPDATE"
SHOWN = 8
"""Operators that a message names."""

Tree = Mapping[str, Mapping[str, int]]
"""MACs by module path and operator."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted: multiply-accumulates, trainable parameters, and MACs by module path and operator."""

    macs: int
    params: int
    modules: Tree


def assert_cost(
    model: object,
    inputs: object,
    *,
    kwargs: Mapping[str, Any] | None = None,
    macs: object = None,
    params: object = None,
    formula: str | None = None,
    where: Mapping[str, int] | None = None,
    snapshot: str | Path | None = None,
    unknown: bool = False,
) -> Counted:
    """Count a module and hold it to what is asked.

    Args:
        model: a module, or a function that makes one.
        inputs: a tensor, several, or a dictionary of them by name; a shape: ``"1,3,224,224"``, ``"1,128:long"``;
            or a function that makes them, as for ``vpcalc derive --inputs``. Their values are kept.
        kwargs: further arguments of ``forward``.
        macs, params: a bound (``"<= 5G"``), a printed figure (``"4.5G"``, to which the count has to round), or a
            whole number.
        formula: a closed form of the MACs in vpcalc's alphabet, which has to hold to the unit.
        where: the values of its symbols, and of those of a function that makes the inputs.
        snapshot: a file with the last recorded cost. Where nothing else is asked, the cost must be that very one.
        unknown: whether operators that nobody can price may occur; they are missing from the count.

    Returns:
        What was counted.

    Raises:
        AssertionError: something asked does not hold, in one message.
        InputError: an argument that cannot be used.
    """
    bounds = [("macs", read_bound("macs", macs)), ("params", read_bound("params", params))]
    expected = _evaluated(formula, where or {})
    from .auditing.budget import count

    counts = count(model, inputs, kwargs, where)
    tree = {
        path: dict(sorted(done.items())) for path, done in sorted(counts.modules.items()) if any(done.values())
    }
    found = Counted(counts.macs, counts.params, tree)
    faults = [
        f"{name}: {exact(getattr(found, name))} is not {bound}"
        for name, bound in bounds
        if bound is not None and not bound.holds(getattr(found, name))
    ]
    if expected is not None and expected != found.macs:
        faults.append(
            f"macs: {exact(found.macs)}, and {formula} is {exact(expected)}: {_signed(found.macs - expected)}"
        )
    if counts.unknown and not unknown:
        named = ", ".join(f"{name} ×{calls}" for name, calls in counts.unknown.items())
        faults.append(f"operators without a price, missing from the count: {named}")
    if snapshot is not None:
        alone = macs is None and params is None and formula is None
        faults += _against(Path(snapshot), found, alone, bool(faults))
    if faults:
        raise AssertionError("\n".join(faults))
    return found


# -- bounds --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit: a relation (empty: rounds to) and a figure."""

    relation: str
    figure: Printed

    def holds(self, value: int) -> bool:
        """Whether a count is within it."""
        limit = self.figure.value
        if not self.relation:
            return self.figure.fits(value)
        return {
            "<=": value <= limit,
            "<": value < limit,
            ">=": value >= limit,
            ">": value > limit,
            "==": value == limit,
        }[self.relation]

    def __str__(self) -> str:
        return f"{self.relation or 'about'} {self.figure.text}"


def read_bound(name: str, given: object) -> Bound | None:
    """``<= 5G``, ``4.5G`` or a whole number.

    Raises:
        InputError: it is none of those.
    """
    if given is None:
        return None
    if isinstance(given, int) and not isinstance(given, bool):
        return Bound("==", Printed(exact(given), given, 0))
    found = re.fullmatch(r"\s*(<=|>=|==|<|>|≤|≥)?\s*(.+?)\s*", str(given))
    try:
        assert found is not None
        relation = {"≤": "<=", "≥": ">="}.get(found[1] or "", found[1] or "")
        return Bound(relation, read_printed(found[2]))
    except (AssertionError, InputError):
        raise InputError(
            f"assert_cost: {name}={given!r}: must be a bound such as '<= 5G', a figure such as '4.5G', or a number"
        ) from None


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


def _against(path: Path, found: Counted, alone: bool, failed: bool) -> list[str]:
    """What a snapshot has to say: a fault where the cost must be the recorded one, else where it has grown."""
    if updating():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_written(found), encoding="utf-8")
        return []
    if not path.exists():
        return [f"snapshot {path}: there is none yet; run once with {UPDATE}=1"]
    before = _read(path)
    if alone and before != found:
        head = f"the cost is not the one in {path}: macs {exact(before.macs)} → {exact(found.macs)}"
        return [
            f"{head}, params {exact(before.params)} → {exact(found.params)}",
            *_changes(before.modules, found.modules),
        ]
    grown = _changes(before.modules, found.modules, only_growth=True) if failed else []
    return [f"grown since {path}:", *grown] if grown else []


def _changes(before: Tree, after: Tree, only_growth: bool = False) -> list[str]:
    """Operators whose MACs changed, the largest change first."""
    changes = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path, {}), after.get(path, {})
        for name in sorted(old.keys() | new.keys()):
            delta = new.get(name, 0) - old.get(name, 0)
            if delta > 0 or (delta and not only_growth):
                changes.append((delta, f"{path or '(root)'} · {name}", old.get(name, 0), new.get(name, 0)))
    changes.sort(key=lambda change: -abs(change[0]))
    lines = [
        f"  {where}: {exact(old)} → {exact(new)} MACs ({_signed(d)})" for d, where, old, new in changes[:SHOWN]
    ]
    return [*lines, f"  and {len(changes) - SHOWN} more"] if changes[SHOWN:] else lines


def _signed(number: int) -> str:
    return f"+{exact(number)}" if number > 0 else exact(number)


def _written(found: Counted) -> str:
    tree = {"macs": found.macs, "params": found.params, "modules": found.modules}
    return json.dumps(tree, indent=1, ensure_ascii=False) + "\n"


def _read(path: Path) -> Counted:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        return Counted(int(tree["macs"]), int(tree["params"]), tree["modules"])
    except (ValueError, KeyError, TypeError):
        raise InputError(f"snapshot {path}: is not one of assert_cost; write it anew with {UPDATE}=1") from None


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
