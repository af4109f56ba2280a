"""Steps of proofs about networks of any width, any number of steps and any number of inputs.

Two letters stand for any number of units. An entry of a Jacobian is of two units, or of one, and all that the
others add to a unit's sum is a letter beside them, which does not depend on these two. That is so where a formula
gives each entry from what belongs to its row and its column alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .evidence import derivatives, each, generic, identity, letters
from .libraries import numpy, sympy
from .registry import Evidence

Array = Any


def one_factor(
    jacobian: Callable[[Array, Array], Array], residual: Callable[[Array, Array], Array] | None = None
) -> Evidence:
    """∂s′/∂s of s′ = f(Ws + u), or of s′ = s + f(Ws + u) with ``residual``, which makes the one of the other."""
    s, W = letters("s", 2), letters("W", 2, 2)
    a = letters("u", 2) + W @ s
    made, ours = each(generic("f"), a), jacobian(each(sympy.Function("f_prime"), a), W)
    if residual is not None:
        made, ours = s + made, residual(numpy.array([[1, 0], [0, 1]], dtype=object), ours)
    return identity(
        "the entries of two units among any number, for any f; what other units and inputs add is a letter",
        (derivatives(made, s) - ours).reshape(-1),
    )


def one_more_factor(chain: Callable[..., Array]) -> Evidence:
    """The chain rule for f(Ws + u) whose s is any function of x, with a symbol for the number of units.

    The factor of the last step is multiplied from the left, entry by entry: Σ_m (f′ W_im) ∂s_m/∂x.
    """
    n = sympy.Symbol("n", integer=True, positive=True)
    i, k, m = sympy.symbols("i k m", integer=True, nonnegative=True)
    x, slope = sympy.symbols("x slope", real=True)
    W, state = sympy.IndexedBase("W"), sympy.Function("S")
    a = sympy.Sum(W[i, m] * state(m, x), (m, 0, n - 1)) + sympy.Symbol("u")
    true = sympy.diff(generic("f")(a), x).subs(sympy.Function("f_prime")(a), slope)
    J, before = sympy.MatrixSymbol("J", n, n), sympy.MatrixSymbol("D", n, n)
    entry = chain([J], before)[i, k]
    (bound,) = entry.bound_symbols
    meant = {J[i, bound]: slope * W[i, bound], before[bound, k]: sympy.diff(state(bound, x), x)}
    ours = sympy.Sum(entry.function.subs(meant).subs(bound, m), (m, 0, n - 1))
    return identity("one more factor by the chain rule, leftmost, n a symbol", [sympy.simplify(true - ours)])


def one_more_term(chain: Callable[..., Array]) -> Evidence:
    """J_t times the sum for t − 1, of which M P is any term, has the term (J_t M) P; the new one has no factor."""
    n, p = sympy.symbols("n p", integer=True, positive=True)
    J, M = sympy.MatrixSymbol("J", n, n), sympy.MatrixSymbol("M", n, n)
    others, P, new = (sympy.MatrixSymbol(name, n, p) for name in ("R", "P", "P_t"))
    of_t = J * (others + M * P) + chain([], sympy.Identity(n)) * new
    return identity(
        "from the sum for t − 1 to that for t, term by term, matrices of any size",
        [(of_t, J * others + chain([J], M) * P + new)],
    )


def immediate(term: Callable[[Array, Array, Array], Array]) -> Evidence:
    """A row times ∂⁺s/∂U of s = f(Ux + u), two units and two inputs among any number."""
    U, x, row = letters("U", 2, 2), letters("x", 2), letters("r", 2)
    a = letters("u", 2) + U @ x
    moved = numpy.array(row @ each(generic("f"), a), dtype=object).reshape(1)
    ours = term(row, each(sympy.Function("f_prime"), a), x)
    return identity(
        "∂⁺s_k/∂U, two units and two inputs among any number, for any f",
        (derivatives(moved, U)[0] - ours).reshape(-1),
    )


def one_more_diagonal(block: Callable[[Array], Array]) -> Evidence:
    """A diagonal block times the product before it, of two units among any number."""
    gate, product = letters("g", 2), letters("p", 2)
    after = block(gate) @ numpy.diag(product)
    return identity(
        "one more factor multiplies each entry of the diagonal, of any number of units",
        (after - numpy.diag(gate * product)).reshape(-1),
    )


def diagonal_norm(largest: Callable[[Any], Any]) -> Evidence:
    """Term by term of n, which is any number: no factor of a term is negative, as |f′| ≤ γ."""
    gamma = sympy.Symbol("gamma", positive=True)
    p, u = sympy.symbols("p u", real=True)
    return identity(
        "γ²u_i² − (f′_i u_i)² = (γ − f′_i)(γ + f′_i) u_i² in each term of γ²‖u‖² − ‖diag(f′)u‖²",
        [(largest(gamma) ** 2 * u**2 - (p * u) ** 2, (gamma - p) * (gamma + p) * u**2)],
    )


def one_more_norm(before: Any, after: Any, factor: Any, of_none: Any = 1) -> Evidence:
    """The step of a bound on a product: what is left to the bound is not negative, as neither of the two rests is.

    The product before stretches a vector of length a to before · a less a rest, and the next matrix that to
    ``factor`` times as long, less another.
    """
    a, one, other = sympy.symbols("a rest_1 rest_2", nonnegative=True)
    stretched = factor * (before * a - one) - other
    return identity(
        "none keeps a vector as it is, and one more makes it at most g times as long as those before, which make "
        "it at most B times as long",
        [(after * a - stretched, factor * one + other), (of_none * a, a)],
    )
