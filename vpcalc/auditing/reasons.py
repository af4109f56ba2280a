"""What a difference consists of: reasons, each derived from recorded calls and from the counter's rules."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .terms import Term


class Verdict(str, Enum):
    """What a counter did with some calls."""

    NOT_COUNTED = "not counted"
    TWICE = "counted twice"
    PRICED = "priced differently"
    NO_PRODUCT = "counted though not a product"


@dataclass(frozen=True, slots=True)
class Item:
    """One finding about one call. ``plus`` is what the counter has too much, ``minus`` what it lacks."""

    verdict: Verdict
    operator: str
    path: str
    why: str = ""
    plus: tuple[Term, ...] = ()
    minus: tuple[Term, ...] = ()

    @property
    def macs(self) -> int:
        """Plus minus minus."""
        return sum(term.macs for term in self.plus) - sum(term.macs for term in self.minus)

    @property
    def form(self) -> str:
        """``c_in·c_out instead of N·c_in·c_out``; a single form where only one side is there."""
        plus, minus = (" + ".join(dict.fromkeys(term.text for term in terms)) for terms in (self.plus, self.minus))
        if self.verdict is Verdict.PRICED:
            return f"{plus or 0} instead of {minus or 0}"
        return plus or minus

    @property
    def values(self) -> dict[str, int]:
        """The symbols of the form, where there is one form."""
        terms = (*self.plus, *self.minus)
        merged: dict[str, int] = {}
        for term in terms:
            for name, value in term.values:
                if merged.setdefault(name, value) != value:
                    return {}
        return merged


@dataclass(frozen=True, slots=True)
class Reason:
    """Items of one kind. ``macs`` is signed: what the counter has more than the exact count."""

    verdict: Verdict
    operator: str
    why: str
    items: tuple[Item, ...] = field(repr=False)

    @property
    def calls(self) -> int:
        """How many calls."""
        return len(self.items)

    @property
    def macs(self) -> int:
        """Their sum."""
        return sum(item.macs for item in self.items)

    @property
    def where(self) -> str:
        """The modules, with a star for what differs between layers."""
        found = list(dict.fromkeys(re.sub(r"(?<![^.])\d+(?![^.])", "*", item.path) for item in self.items))
        shown = ", ".join(path or "(root)" for path in found[:3])
        return f"{shown}, … ({len(found)} places)" if len(found) > 3 else shown

    @property
    def terms(self) -> list[dict[str, Any]]:
        """The closed forms: how often each occurs, with its values and what it comes to."""
        groups: dict[tuple[str, tuple[tuple[str, int], ...], int], int] = defaultdict(int)
        for item in self.items:
            groups[item.form, tuple(item.values.items()), item.macs] += 1
        return [
            {"times": times, "formula": form, "values": dict(values), "macs": macs}
            for (form, values, macs), times in groups.items()
        ]

    @property
    def formula(self) -> str:
        """``2N²C in each of 12 calls, N = 197, C = 768``."""
        groups = self.terms
        forms = list(dict.fromkeys(group["formula"] for group in groups))
        if len(forms) > 3:
            return f"{len(forms)} forms, in {self.calls} calls"
        parts = []
        for form in forms:
            mine = [group for group in groups if group["formula"] == form]
            times = sum(group["times"] for group in mine)
            part = form if times == 1 else f"{form} in each of {times} calls"
            if len(mine) == 1 and mine[0]["values"]:
                part += ", " + ", ".join(f"{name} = {value}" for name, value in mine[0]["values"].items())
            elif len(mine) > 1:
                part += f" of {len(mine)} sizes"
            parts.append(part)
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON contract."""
        return {
            "operator": self.operator,
            "calls": self.calls,
            "macs": self.macs,
            "verdict": self.verdict.value,
            "where": self.where,
            "why": self.why,
            "formula": self.formula,
            "terms": self.terms,
        }


def grouped(items: Iterable[Item]) -> tuple[Reason, ...]:
    """Items of one verdict, operator and rule together; the largest first."""
    kinds: dict[tuple[Verdict, str, str], list[Item]] = defaultdict(list)
    for item in items:
        if item.macs:
            kinds[item.verdict, item.operator, item.why].append(item)
    reasons = [Reason(verdict, operator, why, tuple(found)) for (verdict, operator, why), found in kinds.items()]
    return tuple(sorted(reasons, key=lambda reason: -abs(reason.macs)))
