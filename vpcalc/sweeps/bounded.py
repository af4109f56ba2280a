"""The best configurations under limits, by branch and bound on forms that grow with every lever.

A box is a range of each letter's values. Since forms grow, no configuration of it takes less than its low corner,
nor more than its high one. So what is certain about all of a box closes it, for one of these reasons:

    a limit         its low corner passes it: nothing in the box fits
    it loses        what it holds at most under the limits is no better than what is kept: nothing in it is
    it is single    it is one configuration, which is looked at

What it holds at most are its high corner's figures, cut at the limits; and where forms are linear in all that
varies in it, as they are in numbers of blocks, what a knapsack holds (:mod:`.relaxed`).

Of any other, the values of each letter with which a limit is passed at once are cut off, and the rest is halved.
Few boxes are gone on with at a time, those first that may hold most. Every box that was closed is remembered with
its reason: :mod:`.certificate` goes through them again.

Memory is counted for each configuration that would be kept. When the first has turned out not to fit, a bound from
below is derived (:mod:`.memory`), which closes boxes as limits do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy

from ..arrays.forms import MOST as MOST_64
from ..arrays.forms import Array, Compiled
from ..errors import InputError
from ..report.numbers import exact
from .growing import Limit, Slice
from .keeping import Figures, Front, Nearest, Row
from .levers import FREE, LISTED, Space
from .memory import Memory
from .relaxed import gain, left, linear_letters

CHUNK = 1 << 9
MOST = 500_000
"""Boxes that are looked at."""

LOSES, MEMORY, LOOKED_AT, OPEN = -1, -2, -3, -4
"""Why boxes are closed, and that they are not; from 0 on, the limit that is passed."""


@dataclass
class Closed:
    """Boxes of a slice that were closed: their corners, and why."""

    low: list[Array] = field(default_factory=list)
    high: list[Array] = field(default_factory=list)
    why: list[Array] = field(default_factory=list)

    def add(self, low: Array, high: Array, why: Array) -> None:
        """Close some."""
        if len(low):
            self.low.append(low)
            self.high.append(high)
            self.why.append(why)

    def add_where(self, mask: Array, low: Array, high: Array, why: Array) -> tuple[Array, Array]:
        """Close some of several; the corners of those that are left."""
        self.add(low[mask], high[mask], why[mask])
        return low[~mask], high[~mask]

    def joined(self, letters: int) -> tuple[Array, Array, Array]:
        """All of them."""
        if not self.low:
            nothing = numpy.zeros((0, letters), numpy.int64)
            return nothing, nothing, numpy.zeros(0, numpy.int64)
        return numpy.concatenate(self.low), numpy.concatenate(self.high), numpy.concatenate(self.why)


class Within:
    """A slice's forms, and its limits, on corners of boxes: arrays with a row for each corner."""

    def __init__(self, number: int, part: Slice, limits: Sequence[Limit], memory: Memory | None) -> None:
        self.number, self.part, self.limits, self.memory = number, part, limits, memory
        self.letters = [*part.top] or ["1"]  # a slice may be a single configuration
        self._forms = {name: Compiled(form) for name, form in part.forms.items()}
        self.linear = [letter for letter in linear_letters(part.forms.values()) if letter in part.top]
        self.few = prod(top for letter, top in part.top.items() if letter not in self.linear) <= LISTED

    def values(self, corners: Array) -> dict[str, Array]:
        """The forms at corners."""
        if not len(corners):
            return dict.fromkeys(self._forms, numpy.zeros(0, numpy.int64))
        sizes = self.sizes(corners)
        return {name: numpy.broadcast_to(form.at(sizes), len(corners)) for name, form in self._forms.items()}

    def cut_values(self, corners: Array) -> dict[str, Array]:
        """The same, and no more than the limits: what anything that fits takes at most."""
        found = self.values(corners)
        for limit in self.limits:
            most = found[limit.quantity]
            found[limit.quantity] = numpy.minimum(
                most, limit.most if most.dtype == object else min(limit.most, MOST_64)
            )
        return found

    def most(self, low: Array, high: Array) -> dict[str, Array]:
        """What anything that fits takes at most in boxes: at high corners, cut at the limits; less where forms are
        linear in all that varies."""
        found = self.cut_values(high)
        others = [at for at, letter in enumerate(self.letters) if letter not in self.linear]
        rows = numpy.flatnonzero(
            numpy.all(low[:, others] == high[:, others], axis=1) & numpy.any(low < high, axis=1)
        )
        if not len(rows):
            return found
        low, high = low[rows], high[rows]
        along = [at for at, letter in enumerate(self.letters) if letter in self.linear]
        stepped = [low + (numpy.arange(low.shape[1]) == at) for at in along]
        base, widths = self.values(low), (high - low)[:, along]
        each = [self.values(corner) for corner in stepped]
        steps = {name: numpy.stack([other[name] - at for other in each], axis=1) for name, at in base.items()}
        rooms = [(steps[limit.quantity], left(limit.most, base[limit.quantity])) for limit in self.limits]
        if self.memory is not None:
            corners = {self.letters[at]: self.sizes(corner) for at, corner in zip(along, stepped, strict=True)}
            rooms += self.memory.rooms(self.number, self.sizes(low), self.sizes(high), corners)
        for name, most in found.items():
            bound = numpy.minimum(most[rows], base[name] + gain(steps[name], widths, rooms))
            found[name] = most.astype(bound.dtype)
            found[name][rows] = bound
        return found

    def sizes(self, corners: Array) -> dict[str, Array]:
        """The letters at corners."""
        return {letter: corners[:, at] for at, letter in enumerate(self.letters)}

    def too_much(self, low: Array, high: Array) -> Array:
        """Which boxes take more memory everywhere than there is, as far as that is known."""
        if self.memory is None or not len(low):
            return numpy.zeros(len(low), bool)
        return self.memory.least(self.number, self.sizes(low), self.sizes(high)) > self.memory.limit.most

    def passed(self, low: Array, high: Array) -> Array:
        """The first limit that each low corner passes, and with it the whole box."""
        found = numpy.where(self.too_much(low, high), MEMORY, OPEN)
        least = self.values(low)
        for place, limit in reversed([*enumerate(self.limits)]):
            found[least[limit.quantity] > limit.most] = place
        return found

    def cut(self, axis: int, low: Array, high: Array, closed: Closed) -> Array:
        """High corners without the values of one letter with which a limit is passed at once; these are closed."""
        rows = numpy.flatnonzero(high[:, axis] > low[:, axis])
        inside, beyond = low[rows, axis], high[rows, axis]

        def at(place: Array) -> Array:
            """The limit that is passed from these values on."""
            first = low[rows].copy()
            first[:, axis] = place
            return self.passed(first, high[rows])

        passed = at(beyond) != OPEN
        rows, inside, beyond = rows[passed], inside[passed], beyond[passed]
        while numpy.any(beyond - inside > 1):
            middle = (inside + beyond) // 2
            over = (at(middle) != OPEN) | (middle == inside)
            inside, beyond = (
                numpy.where(over, inside, middle),
                numpy.where(over & (middle > inside), middle, beyond),
            )
        first = low[rows].copy()
        first[:, axis] = beyond
        closed.add(first, high[rows], at(beyond))
        high = high.copy()
        high[rows, axis] = inside
        return high

    def halved(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Boxes in two, the upper halves last: along their longest sides, but where forms are linear after others;
        there along the first, and a line before its end."""
        widths = high - low
        linear = numpy.isin(self.letters, self.linear)
        tied = numpy.any(widths[:, ~linear] > 0, axis=1)
        if self.few:
            widths = numpy.where(linear & tied[:, None], 0, widths)
        along = numpy.where(tied, numpy.argmax(widths, axis=1), numpy.argmax(widths > 0, axis=1))
        rows = numpy.arange(len(low))
        middle = (low[rows, along] + high[rows, along]) // 2
        line = ~tied & (numpy.sum(widths > 0, axis=1) == 1)
        middle = numpy.where(line, high[rows, along] - 1, middle)
        lower, upper = high.copy(), low.copy()
        lower[rows, along], upper[rows, along] = middle, middle + 1
        lows, highs = numpy.stack([low, upper], axis=1), numpy.stack([lower, high], axis=1)
        first = ~tied & ~line  # of equal ones the first are kept
        lows[first], highs[first] = lows[first, ::-1], highs[first, ::-1]
        return lows.reshape(-1, low.shape[1]), highs.reshape(-1, low.shape[1])

    def fits(self, at: Mapping[str, int], corner: Array) -> bool:
        """Whether a configuration takes no more memory than there is."""
        if self.memory is None:
            return True
        if numpy.any(self.too_much(corner, corner)):
            return False
        if self.memory.fits(at):
            return True
        self.memory.derive(self.number, self.part, at)
        return False


class Search:
    """All slices gone through; the best are ``kept``, and ``closed`` has every box of each slice."""

    def __init__(
        self,
        space: Space,
        slices: Sequence[Slice],
        limits: Sequence[Limit],
        kept: Nearest | Front,
        memory: Memory | None,
    ) -> None:
        self.space, self.slices, self.limits, self.kept, self.memory = space, slices, limits, kept, memory
        self.looked_at = 0
        self.closed = [Closed() for _ in slices]
        for number, part in enumerate(slices):
            if part.size:
                self._go_through(Within(number, part, limits, memory), self.closed[number])

    def _go_through(self, within: Within, closed: Closed) -> None:
        top = [within.part.top.get(letter, 1) for letter in within.letters]
        waiting = [(numpy.ones((1, len(top)), numpy.int64), numpy.asarray([top], dtype=numpy.int64))]
        while waiting:
            low, high = waiting.pop()
            if len(low) > CHUNK:
                waiting.append((low[:-CHUNK], high[:-CHUNK]))
                low, high = low[-CHUNK:], high[-CHUNK:]
            self.looked_at += len(low)
            if self.looked_at > MOST:
                raise InputError(
                    f"{FREE}: more than {exact(MOST)} boxes of configurations to look at; give fewer levers, or "
                    f"narrower ranges such as {FREE} {self.space.levers[-1].name}=FROM:TO:STEP"
                )
            passed = within.passed(low, high)
            low, high = closed.add_where(passed != OPEN, low, high, passed)
            for axis in range(len(top)):
                high = within.cut(axis, low, high, closed)
            least = within.values(low)
            most = within.most(low, high)
            loses = self.kept.loses(least, most, self.places(within.part, low))
            single = numpy.all(low == high, axis=1) & ~loses
            alone = numpy.flatnonzero(single)[::-1]  # of equal ones the first stand last
            self._offer(within, low[alone], {name: array[alone] for name, array in least.items()})
            why = numpy.where(single, LOOKED_AT, LOSES)
            low, high = closed.add_where(single | loses, low, high, why)
            if len(low):
                turn = self.kept.in_turn({name: array[~(single | loses)][::-1] for name, array in most.items()})
                order = len(low) - 1 - turn[::-1]  # the best last, equal ones as they were
                waiting.append(within.halved(low[order], high[order]))

    def _offer(self, within: Within, found: Array, figures: Figures) -> None:
        """Keep those of some configurations that are better than what is kept."""
        for place in self.kept.in_turn(figures):
            numbers = {name: int(array[place]) for name, array in figures.items()}
            row = self.row(within.part, found[place], numbers)
            if self.kept.past(row):
                return
            if not self.kept.wants(row):
                continue
            if self.memory is None:
                self.kept.keep(row)
            elif within.fits(row.at, found[place : place + 1]):
                name = self.memory.limit.quantity
                self.kept.keep(row._replace(figures={**numbers, name: self.memory.bytes(row.at)}))

    def places(self, part: Slice, corners: Array) -> Array:
        """The places of all levers' values at corners of a slice."""
        along = {letter: corners[:, at] for at, letter in enumerate(part.top)}
        each: list[Array] = [
            along[lever.name] if lever.name in along else numpy.full(len(corners), part.at[lever.name])
            for lever in self.space.levers
        ]
        return numpy.stack(each, axis=1)

    def row(self, part: Slice, place: Iterable[int], figures: Mapping[str, int]) -> Row:
        """A configuration of a slice as it is kept."""
        found = {**part.at, **dict(zip(part.top, map(int, place), strict=False))}
        at = {lever.name: found[lever.name] for lever in self.space.levers}
        return Row(self.kept.order(figures, tuple(at.values())), at, figures)
