"""Which cases of a family the quick suite runs; CI runs every one, or where time is short a share that is drawn.

``mostly_slow`` names them; a test that is marked ``quick(n)`` has n of its cases there, spread evenly.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from typing import Any

import pytest


def mostly_slow(cases: Iterable[Any], *, quick: Collection[Any] | int) -> list[Any]:
    """The same cases, of which only these, or so many of the first, are quick."""
    return [
        case
        if (place < quick if isinstance(quick, int) else case in quick)
        else pytest.param(case, marks=pytest.mark.slow)
        for place, case in enumerate(cases)
    ]


def spread(items: Iterable[pytest.Item]) -> None:
    """Mark as slow what is beyond the number of cases that a test has in the quick suite."""
    asked = (item for item in items if item.get_closest_marker("quick") and not item.get_closest_marker("slow"))
    for cases in _families(asked):
        mark = cases[0].get_closest_marker("quick")
        assert mark is not None
        (most,) = mark.args
        for place, case in enumerate(cases):
            if (place + 1) * most // len(cases) == place * most // len(cases) and len(cases) > most:
                case.add_marker(pytest.mark.slow)


def drawn(items: Iterable[pytest.Item], share: float, dice: random.Random) -> set[str]:
    """The ids of this share of every test's cases; a test of one case is among them as often as the share says."""
    return {
        case.nodeid
        for cases in _families(items)
        for case in dice.sample(cases, int(share * len(cases) + dice.random()))
    }


def _families(items: Iterable[pytest.Item]) -> Iterable[list[pytest.Item]]:
    families: dict[tuple[object, str], list[pytest.Item]] = {}
    for item in items:
        families.setdefault((item.path, getattr(item, "originalname", item.name)), []).append(item)
    return families.values()
