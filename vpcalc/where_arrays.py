"""Conditions of :mod:`vpcalc.where` read on arrays of whole numbers: what a row answers, for many at once.

A number is a quotient of two whole ones, the lower above 0, each a Python int or an array; arrays broadcast
together. Every product is bounded before it is computed, and goes through Python's integers where it may pass 64
bits. What is left alone in a row (the rest of an ``and`` after what does not hold) is left alone here for that
element, so that a division by 0 is refused exactly where a row would refuse it.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy

from .where import (
    COMPARE,
    Arithmetic,
    Both,
    Comparison,
    Constant,
    Either,
    Expression,
    Name,
    Negative,
    Node,
    Not,
    RefusalError,
    refusal,
    spelled,
)

Array = Any
"""A NumPy array of whole numbers, or one Python int."""

Truth = Any
"""An array of truths, or one."""

MOST = (1 << 63) - 1


class Ratio(NamedTuple):
    """``above / below``, below being above 0."""

    above: Array
    below: Array


def holds(expression: Expression, values: Mapping[str, Any]) -> Truth:
    """Where a condition holds: an array of truths that broadcasts with those of the values, or one truth.

    Args:
        expression: a condition.
        values: for each of its names an array of whole numbers, a number, or a word.

    Raises:
        InputError: a division by 0, or words where numbers are needed.
    """
    try:
        return _truth(expression.root, values, True)
    except RefusalError as refused:
        raise refusal(expression, refused) from None


def _truth(node: Node, values: Mapping[str, Any], alive: Truth) -> Truth:
    """Where a condition holds; of elements that are not alive nobody asks."""
    match node:
        case Comparison():
            return _compared(node, values, alive)
        case Not():
            return numpy.logical_not(_truth(node.part, values, alive))
        case Both():
            found: Truth = True
            for part in node.parts:
                found = numpy.logical_and(found, _truth(part, values, numpy.logical_and(alive, found)))
            return found
        case Either():
            none: Truth = True
            for part in node.parts:
                truth = _truth(part, values, numpy.logical_and(alive, none))
                none = numpy.logical_and(none, numpy.logical_not(truth))
            return numpy.logical_not(none)
    value = node.value if isinstance(node, Constant) else values[node.name] if isinstance(node, Name) else None
    if not isinstance(value, bool):
        said = "a term" if value is None else repr(value) if isinstance(value, str) else "a number"
        raise RefusalError(f"{spelled(node)} is {said}, neither true nor false: compare it with something")
    return value


def _compared(node: Comparison, values: Mapping[str, Any], alive: Truth) -> Truth:
    found: Truth = True
    left, of = _value(node.first, values, alive), node.first
    for sign, other in node.rest:
        right = _value(other, values, numpy.logical_and(alive, found))
        if isinstance(left, str) is not isinstance(right, str):
            raise RefusalError(f"{spelled(of)} and {spelled(other)} are a word and a number: not to be compared")
        if isinstance(left, str) or isinstance(right, str):
            truth: Truth = COMPARE[sign](left, right)
        else:
            truth = COMPARE[sign](_times(left.above, right.below), _times(right.above, left.below))
        found = numpy.logical_and(found, truth)
        left, of = right, other
    return found


def _value(node: Node, values: Mapping[str, Any], alive: Truth) -> Ratio | str:
    """A number or a word."""
    match node:
        case Negative():
            part = _number(node.part, values, alive)
            return Ratio(_times(part.above, -1), part.below)
        case Arithmetic():
            found = _number(node.first, values, alive)
            for sign, other in node.rest:
                found = _calculated(found, sign, _number(other, values, alive), other, alive)
            return found
        case Constant() | Name():
            value = node.value if isinstance(node, Constant) else values[node.name]
            if isinstance(value, str):
                return value
            if isinstance(value, Fraction):
                return Ratio(value.numerator, value.denominator)
            return Ratio(int(value) if isinstance(value, (bool, int)) else value, 1)
    truth = _truth(node, values, alive)
    return Ratio(truth, 1)


def _number(node: Node, values: Mapping[str, Any], alive: Truth) -> Ratio:
    value = values[node.name] if isinstance(node, Name) else node.value if isinstance(node, Constant) else None
    if isinstance(value, (str, bool)):
        raise RefusalError(f"{spelled(node)} is {value!r}, no number to calculate with")
    found = _value(node, values, alive)
    assert isinstance(found, Ratio)
    return found


def _calculated(left: Ratio, sign: str, right: Ratio, of: Node, alive: Truth) -> Ratio:
    match sign:
        case "+" | "-":
            other = right.above if sign == "+" else _times(right.above, -1)
            return Ratio(
                _sum(_times(left.above, right.below), _times(other, left.below)), _times(left.below, right.below)
            )
        case "*":
            return Ratio(_times(left.above, right.above), _times(left.below, right.below))
    zero = right.above == 0
    if numpy.any(numpy.logical_and(alive, zero)):
        raise RefusalError(f"divided by {spelled(of)}, which is 0")
    by = numpy.where(zero, 1, right.above) if numpy.any(zero) else right.above
    above, below = _times(left.above, right.below), _times(left.below, by)
    if sign == "/":
        signs = (
            numpy.where(numpy.less(below, 0), -1, 1) if isinstance(below, numpy.ndarray) else (-1) ** (below < 0)
        )
        return Ratio(_times(above, signs), _times(below, signs))
    if sign == "//":
        return Ratio(above // below, 1)
    whole = above // below  # a % b = a − b⌊a/b⌋
    taken = Ratio(_times(right.above, whole), right.below)
    return _calculated(left, "-", taken, of, alive)


def _times(left: Array, right: Array) -> Array:
    """A product, exact."""
    if isinstance(left, int) and left == 1:
        return right
    if isinstance(right, int) and right == 1:
        return left
    left, right = _alike(left, right, _most(left) * _most(right))
    return left * right


def _sum(left: Array, right: Array) -> Array:
    left, right = _alike(left, right, _most(left) + _most(right))
    return left + right


def _alike(left: Array, right: Array, most: int) -> tuple[Array, Array]:
    """Both as they are, or in Python's integers where what is made of them may pass 64 bits."""
    if most <= MOST and max(_most(left), _most(right)) <= MOST:
        return left, right
    return tuple(side.astype(object) if isinstance(side, numpy.ndarray) else side for side in (left, right))  # type: ignore[return-value]


def _most(side: Array) -> int:
    if not isinstance(side, numpy.ndarray):
        return abs(int(side))
    if not side.size:
        return 0
    return max(abs(int(side.min())), abs(int(side.max())))
