"""Every statement of :mod:`vpcalc.statements` as a claim: its demonstration is the way in which it is settled."""

from __future__ import annotations

from functools import partial

from ...statements import STATEMENTS, Method, Statement
from ..proof import Outcome
from .registry import claim

KIND = "theory"

_METHODS = {
    Method.SYMBOLIC: "symbolic",
    Method.INTERPOLATION: "interpolation",
    Method.EXACT: "numeric",
    Method.NUMERIC: "numeric",
}


def settled(statement: Statement) -> Outcome:
    """The demonstration's outcome; what was recovered is the evidence on which the statement rests."""
    found = statement.settle()
    rests = found.rests_on
    return Outcome(
        _METHODS[rests.method] if rests else "",
        found.verdict,
        rests.what if rests else "",
        sum(piece.cases for piece in found.evidence),
        note="; ".join(piece.what for piece in found.failed) or found.missing or found.correction,
        evidence={"evidence": [piece.to_dict() for piece in found.evidence]},
    )


for _statement in STATEMENTS.values():
    claim(_statement.id, _statement.claim, _statement.source, KIND)(partial(settled, _statement))
