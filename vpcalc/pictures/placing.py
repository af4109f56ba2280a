"""Where labels go: the first of a few places around a point that is still free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

_DIRECTIONS = ((1, 0), (0, 1), (0, -1), (-1, 0), (0.8, 0.8), (0.8, -0.8), (-0.8, 0.8), (-0.8, -0.8))
_AROUND = tuple((right * away, up * away) for away in (6, 10, 15, 20) for right, up in _DIRECTIONS)
"""Offsets in points, in the order in which they are tried: beside, above, below, left, corners; then further."""


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
        self._taken = [self._around(axes.transData.transform(point), radius) for point in points]
        for x, y in curves:
            pixels = axes.transData.transform(list(zip(x, y, strict=True)))
            for start, end in pairwise(pixels):
                # A curve is in the way as a chain of small squares.
                squares = max(6, int(abs(end - start).max() / 4))
                self._taken += [
                    self._around(start + (end - start) * step / squares, 1.0) for step in range(squares)
                ]

    def label(self, point: tuple[float, float], text: str, *, always: bool = False, **style: Any) -> bool:
        """Write ``text`` beside a point if there is room, or further away if it must be; say whether it stands."""
        from matplotlib.transforms import Bbox

        frame = self._axes.get_window_extent()
        offsets = _AROUND if always else _AROUND[: 2 * len(_DIRECTIONS)]
        for number, (right, up) in enumerate(offsets):
            written = self._axes.annotate(
                text,
                point,
                (right, up),
                textcoords="offset points",
                ha="left" if right > 0 else "right" if right < 0 else "center",
                va="bottom" if up > 0 else "top" if up < 0 else "center",
                **style,
            )
            written.set_in_layout(False)
            box = written.get_window_extent()
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            free = inside and Bbox.count_overlaps(box, self._taken) == 0
            if free or (always and number == len(offsets) - 1):
                self._taken.append(box)
                return True
            written.remove()
        return False

    def _around(self, pixel: Any, radius: float) -> Any:
        from matplotlib.transforms import Bbox

        (x, y), reach = pixel, radius * self._axes.figure.dpi / 72
        return Bbox.from_extents(x - reach, y - reach, x + reach, y + reach)


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
