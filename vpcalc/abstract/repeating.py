"""Equal blocks one after the other, followed in bytes: run until a round is as the one before, and counted then.

A round is a period of steps: one block, or a plain and a shifted one. What it does depends on what it is given, so
that after two rounds which kept, grew and peaked alike all others do so too. Their readings are those of the last
one that was run, under their own paths, with as much more alive before each as a round leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from ..algebra.traced import Traced, form_of, value_of
from .tape import NOTHING, Again, Peak, Tape

T = TypeVar("T")

PERIODS = (1, 2)
"""Steps of a round."""

ENDS = 2
"""Rounds at either end that a backward pass may find different: what all share is let go in the first of them."""

FEWEST = 4
"""Rounds below which each is run: so many are needed to see that two are alike."""


def rounds(tape: Tape, steps: Sequence[T], first: int, names: int) -> Iterator[tuple[str, T]]:
    """Steps to be run, with the first of each one's ``names``; equal rounds are run as long as they differ."""
    at = 0
    while at < len(steps):
        period, times = _equal(steps, at)
        if tape.trail is not None or tape.flow is not None or times < FEWEST:
            yield str(first + at * names), steps[at]
            at += 1
            continue
        before, fewest = None, ENDS if tape.grad else 1
        for done in range(1, times + 1):
            start = first + (at + (done - 1) * period) * names
            this = _Round(tape, start, period * names)
            for place in range(period):
                yield str(start + place * names), steps[at + place]
            this.end()
            if before is not None and done > fewest and this.is_as(before):
                this.again(times - done, before)
                break
            before = this
        at += period * times


def _equal(steps: Sequence[Any], at: int) -> tuple[int, int]:
    """The period from a step on that comes most often, and how often."""
    found = []
    for period in PERIODS:
        round_, times = list(steps[at : at + period]), 1
        while list(steps[at + times * period : at + (times + 1) * period]) == round_:
            times += 1
        found.append((period, times))
    return max(found, key=lambda pair: (pair[0] * pair[1], -pair[0]))


class _Round:
    """What the steps of one round did on a tape."""

    def __init__(self, tape: Tape, first: int, names: int) -> None:
        self._tape, self._names = tape, [str(first + place) for place in range(names)]
        self._places = [f"name {place}" for place in range(names)]
        self._within = f"{tape.place}." if tape.place else ""
        self._top, tape.top = tape.top, NOTHING
        self._live, self._time = tape.live, tape.time
        self._sizes = {name: len(collected) for name, collected in self._collected().items()}
        tape.trail = []

    def _collected(self) -> dict[str, list[Any]]:
        tape = self._tape
        names = ("parameters", "buffers", "cached", "recomputed", "works", "times")
        return {name: found for name in names if (found := getattr(tape, name)) is not None}

    def end(self) -> None:
        """The round is over."""
        tape = self._tape
        self._grown = tape.live - self._live
        self._until = tape.time
        self._peak, tape.top = tape.top, _higher(self._top, tape.top)
        self._made, tape.trail = tape.trail or [], None
        self._new = {name: found[self._sizes[name] :] for name, found in self._collected().items()}
        self._peaks = {path: live for path, live in tape.peaks.items() if self._moved(path, 1) != path}

    def is_as(self, other: _Round) -> bool:
        """Whether it kept, grew and peaked as the round before it."""
        return bool(self._seen() == other._seen())

    def _seen(self) -> Any:
        made = [
            (self._renamed(path, self._places), kind, tuple((what, _exact(size)) for what, size in saved))
            for path, kind, saved in self._made
        ]
        return made, _exact(self._grown), _exact(self._peak.bytes - self._live)

    def _moved(self, path: str, by: int) -> str:
        """The same path in the round that comes so many later."""
        return self._renamed(path, [str(int(name) + by * len(self._names)) for name in self._names])

    def _renamed(self, path: str, names: Sequence[str]) -> str:
        if not path.startswith(self._within):
            return path
        parts = path[len(self._within) :].split(".")
        for place, part in enumerate(parts[:2]):  # a caller may put a word before the number
            if part in self._names:
                parts[place] = names[self._names.index(part)]
                return self._within + ".".join(parts)
        return path

    def again(self, more: int, before: _Round) -> None:
        """So many more rounds do the same, as the round before did."""
        tape = self._tape
        for later in range(1, more + 1):
            tape.recomputed += [
                part._replace(path=self._moved(part.path, later)) for part in self._new["recomputed"]
            ]
            if tape.works is not None:
                tape.works += [work._replace(path=self._moved(work.path, later)) for work in self._new["works"]]
        above = more * self._grown
        if tape.times is not None:
            tape.times += [
                (live + above, self._moved(path, more), kind) for live, path, kind in self._new["times"]
            ]
        highest = Peak(self._peak.bytes + above, self._moved(self._peak.path, more), self._peak.kind)
        tape.top = _higher(tape.top, highest)
        tape.live = tape.live + above
        moved, earlier = self._moved, before._moved
        tape.again.append(
            Again(self._time, self._until, more, moved, self._grown, self._peaks, self._new, earlier)
        )


def _higher(one: Peak, other: Peak) -> Peak:
    """The first of two unless the second is more."""
    return other if value_of(other.bytes) > value_of(one.bytes) else one


def _exact(size: Any) -> Any:
    """A size to be compared by its form, which decides nothing."""
    return form_of(size) if isinstance(size, Traced) else size
