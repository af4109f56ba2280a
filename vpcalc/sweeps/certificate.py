"""That nothing better was left out: what a search closed, gone through again, and held against counts.

The search leaves boxes, each with a reason. Here they are claims, and how they came about counts for nothing: the
boxes have to hold every configuration up to the tops once, each claim is evaluated anew against the rows that were
kept in the end, and beyond the tops a limit has to be passed. What forms say of rows, and of configurations drawn
from all, is counted by runs on numbers.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy

from ..arrays.forms import Array
from .bounded import LOOKED_AT, LOSES, MEMORY, Search, Within
from .growing import Slice
from .keeping import Nearest
from .levers import Lever

DRAWS = 24
"""Configurations that are counted, drawn from all boxes."""


def counts_of(search: Search) -> Counter[int]:
    """How many configurations were closed for each reason."""
    found: Counter[int] = Counter()
    for part, closed in zip(search.slices, search.closed, strict=True):
        low, high, why = closed.joined(max(1, len(part.top)))
        sizes = _sizes(low, high)
        for reason in set(why.tolist()):
            found[reason] += int(sum(sizes[why == reason]))
    return found


def differences(search: Search) -> list[str]:
    """What does not hold of a search's result; nothing where it is the best that there is."""
    found: list[str] = []
    for number, part in enumerate(search.slices):
        found += _of_slice(search, number, part)
    for row in search.kept.ended():
        counted = search.space.counted(row.at, [*row.figures])
        if counted != dict(row.figures):
            found.append(f"{_said(row.at)}: forms give {dict(row.figures)}, a count {counted}")
    return found + _drawn(search)


def _of_slice(search: Search, number: int, part: Slice) -> list[str]:
    """The claims of a slice's boxes, and that what lies beyond them does not fit."""
    beyond = [
        {**part.least, lever.name: part.top[lever.name] + 1} for lever in search.space.levers if _ends(lever, part)
    ]
    found = [
        f"{_said({**part.at, **point})}: fits, and was left out"
        for point in (beyond if part.fits else [part.least] * (not part.refused))
        if all(part.forms[limit.quantity].at(point) <= limit.most for limit in search.limits)
    ]
    low, high, why = search.closed[number].joined(max(1, len(part.top)))
    covered = int(sum(_sizes(low, high)))
    if covered != part.size:
        found.append(f"{_said(part.at)}: {covered} of {part.size} configurations are in a box")
    if not len(low):
        return found
    within = Within(number, part, search.limits, search.memory)
    lower, upper = within.values(low), within.most(low, high)
    fits = numpy.ones(len(low), bool)
    holds = (why == MEMORY) & within.too_much(low, high)
    for place, limit in enumerate(search.limits):
        holds |= (why == place) & (lower[limit.quantity] > limit.most)
        fits &= lower[limit.quantity] <= limit.most
    single = (why == LOOKED_AT) & numpy.all(low == high, axis=1) & fits
    holds |= (single | (why == LOSES)) & _worse(search, lower, upper, search.places(part, low))
    kept = {row.order for row in search.kept.rows}
    for box in map(int, numpy.flatnonzero(single & ~holds)):
        row = search.row(part, low[box], {name: int(array[box]) for name, array in lower.items()})
        lost = not search.kept.wants(row) or not within.fits(row.at, low[box : box + 1])
        holds[box] = row.order in kept or lost
    if not numpy.all(holds):
        box = int(numpy.argmin(holds))
        said = _said({**part.at, **dict(zip(part.top, low[box].tolist(), strict=False))})
        found.append(f"{int(numpy.sum(~holds))} boxes are closed without a reason, the first from {said} on")
    return found


