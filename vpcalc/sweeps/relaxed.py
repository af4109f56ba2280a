"""What a box holds at most where forms are linear in all that varies in it: a knapsack, relaxed but in its steps.

In such a box a quantity is its value at the low corner and so much for each step of each letter, and so are the
limits. What steps of gain a and cost b bring within a room R is, for any price λ ≥ 0 of what is limited,

    Σ a_i x_i  ≤  λR + Σ max(0, a_i − λb_i) w_i         0 ≤ x_i ≤ w_i,  Σ b_i x_i ≤ R

of which the least is found among the prices λ = a_k / b_k (Dantzig 1957). What is gained is a sum of steps, so
that the bound is rounded down to one: the least sum of each class modulo the smallest step says which numbers are
sums (Böcker and Lipták 2007). All of it is in whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import gcd

import numpy

from ..algebra.polynomial import Polynomial
from ..arrays.forms import MOST, Array


def linear_letters(forms: Iterable[Polynomial]) -> list[str]:
    """Letters of which no term of any form has two, or one twice; of letters in the way of many others none."""
    products = {tuple(dict(monomial)) for form in forms for monomial in form.terms}
    powers = {letter for form in forms for monomial in form.terms for letter, power in monomial if power > 1}
    found = {letter for product in products for letter in product} - powers
    while True:
        tied = [each for product in products if len(each := found.intersection(product)) > 1]
        if not tied:
            return sorted(found)
        found.remove(max(sorted(found), key=lambda letter: sum(letter in each for each in tied)))


def is_linear(form: Polynomial, letters: Iterable[str]) -> bool:
    """Whether no term has two of some letters, or one twice."""
    among = {*letters}
    return all(sum(power for letter, power in each if letter in among) <= 1 for each in form.terms)


def left(most: int, taken: Array) -> Array:
    """What is left of a limit."""
    return most - (taken if most <= MOST else taken.astype(object))


def gain(steps: Array, widths: Array, rooms: Iterable[tuple[Array, Array]]) -> Array:
    """At most what steps of each letter bring, a row for each box.

    Args:
        steps: what one step of each letter brings.
        widths: how many steps there are of each.
        rooms: of each limit what one step of each letter takes of it, and what is left of it at the low corner.
    """
    free = widths > 0
    found = _sum(steps, widths)
    for costs, room in rooms:
        costs, room, gains = _wide(costs, room, steps, widths)
        for k in range(widths.shape[1]):
            usable = free[:, k] & (costs[:, k] > 0)
            if not numpy.any(usable):
                continue
            price, per = gains[:, k], numpy.where(usable, costs[:, k], 1)
            more = numpy.maximum(gains * per[:, None] - price[:, None] * costs, 0) * widths
            bound = (price * room + more.sum(axis=1)) // per
            found = numpy.where(usable, numpy.minimum(found, bound), found)
    if found.dtype == object and _most(found) <= MOST and _most(steps) <= MOST:
        found, steps = found.astype(numpy.int64), steps.astype(numpy.int64)
    each, of = numpy.unique(numpy.where(free, steps, 0), axis=0, return_inverse=True)
    rounded = numpy.empty_like(found)
    for number, row in enumerate(each.tolist()):
        rows = numpy.flatnonzero(of.reshape(-1) == number)
        rounded[rows] = sums_below(tuple(sorted({step for step in row if step > 0})), found[rows])
    return rounded


def sums_below(steps: tuple[int, ...], most: Array) -> Array:
    """The greatest sum of steps, each taken any number of times, that is not above each number.

    Where there are too many classes it is the greatest multiple of what divides all steps.
    """
    if not steps:
        return numpy.zeros_like(most)
    whole = gcd(*steps)
    least = _least_sums(tuple(step // whole for step in steps)) if most.dtype != object else None
    if least is None:
        return most // whole * whole
    found = numpy.array(most // whole)
    left = numpy.flatnonzero(found >= 0)
    for start in range(0, len(least), AT_ONCE):
        if not len(left):
            break
        below = found[left, None] - numpy.arange(start, min(start + AT_ONCE, len(least)))
        sums = (below >= 0) & (least[below % len(least)] <= below)
        places = numpy.argmax(sums, axis=1)
        rows = numpy.flatnonzero(sums[numpy.arange(len(left)), places])
        found[left[rows]] = below[rows, places[rows]]
        left = numpy.delete(left, rows)
    return found * whole


CLASSES = 1 << 18
"""The most classes that are gone through."""

AT_ONCE = 64
NONE = 1 << 61
"""More than any sum that is asked about."""


@lru_cache(maxsize=1 << 12)
def _least_sums(steps: tuple[int, ...]) -> Array | None:
    """The least sum in each class modulo the first step; None where there are too many, or sums too great.

    A further step goes round the classes in cycles; twice round each of them the least is known.
    """
    classes = steps[0]
    if classes > CLASSES or steps[-1] * classes * 2 > NONE:
        return None
    found = numpy.full(classes, NONE)
    found[0] = 0
    for step in steps[1:]:
        cycles = gcd(step, classes)
        times = numpy.arange(2 * classes // cycles)
        order = (numpy.arange(cycles)[:, None] + times * step) % classes
        least = numpy.minimum.accumulate(found[order] - times * step, axis=1) + times * step
        second = len(times) // 2
        found[order[:, second:]] = numpy.minimum(least[:, second:], NONE)
    return found


def _sum(steps: Array, widths: Array) -> Array:
    wide = steps if _most(steps) * _most(widths) * widths.shape[1] <= MOST else steps.astype(object)
    return (wide * widths).sum(axis=1)


def _wide(costs: Array, room: Array, steps: Array, widths: Array) -> tuple[Array, Array, Array]:
    """Costs, room and steps in Python's integers where a product may pass 64 bits."""
    step, cost = _most(steps), _most(costs)
    if 2 * step * cost * _most(widths) * widths.shape[1] + step * _most(room) <= MOST:
        return costs, room, steps
    return costs.astype(object), room.astype(object), steps.astype(object)


def _most(array: Array) -> int:
    return max(1, int(numpy.abs(array).max(initial=0)))
