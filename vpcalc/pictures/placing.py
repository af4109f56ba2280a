"""Where labels go: the first of a few places around a point that is still free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import cos, hypot, pi, sin
from typing import Any

from .style import QUIET

_DIRECTIONS = ((1, 0), (0, 1), (0, -1), (-1, 0), (0.8, 0.8), (0.8, -0.8), (-0.8, 0.8), (-0.8, -0.8))
_AROUND = tuple((right * away, up * away) for away in (6, 10, 15, 20) for right, up in _DIRECTIONS)
"""Offsets in points, in the order in which they are tried: beside, above, below, left, corners; then further."""
_TURNS = (6, 14, 5, 13, 7, 15, 4, 12, 3, 11, 0, 8, 2, 10, 1, 9)
_FURTHER = tuple(
    (cos(pi * turn / 8) * away, sin(pi * turn / 8) * away) for away in range(16, 64, 6) for turn in _TURNS
)
"""Offsets at which a thin line leads to the point, those across a diagonal first, since costs grow together."""

Box = tuple[float, float, float, float]


class Placing:
    """Labels on one axes. What has been placed is in the way of what comes."""

    def __init__(
        self,
        axes: Any,
        points: Iterable[tuple[float, float]],
        radius: float = 3.0,
        curves: Iterable[tuple[Iterable[float], Iterable[float]]] = (),
    ) -> None:
        axes.figure.draw_without_rendering()  # the layout decides where the points lie
        self._axes = axes
        self._dot = axes.figure.dpi / 72
        self._points = [tuple(axes.transData.transform(point)) for point in points]
        self._taken: list[Box] = [self._around(point, radius) for point in self._points]
        self._words: list[Box] = []
        for x, y in curves:
            pixels = axes.transData.transform(list(zip(x, y, strict=True)))
            for start, end in pairwise(pixels):
                self._taken += self._chain(start, end, 1.0)

    def label(
        self, point: tuple[float, float], text: str, *, always: bool = False, led: bool = False, **style: Any
    ) -> bool:
        """Write ``text`` beside a point if there is room, or further away if it must be; say whether it stands.

        ``led``: it may stand so far away that a line leads to it.
        """
        x, y = self._axes.transData.transform(point)
        frame = self._axes.get_window_extent()
        written = self._axes.annotate(text, point, (0, 0), textcoords="offset points", **style)
        written.set_in_layout(False)
        size = written.get_window_extent()
        near = _AROUND if always else _AROUND[: 2 * len(_DIRECTIONS)]
        offsets = (*near, *(_FURTHER if led else ()))
        for number, (right, up) in enumerate(offsets):
            left = x + right * self._dot - size.width * (right < 0) - size.width / 2 * (right == 0)
            below = y + up * self._dot - size.height * (up < 0) - size.height / 2 * (up == 0)
            box = left - 1, below - 1, left + size.width + 1, below + size.height + 1  # a dot of air
            inside = frame.x0 <= box[0] and box[2] <= frame.x1 and frame.y0 <= box[1] and box[3] <= frame.y1
            free = inside and not _touches(box, self._taken)
            if free and led and (number >= len(near) or self._is_anothers((x, y), box)):
                free = self._led((x, y), box)
            if free or (always and number == len(offsets) - 1):
                written.set_position((right, up))
                written.set_ha("left" if right > 0 else "right" if right < 0 else "center")
                written.set_va("bottom" if up > 0 else "top" if up < 0 else "center")
                self._taken.append(box)
                self._words.append(box)
                return True
        written.remove()
        return False

    def _is_anothers(self, point: tuple[float, float], box: Box) -> bool:
        """Whether a label stands so much nearer to another point that it would be taken for that one's."""
        return any(_away(other, box) + 2 * self._dot < _away(point, box) for other in self._points)

    def _led(self, start: tuple[float, float], box: Box) -> bool:
        """Draw a line from a point to a label's nearest edge, unless it crosses another label or line."""
        end = min(max(start[0], box[0]), box[2]), min(max(start[1], box[1]), box[3])
        chain = self._chain(start, end, 0.5)[1:]
        if any(_touches(each, self._words) for each in chain):
            return False
        ends = self._axes.transData.inverted().transform([start, end])
        self._axes.plot(*ends.T, color=QUIET, linewidth=0.4, label="_leader", zorder=1)
        self._taken += chain
        self._words += chain
        return True

    def _chain(self, start: Sequence[float], end: Sequence[float], radius: float) -> list[Box]:
        """A line is in the way as a chain of small squares."""
        across, up = end[0] - start[0], end[1] - start[1]
        count = max(2, int(max(abs(across), abs(up)) / 3))
        places = ((start[0] + across * step / count, start[1] + up * step / count) for step in range(count))
        return [self._around(place, radius) for place in places]

    def _around(self, pixel: Sequence[float], radius: float) -> Box:
        (x, y), reach = pixel, radius * self._dot
        return x - reach, y - reach, x + reach, y + reach


def _away(point: Sequence[float], box: Box) -> float:
    """How far a point lies from a box."""
    left, below, right, above = box
    return hypot(max(left - point[0], 0, point[0] - right), max(below - point[1], 0, point[1] - above))


def _touches(box: Box, others: Iterable[Box]) -> bool:
    left, below, right, above = box
    return any(left < c and a < right and below < d and b < above for a, b, c, d in others)


def spread(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Middles for boxes of these heights that do not overlap, as near as may be to where they were wanted."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    # Boxes that overlap are moved together, as one group around their common middle.
    groups: list[tuple[float, list[int]]] = []
    for place in order:
        groups.append((wanted[place], [place]))
        while len(groups) > 1:
            (below, lower), (above, upper) = groups[-2:]
            sizes = [sum(heights[each] for each in members) for members in (lower, upper)]
            if above - below >= sum(sizes) / 2:
                break
            middle = (below * sizes[0] + above * sizes[1]) / sum(sizes)
            groups[-2:] = [(middle, lower + upper)]
    found = [0.0] * len(wanted)
    for middle, members in groups:
        half, bottom = sum(heights[each] for each in members) / 2, 0.0
        for each in members:
            # The distance comes first: it is 0 for a box on its own, which then stays exactly where it was wanted.
            found[each] = middle + (bottom + heights[each] / 2 - half)
            bottom += heights[each]
    return found
