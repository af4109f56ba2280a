"""How evidence is gathered: identities of expressions, and relative errors of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .registry import Evidence, Method


def vanishes(expression: Any) -> bool:
    """Whether a SymPy expression is zero for every value of its symbols.

    Only an identity that SymPy finds counts. A point at which the expression is not zero settles the contrary,
    and spares a search that can take a minute.
    """
    import sympy

    expression = sympy.sympify(expression)
    if expression == 0 or sympy.expand(expression) == 0:
        return True
    return not _differs_at_a_point(expression) and bool(sympy.simplify(expression) == 0)


def _differs_at_a_point(expression: Any) -> bool:
    """Whether it is far from zero where symbols, and functions of which nothing is known, are numbers."""
    import random

    import sympy

    draw = random.Random(0)
    values: dict[Any, Any] = {}

    def value(key: Any, whole: bool) -> Any:
        if key not in values:
            number = draw.randint(1, 9)
            values[key] = sympy.Integer(number) if whole else sympy.Rational(number, draw.choice((7, 11, 13)))
        return values[key]

    if not all(symbol.is_commutative for symbol in expression.free_symbols):
        return False
    at = expression.subs({s: value(s, bool(s.is_integer)) for s in sorted(expression.free_symbols, key=str)})
    at = at.replace(_is_generic, lambda call: value(call, False))
    found = sympy.N(at, 30)
    return bool(found.is_number and found.is_finite and abs(found) > sympy.Float("1e-15"))


def _is_generic(node: Any) -> bool:
    """A function of which nothing is known: SymPy's own undefined ones, and those of :func:`generic`."""
    import sympy
    from sympy.core.function import AppliedUndef

    return isinstance(node, AppliedUndef) or (isinstance(node, sympy.Function) and hasattr(node, "generic"))


def identity(what: str, differences: Iterable[Any]) -> Evidence:
    """Left side minus right side, for each of several identities: all have to vanish."""
    each = list(differences)
    return Evidence(what, Method.SYMBOLIC, bool(each) and all(vanishes(one) for one in each), len(each))


def not_identity(what: str, difference: Any) -> Evidence:
    """Two expressions that are claimed to differ: an expression that does not vanish."""
    return Evidence(what, Method.SYMBOLIC, not vanishes(difference))


def same(what: str, holds: Iterable[bool]) -> Evidence:
    """Closed forms compared as polynomials: equal ones are equal at every point."""
    each = list(holds)
    return Evidence(what, Method.SYMBOLIC, bool(each) and all(each), len(each))


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
    import sympy

    prime = sympy.Function(f"{name}_prime")

    def fdiff(self: Any, argindex: int = 1) -> Any:
        return prime(*self.args) if derivative is None else derivative(self)

    return type(name, (sympy.Function,), {"fdiff": fdiff, "nargs": (1,), "generic": True})


def letters(name: str, *shape: int) -> Any:
    """A NumPy array of symbols: formulas written for tensors run on it unchanged."""
    import numpy
    import sympy

    array = numpy.empty(shape, dtype=object)
    for index in numpy.ndindex(*shape):
        array[index] = sympy.Symbol(f"{name}_{''.join(str(i + 1) for i in index)}", real=True)
    return array


def each(function: Any, array: Any) -> Any:
    """A SymPy function of every element of an array."""
    import numpy

    return numpy.array([function(element) for element in array.reshape(-1)], dtype=object).reshape(array.shape)


def derivatives(outputs: Any, inputs: Any) -> Any:
    """The array of ∂output/∂input for every pair of elements: shape of outputs + shape of inputs."""
    import numpy
    import sympy

    rows = [[sympy.diff(y, x) for x in inputs.reshape(-1)] for y in outputs.reshape(-1)]
    return numpy.array(rows, dtype=object).reshape(*outputs.shape, *inputs.shape)


def autograd_jacobian(function: Callable[..., Any], inputs: Any) -> Any:
    """The Jacobian that autograd gives, of one tensor or of several."""
    import torch

    jacobian: Any = torch.autograd.functional.jacobian
    return jacobian(function, inputs)