def _worse(search: Search, lower: Mapping[str, Array], most: Mapping[str, Array], places: Array) -> Array:
    """Which boxes have nothing that fits and is better than what was kept, in whole numbers."""
    kept = search.kept
    if isinstance(kept, Nearest):
        if len(kept.rows) < kept.top:
            return numpy.zeros(len(places), bool)
        return _not_nearer(kept, most, places)
    found = numpy.zeros(len(places), bool)
    best = [-most[key.column] if key.largest else lower[key.column] for key in kept.keys]
    for row in kept.rows:
        below = [numpy.asarray(at >= side, bool) for at, side in zip(best, row.order, strict=False)]
        above = [numpy.asarray(at > side, bool) for at, side in zip(best, row.order, strict=False)]
        found |= numpy.logical_and.reduce(below) & numpy.logical_or.reduce(above)
    return found


def _not_nearer(kept: Nearest, most: Mapping[str, Array], places: Array) -> Array:
    """Which boxes have nothing before the last row, neither nearer nor as near and earlier in order."""
    last = kept.rows[-1]
    share, total = -last.order[0], -last.order[1]
    figures = [(most[name].astype(object), aim) for name, aim in kept.aims]
    used = [figure * share.denominator - share.numerator * aim for figure, aim in figures]
    least = numpy.minimum.reduce(used)
    whole = prod(aim for _, aim in kept.aims)
    sums = sum(figure * (whole // aim) for figure, aim in figures) - total * whole
    later = numpy.asarray([tuple(place) >= last.order[2] for place in places.tolist()], bool)
    return numpy.asarray((least < 0) | ((least == 0) & ((sums < 0) | ((sums == 0) & later))), bool)


def _sizes(low: Array, high: Array) -> Array:
    """How many configurations some boxes have."""
    return numpy.prod((high - low + 1).astype(object), axis=1) if len(low) else numpy.zeros(0, object)


def _ends(lever: Lever, part: Slice) -> bool:
    """Whether a lever has values beyond those that were looked at."""
    return lever.name in part.top and part.top[lever.name] < lever.count


def _drawn(search: Search) -> list[str]:
    """Configurations drawn from all: each is in one box, and costs what its forms say."""
    dice = random.Random(search.looked_at)
    parts = [number for number, part in enumerate(search.slices) if part.fits]
    found = []
    for number in dice.choices(parts, k=DRAWS) if parts else ():
        part = search.slices[number]
        point = {letter: dice.randint(1, min(top, FAR)) for letter, top in part.top.items()}
        at, corner = {**part.at, **point}, numpy.asarray([[*point.values()] or [1]])
        low, high, _ = search.closed[number].joined(corner.shape[1])
        boxes = numpy.flatnonzero(numpy.all((low <= corner) & (high >= corner), axis=1))
        if len(boxes) != 1:
            found.append(f"{_said(at)}: is in {len(boxes)} boxes")
        expected = {name: form.at(point) for name, form in part.forms.items()}
        counted = search.space.counted(at, [*expected])
        if counted != expected:
            found.append(f"{_said(at)}: forms give {expected}, a count {counted}")
        memory, within = search.memory, Within(number, part, search.limits, search.memory)
        if (
            len(boxes) == 1
            and all(counted[limit.quantity] <= limit.most for limit in search.limits)
            and (memory is None or memory.fits(at))
        ):
            most = within.most(low[boxes], high[boxes])
            found += [
                f"{_said(at)}: takes {counted[name]} {name}, more than its box is said to hold"
                for name, array in most.items()
                if counted[name] > array.min()
            ]
        if memory is None:
            continue
        sizes = within.sizes(corner)
        if memory.bytes(at) < int(memory.least(number, sizes, sizes)[0]):
            found.append(f"{_said(at)}: takes {memory.bytes(at)} bytes, less than the bound")
        if memory.fits(at):
            found += [
                f"{_said(at)}: fits, and passes {limit.most} {limit.quantity}"
                for limit in search.limits
                if limit.option == memory.limit.option and counted[limit.quantity] > limit.most
            ]
    return found


FAR = 24
"""Configurations are drawn from so many values of each letter, so that a count takes no seconds."""


def _said(at: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} no. {place}" for name, place in at.items()) or "all"


def configurations(search: Search) -> int:
    """All up to the tops of the slices."""
    return sum(part.size for part in search.slices)
