"""How evidence is gathered: identities of expressions, and relative errors of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..algebra.polynomial import Polynomial
from .libraries import numpy, sympy, torch
from .registry import Evidence, Method


def vanishes(expression: Any) -> bool:
    """Whether a SymPy expression is zero for every value of its symbols.

    Only an identity that SymPy finds counts. A point at which the expression is not zero settles the contrary,
    and spares a search that can take a minute.
    """
    expression = sympy.sympify(expression)
    if expression == 0 or sympy.expand(expression) == 0:
        return True
    return witness(expression) is None and bool(sympy.simplify(expression) == 0)


@dataclass(frozen=True)
class Point:
    """Numbers for symbols and for values of unknown functions, and what an expression is there."""

    values: Mapping[Any, Any]
    found: Any

    def __str__(self) -> str:
        at = ", ".join(f"{name} = {number}" for name, number in self.values.items())
        return f"{float(self.found):.3g}" + (f" at {at}" if at else "")


_DRAWS = 4
"""Points that are tried where none is given; symbols that may be negative are so at some."""


def witness(expression: Any, at: Mapping[Any, Any] | None = None) -> Point | None:
    """A point where a real expression is not zero, by 30 digits: the one that is given, or one that is drawn."""
    import random

    expression = sympy.sympify(expression)
    if not all(symbol.is_commutative for symbol in expression.free_symbols):
        return None
    draw = random.Random(0)
    for _ in range(1 if at is not None else _DRAWS):
        values: dict[Any, Any] = dict(at or {})

        def value(key: Any, values: dict[Any, Any] = values) -> Any:
            if key not in values:
                number = draw.randint(1, 9)
                sign = 1 if key.is_nonnegative or not hasattr(key, "name") else draw.choice((1, 1, -1))
                scale = 1 if key.is_integer else draw.choice((7, 11, 13))
                values[key] = sympy.Rational(sign * number, scale)
            return values[key]

        point = expression.subs({s: value(s) for s in sorted(expression.free_symbols, key=str)}, simultaneous=True)
        found = sympy.N(point.replace(_is_generic, value), 30)
        if found.is_real and found.is_finite and abs(found) > sympy.Float("1e-15"):
            return Point(values, found)
    return None


def _is_generic(node: Any) -> bool:
    """A function of which nothing is known: SymPy's own undefined ones, and those of :func:`generic`.

    One that bears the name of a known function is none: a point at which exp is negative is a point of no claim.
    """
    from sympy.core.function import AppliedUndef, FunctionClass

    unknown = isinstance(node, AppliedUndef) or (isinstance(node, sympy.Function) and hasattr(node, "generic"))
    return unknown and not isinstance(getattr(sympy, node.func.__name__, None), FunctionClass)


def identity(what: str, differences: Iterable[Any], instances: str = "") -> Evidence:
    """Identities, each as left side minus right side or as the pair of both: all differences have to vanish.

    Args:
        what: the identity in words.
        differences: expressions, or pairs of them. Numbers of Python, and pairs without a symbol, say nothing:
            where there is nothing else, the evidence is empty.
        instances: the sizes, in words, where the identity is shown at some and claimed of all.
    """
    each = [(one, 0) if not isinstance(one, tuple) else one for one in differences]
    holds = bool(each) and all(_equal(left, right) for left, right in each)
    return Evidence(
        what,
        Method.SYMBOLIC,
        holds,
        len(each),
        instances=instances,
        empty=not any(_says_something(*sides) for sides in each),
    )


def _says_something(left: Any, right: Any) -> bool:
    """Whether an identity is about symbols; one whose difference has cancelled is as long as it was computed."""
    if isinstance(right, int) and right == 0:
        return not isinstance(left, (int, float))
    return bool(_letters(left) | _letters(right))


def _letters(side: Any) -> frozenset[Any]:
    return side.letters if isinstance(side, Polynomial) else frozenset(sympy.sympify(side).free_symbols)


def _equal(left: Any, right: Any) -> bool:
    """Our polynomials by their one form, what has matrices in it term by term, the rest by its difference."""
    if isinstance(left, Polynomial) or isinstance(right, Polynomial):
        return bool(left == right)
    if any(getattr(letter, "is_Matrix", False) for letter in _letters(left) | _letters(right)):
        return bool(sympy.expand(left) == sympy.expand(right))
    return vanishes(left - right)


def known(what: str, facts: Iterable[tuple[Any, str]]) -> Evidence:
    """Expressions that SymPy knows to be positive, say, whatever their symbols are."""
    each = list(facts)
    holds = bool(each) and all(getattr(sympy.sympify(one), f"is_{fact}") is True for one, fact in each)
    return Evidence(what, Method.SYMBOLIC, holds, len(each), empty=not any(_letters(one) for one, _ in each))


def quotients(what: str, cases: Iterable[tuple[Polynomial, Polynomial, Mapping[str, int], str]]) -> Evidence:
    """One closed form over another at the sizes that a clause names, to the digits that it gives."""
    each = list(cases)
    holds = bool(each) and all(
        f"{float(over.value(at) / under.value(at)):.{len(says.partition('.')[2])}f}" == says
        for over, under, at, says in each
    )
    return Evidence(what, Method.SYMBOLIC, holds, len(each), empty=not any(_letters(over) for over, *_ in each))


def not_identity(what: str, difference: Any, at: Mapping[Any, Any] | None = None) -> Evidence:
    """Two expressions that are claimed to differ: a point where they do, which is shown."""
    point = witness(difference, at)
    return Evidence(
        what if point is None else f"{what}: the difference is {point}", Method.SYMBOLIC, point is not None
    )


def recovered(what: str, holds: Iterable[bool]) -> Evidence:
    """Polynomials recovered from counts, and what they were claimed to be."""
    each = list(holds)
    return Evidence(what, Method.INTERPOLATION, bool(each) and all(each), len(each))


def exact(what: str, holds: Iterable[bool]) -> Evidence:
    """Comparisons without tolerance."""
    each = list(holds)
    return Evidence(what, Method.EXACT, bool(each) and all(each), len(each))


def close(what: str, error: float, tolerance: float, cases: int = 1) -> Evidence:
    """An error of at most the tolerance; NaN is none."""
    return Evidence(what, Method.NUMERIC, error <= tolerance, cases, error, tolerance)


def far(what: str, distance: float, at_least: float) -> Evidence:
    """A difference that is claimed to be there."""
    return Evidence(f"{what} (at least {at_least:g})", Method.NUMERIC, distance >= at_least, 1, distance)


def relative_error(ours: Any, theirs: Any) -> float:
    """Norm of the difference over the norm of ``theirs``, of two tensors."""
    scale = float(theirs.norm())
    return float((ours - theirs).norm()) / scale if scale else float(ours.norm())


def generic(name: str, derivative: Callable[[Any], Any] | None = None) -> Any:
    """A function of one argument that SymPy can differentiate and knows nothing else of.

    Its derivative is another function, named with a prime, or what ``derivative`` makes of its value: 1 - s² for
    a function that satisfies f′ = 1 - f².
    """
    prime = sympy.Function(f"{name}_prime")

    def fdiff(self: Any, argindex: int = 1) -> Any:
        return prime(*self.args) if derivative is None else derivative(self)

    return type(name, (sympy.Function,), {"fdiff": fdiff, "nargs": (1,), "generic": True})


def letters(name: str, *shape: int) -> Any:
    """A NumPy array of symbols: formulas written for tensors run on it unchanged."""
    array = numpy.empty(shape, dtype=object)
    for index in numpy.ndindex(*shape):
        array[index] = sympy.Symbol(f"{name}_{''.join(str(i + 1) for i in index)}", real=True)
    return array


def each(function: Any, array: Any) -> Any:
    """A SymPy function of every element of an array."""
    return numpy.array([function(element) for element in array.reshape(-1)], dtype=object).reshape(array.shape)


def derivatives(outputs: Any, inputs: Any) -> Any:
    """The array of ∂output/∂input for every pair of elements: shape of outputs + shape of inputs."""
    rows = [[sympy.diff(y, x) for x in inputs.reshape(-1)] for y in outputs.reshape(-1)]
    return numpy.array(rows, dtype=object).reshape(*outputs.shape, *inputs.shape)


def autograd_jacobian(function: Callable[..., Any], inputs: Any) -> Any:
    """The Jacobian that autograd gives, of one tensor or of several."""
    jacobian: Any = torch.autograd.functional.jacobian
    return jacobian(function, inputs)
