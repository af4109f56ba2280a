"""A chain that is run backwards with few stored states: schedules, and searches through all of them.

A step back starts from the state before its step, which has to be at hand. What is carried back from step to step
is the same in every schedule, and not counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple


class State(NamedTuple):
    """Steps that are left to run back, the state that is at hand, if there is one, and those that are stored."""

    left: int
    at: int | None
    stored: frozenset[int]


Move = tuple[str, int]
"""``on`` runs a step forwards, ``back`` one back; ``store``, ``drop`` and ``restore`` are of a state."""


def moves(here: State, slots: int) -> Iterator[tuple[Move, State]]:
    """All that can be done. States behind the last step that is left are of no more use."""
    left, at, stored = here
    if at is not None and at == left - 1:
        yield ("back", left), State(at, None, frozenset(x for x in stored if x < at))
    elif at is not None:
        yield ("on", at + 1), State(left, at + 1, stored)
    if at is not None and at not in stored and len(stored) < slots:
        yield ("store", at), State(left, at, stored | {at})
    for x in stored:
        yield ("restore", x), State(left, x, stored)
        yield ("drop", x), State(left, at, stored - {x})


@cache
def reversible(steps: int, slots: int, most: int) -> bool:
    """Whether any schedule runs back so many steps, none of them forwards more than ``most`` times."""
    start = (State(steps, 0, frozenset()), (0,) * steps)
    seen, waiting = {start}, [start]
    while waiting:
        here, runs = waiting.pop()
        for (kind, of), there in moves(here, slots):
            if there.left == 0:
                return True
            again = (*runs[: of - 1], runs[of - 1] + 1, *runs[of:]) if kind == "on" else runs[: there.left]
            if max(again) <= most and (there, again) not in seen:
                seen.add((there, again))
                waiting.append((there, again))
    return False


@cache
def least(steps: int, slots: int) -> int:
    """The fewest steps forwards of all schedules: a shortest way in which only those have a length."""
    start = State(steps, 0, frozenset())
    found, waiting = {start: 0}, deque([start])
    while (here := waiting.popleft()).left:
        for (kind, _), there in moves(here, slots):
            length = found[here] + (kind == "on")
            if length < found.get(there, length + 1):
                found[there] = length
                (waiting.append if kind == "on" else waiting.appendleft)(there)
    return found[here]


class Ran(NamedTuple):
    """The most states that a schedule stored at once, how often it ran one step forwards, and all steps."""

    states: int
    most: int
    forwards: int


def follow(steps: int, schedule: Iterator[Move]) -> Ran | None:
    """What a schedule takes that runs all steps back; None where one of its moves cannot be done."""
    here, runs, most = State(steps, 0, frozenset()), [0] * (steps + 1), 0
    for move in schedule:
        there = dict(moves(here, steps)).get(move)
        if there is None:
            return None
        here, most = there, max(most, len(there.stored))
        runs[move[1]] += move[0] == "on"
    return None if here.left else Ran(most, max(runs), sum(runs))


def in_sum(first: int, slots: int, most: int, longest: Callable[[int, int], int]) -> Iterator[Move]:
    """The schedule of the sum, from a state that is at hand."""
    if slots == 0 or most == 0:
        yield "back", first + 1
        return
    middle = first + longest(slots, most - 1)
    yield "store", first
    yield from (("on", step) for step in range(first + 1, middle + 1))
    yield from in_sum(middle, slots - 1, most, longest)
    yield "restore", first
    yield "drop", first
    yield from in_sum(first, slots, most - 1, longest)


def in_segments(steps: int, every: int) -> Iterator[Move]:
    """Every so many states stored on the way, and then those within one segment after the other, from the last."""
    last = steps - every
    for step in range(1, last + 1):
        if (step - 1) % every == 0:
            yield "store", step - 1
        yield "on", step
    for first in range(last, -1, -every):
        if first < last:
            yield "restore", first
        for step in range(first + 1, first + every):
            if first == last or step > first + 1:
                yield "store", step - 1
            yield "on", step
        for step in range(first + every, first, -1):
            if step < first + every:
                yield "restore", step - 1
            yield "back", step
