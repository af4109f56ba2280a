"""A claim about a layer or an architecture at every size: counted on a lattice, and executed on symbols beyond it.

The counts settle the form where everything divides. The run on symbols and the layers settle it everywhere else:
where the two are one element of the ring on all of a regime, the claim is proved on that domain, which is printed.
What is asked about begins where the layers have the form of the largest sizes: below, Swin's windows shrink.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...findings import Finding
from ..proof import Interpolation, Outcome, unreadable

if TYPE_CHECKING:
    from ..targets import Target


@dataclass(frozen=True)
class OnEverySize:
    """The cost of a layer or an architecture of the registry.

    Args:
        target: its name.
        lattice: the claim on the sizes at which everything divides.
    """

    target: str
    lattice: Interpolation

    def settle(self) -> Outcome:
        """Count on the lattice, then run on symbols and compare with the layers."""
        outcome = self.lattice.settle()
        if outcome.verdict is not Finding.IDENTIFIED:
            return outcome
        return _with(outcome, _everywhere(self.target))

    def replay(self, evidence: Mapping[str, Any]) -> Outcome:
        """Judge recorded counts; what the run on symbols gave is taken as it was recorded."""
        outcome = self.lattice.replay(evidence)
        if outcome.verdict is not Finding.IDENTIFIED or not evidence.get("everywhere"):
            return outcome
        try:
            found = dict(evidence["everywhere"])
            return _with(outcome, {**found, **{name: str(found[name]) for name in ("verdict", "domain", "note")}})
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable(error) from None


def _with(outcome: Outcome, found: Mapping[str, Any]) -> Outcome:
    return replace(
        outcome,
        verdict=Finding(found["verdict"]),
        domain=found["domain"],
        note="; ".join(filter(None, (found["note"], outcome.note if not found["domain"] else ""))),
        evidence={**outcome.evidence, "everywhere": dict(found)},
    )


def _where_large(target: Target) -> dict[str, tuple[int, int]]:
    """The sizes that are asked about: from where the layers have the form of the largest sizes."""
    from ...cost import Quantity
    from ...everywhere import regimes
    from ..exploring import RANGES

    assert target.describe is not None
    largest = regimes(target.describe, tuple(v.name for v in target.variables), Quantity.MACS)[0]
    (part,) = largest.when.where.parts[:1]
    return {v.name: (part.low(v.name), RANGES[v.kind]) for v in target.variables}


def _everywhere(target: str) -> dict[str, Any]:
    """Verdict, domain and what there is to say of a run on symbols beside the layers."""
    from ...execution.domains import domain
    from ..agreement import agreements
    from ..exploring import NotExecutedError, explore
    from ..targets import find_target

    resolved = find_target(target)
    assert resolved.describe is not None  # a name of the registry
    try:
        _, explored = explore(resolved, _where_large(resolved))
    except NotExecutedError as error:
        note = f"on that lattice alone: it cannot be executed on symbols: {error}"
        return {"verdict": Finding.IDENTIFIED.value, "domain": "", "note": note, "regimes": []}
    found = agreements(resolved.describe, explored.exploration, explored.count)
    asked = ", ".join(f"{name} from {a} to {b:,}" for name, (a, b) in explored.exploration.range.bounds.items())
    rows = [
        {"when": domain(regime.regions).to_dict(), "verdict": each.verdict, **each.to_dict()}
        for regime, each in found.items()
    ]
    verdicts = {each.verdict for each in found.values()}
    proved = [row["when"]["text"] or "every size" for row in rows if row["verdict"] == Finding.PROVED.value]
    verdict = Finding.UNSETTLED if Finding.UNSETTLED.value in verdicts else Finding(found[explored.main].verdict)
    where = "; or ".join(proved)
    notes = [f"run on symbols and layers are one form for {where}, of {asked}"] if proved else []
    notes += dict.fromkeys(each.why for each in found.values() if not each.equal)
    if not explored.complete:
        notes.append("other sizes were not all reached")
    return {
        "verdict": verdict.value,
        "domain": f"{where}, of {asked}" if proved else "",
        "note": "; ".join(notes),
        "regimes": rows,
        "complete": explored.complete,
    }
