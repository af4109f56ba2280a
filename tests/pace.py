"""Which cases of a family the quick suite runs; CI runs every one."""

from __future__ import annotations

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
