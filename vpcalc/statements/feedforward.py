"""Why a feed-forward layer needs its non-linearity."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product
from typing import Any

from .evidence import close, far, identity, letters, not_identity, relative_error
from .libraries import F, sympy, torch
from .registry import Demonstration, Evidence, derivation, statement


@statement(
    "linear_collapse",
    "Two linear layers are one",
    "Without the activation, W₂(W₁x + b₁) + b₂ = (W₂W₁)x + (W₂b₁ + b₂): one linear layer, of rank at most the "
    "hidden width",
    "Vaswani et al. 2017, eq. 2, with max(0, ·) left out",
)
def linear_collapse(
    weight: Callable[[Any, Any], Any] = lambda W2, W1: W2 @ W1,
    bias: Callable[[Any, Any, Any], Any] = lambda W2, b1, b2: W2 @ b1 + b2,
    rank: Callable[[int], int] = lambda hidden: hidden,
) -> Demonstration:
    """As matrices of symbolic size, entry by entry, over many layers, and on the reference module."""
    from ..reference.feedforward import FeedForward

    entries = []
    for hidden in (1, 2, 3):
        W1, b1, W2, b2 = letters("U", hidden, 2), letters("b", hidden), letters("V", 2, hidden), letters("c", 2)
        x = letters("x", 2)
        entries += list(W2 @ (W1 @ x + b1) + b2 - (weight(W2, W1) @ x + bias(W2, b1, b2)))
    n, m = sympy.symbols("n m", integer=True, positive=True)
    V, U = sympy.MatrixSymbol("V", n, m), sympy.MatrixSymbol("U", m, n)
    b, c, v = sympy.MatrixSymbol("b", m, 1), sympy.MatrixSymbol("c", n, 1), sympy.MatrixSymbol("x", n, 1)
    left = V * (U * v + b) + c
    right = weight(_At(V), _At(U)).matrix * v + bias(_At(V), _At(b), _At(c)).matrix
    deep_W, deep_b = letters("A", 1, 1), letters("t", 1)
    deep = [deep_W @ letters("x", 1) + deep_b]
    merged_W, merged_b, unrolled = deep_W, deep_b, []
    for layer in range(2, 6):
        W, t = letters(f"A{layer}", 1, 1), letters(f"t{layer}", 1)
        deep.append(W @ deep[-1] + t)
        merged_W, merged_b = weight(W, merged_W), bias(W, merged_b, t)
        unrolled += list(deep[-1] - (merged_W @ letters("x", 1) + merged_b))

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        module = FeedForward(6, 24).double()
        x = torch.randn(50, 6, dtype=torch.float64)
        one, two = module.fc1, module.fc2
        linear = F.linear(x, weight(two.weight, one.weight), bias(two.weight, one.bias, two.bias))
        error = relative_error(linear, two(one(x)))
        # an affine function has no second difference: f(x) + f(−x) = 2f(0)
        bend = float((module(x) + module(-x) - 2 * module(torch.zeros_like(x))).norm() / module(x).norm())
    z = sympy.Symbol("z", real=True)
    relu = sympy.Max(0, z)
    return Demonstration(
        derivation(r"""
            Distribute.
                W₂(W₁x + b₁) + b₂ = W₂W₁x + W₂b₁ + b₂
                    W_2(W_1 x + b_1) + b_2 = W_2 W_1 x + W_2 b_1 + b_2
            That is one linear layer; by induction any number of them is.
                W = W₂W₁, b = W₂b₁ + b₂, rank W ≤ min(rank W₁, rank W₂)
                    W = W_2 W_1, \quad b = W_2 b_1 + b_2, \quad \operatorname{rank} W \le \min(\operatorname{rank}
                    W_1, \operatorname{rank} W_2)
            With an activation it is none: an affine function has f(x) + f(−x) = 2f(0), relu has not.
                max(0, z) + max(0, −z) = |z| ≠ 0
                    \max(0, z) + \max(0, -z) = \lvert z \rvert \neq 0
        """),
        {
            "without the activation, two linear layers are one, of weight W₂W₁ and bias W₂b₁ + b₂": (
                identity("for matrices of any size", [(left, right)]),
                identity("entry by entry", entries, instances="hidden widths 1, 2 and 3"),
                identity("layer by layer", unrolled, instances="2, 3, 4 and 5 layers"),
                close("fc1 and fc2 of the reference feed-forward as one layer, float64", error, 1e-13, 50),
            ),
            "its rank is at most the hidden width": (
                identity(
                    "W₂W₁ is a sum of as many dyads as the hidden width, for any width", [dyads(V, U, rank(m))]
                ),
                *_ranks(rank),
            ),
        },
        (
            not_identity("relu is not affine", relu + relu.subs(z, -z), {z: 1}),
            far("with its GELU: ‖f(x) + f(−x) − 2f(0)‖/‖f(x)‖", bend, 0.1),
        ),
    )


def dyads(V: Any, U: Any, count: Any) -> tuple[Any, Any]:
    """An entry of VU, of symbolic sizes, and the sum of this many products of one entry of each."""
    i, j = sympy.symbols("i j", integer=True, nonnegative=True)
    entry = (V * U)[i, j]
    (inner,) = entry.bound_symbols
    return entry, sympy.Sum(V[i, inner] * U[inner, j], (inner, 0, count - 1))


def _ranks(rank: Callable[[int], int]) -> list[Evidence]:
    """Minors of W₂W₁, 3 × 3, entries symbols: of the next order all vanish, of this one not all."""
    beyond, reached = [], []
    for hidden in (1, 2):
        merged = sympy.Matrix((letters("V", 3, hidden) @ letters("U", hidden, 3)).tolist())
        order = rank(hidden)
        beyond += minors(merged, order + 1)
        reached.append(not_identity(f"hidden width {hidden}: rank {order} is reached", minors(merged, order)[0]))
    sizes = "3 × 3, hidden widths 1 and 2"
    return [identity("minors of W₂W₁ of an order by 1 above the hidden width", beyond, instances=sizes), *reached]


def minors(matrix: Any, order: int) -> list[Any]:
    """Determinants of all square blocks of an order; of order 0 there is one, which is 1."""
    sides = list(combinations(range(matrix.rows), order))
    return [matrix.extract(rows, columns).det() for rows, columns in product(sides, sides)]


class _At:
    """A SymPy matrix of symbolic size under the ``@`` and ``+`` that arrays have."""

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix

    def __matmul__(self, other: _At) -> _At:
        return _At(self.matrix * other.matrix)

    def __add__(self, other: _At) -> _At:
        return _At(self.matrix + other.matrix)
