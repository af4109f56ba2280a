"""How a check's report appears in tables and in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..checks import Report


def verdict(report: Report | None) -> str | None:
    """A report as a table cell, None without one; what it has to say goes into a note."""
    return None if report is None else report.verdict.value


def report_dict(report: Report | None) -> dict[str, Any]:
    """A report's JSON fields: the checks, and the verdict in words."""
    if report is None:
        return {"checks": [], "verdict": "not checked"}
    fields: dict[str, Any] = {
        "checks": [check.to_dict() for check in report.checks],
        "verdict": report.verdict.value,
    }
    if report.reason:
        fields["reason"] = report.reason
    return fields
