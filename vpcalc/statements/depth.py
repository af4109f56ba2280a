"""What the bound on a recurrent network's gradients says of depth, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from .any_width import diagonal_norm, one_factor, one_more_factor, one_more_norm
from .evidence import close, derivatives, each, exact, generic, identity, letters, relative_error
from .libraries import numpy, sympy, torch
from .registry import Demonstration, Evidence, derivation, statement
from .unrolled import chain, jacobian


@statement(
    "depth_or_length",
    "The same bound for depth, until there are residual connections",
    "A stack s_l = f(W_l s_{l−1}) has the Jacobian ∏ diag(f′(a_l)) W_l, the last layer leftmost, of spectral norm "
    "at most ∏ γσ₁(W_l): the bound of a recurrent network, with a factor of its own for each layer. With s_l = "
    "s_{l−1} + f(W_l s_{l−1}) the factors are I + diag(f′(a_l)) W_l, which lengthen no vector by more than 1 + "
    "γσ₁ and shorten none below 1 − γσ₁ of it. Neither contains the width but through σ₁",
    "Pascanu, Mikolov & Bengio 2013, §2.1, for time; He et al. 2016, eq. 1; a lecture: 'limitations in scaling "
    "to large models'",
)
def depth_or_length(
    factor: Callable[[Any, Any], Any] = jacobian,
    residual: Callable[[Any, Any], Any] = lambda eye, J: eye + J,
    shrink: Callable[[float], float] = lambda gain: 1 - gain,
    stretch: Callable[[float], float] = lambda gain: 1 + gain,
    bound: Callable[[float], float] = lambda gain: gain,
) -> Demonstration:
    """Both Jacobians for a function of which nothing is known; autograd and singular values on tanh layers."""
    f, slope = generic("f"), sympy.Function("f_prime")
    before, gain = sympy.symbols("B g", positive=True)  # of the layers before, and γσ₁ of the next
    eye = numpy.array([[1, 0], [0, 1]], dtype=object)
    s, Ws = letters("s", 2), (letters("A", 2, 2), letters("B", 2, 2))
    plain, added, plain_J, added_J = s, s, eye, eye
    for W in Ws:
        plain_J = factor(each(slope, W @ plain), W) @ plain_J
        added_J = residual(eye, factor(each(slope, W @ added), W)) @ added_J
        plain, added = each(f, W @ plain), added + each(f, W @ added)
    below, between, worst = [], [], 0.0
    draw = torch.Generator().manual_seed(0)
    for n, depth, scale in ((3, 1, 0.9), (8, 6, 0.5), (8, 6, 0.9), (16, 40, 0.3), (64, 5, 0.7)):
        weights = [_of_norm(torch.randn(n, n, generator=draw, dtype=torch.float64), scale) for _ in range(depth)]
        x = torch.randn(n, generator=draw, dtype=torch.float64)
        for with_residual in (False, True):
            ours, measured = _run(weights, x, with_residual, factor, residual)
            worst = max(worst, relative_error(ours, measured))
            singular = torch.linalg.svdvals(measured)
            gains = [scale] * depth  # γ = 1 for tanh
            if with_residual:
                between.append(float(singular[0]) <= prod(map(stretch, gains)) * (1 + 1e-12))
                between.append(float(singular[-1]) >= prod(map(shrink, gains)) * (1 - 1e-12))
            else:
                below.append(float(singular[0]) <= prod(map(bound, gains)) * (1 + 1e-12))
    measured_too = close("tanh layers of both kinds against autograd, float64, up to 40 of them", worst, 1e-12, 10)
    return Demonstration(
        derivation(r"""
            Chain rule, as through time, and the norm of a product is at most the product of norms.
                ∂s_L/∂s_0 = ∏_l diag(f′(a_l)) W_l, ‖∂s_L/∂s_0‖ ≤ ∏_l γσ₁(W_l)
                    \frac{\partial s_L}{\partial s_0} = \prod_l \operatorname{diag}(f'(a_l))\, W_l, \quad
                    \Bigl\lVert \frac{\partial s_L}{\partial s_0} \Bigr\rVert \le \prod_l \gamma \sigma_1(W_l)
            With a residual connection each factor has the identity in it.
                ∂s_l/∂s_{l−1} = I + J_l, J_l = diag(f′(a_l)) W_l
                    \frac{\partial s_l}{\partial s_{l-1}} = I + J_l, \quad J_l = \operatorname{diag}(f'(a_l))\, W_l
            Triangle inequality.
                (1 − γσ₁)‖v‖ ≤ ‖v‖ − ‖J_l v‖ ≤ ‖v + J_l v‖ ≤ (1 + γσ₁)‖v‖
                    (1 - \gamma\sigma_1) \lVert v \rVert \le \lVert v \rVert - \lVert J_l v \rVert \le \lVert v +
                    J_l v \rVert \le (1 + \gamma\sigma_1) \lVert v \rVert
        """),
        {
            "a stack s_l = f(W_l s_{l−1}) has the Jacobian ∏ diag(f′(a_l)) W_l": (
                one_factor(factor),
                one_more_factor(chain),
                identity(
                    "both at once, differentiated for any f",
                    (derivatives(plain, s) - plain_J).reshape(-1),
                    instances="two layers of two units",
                ),
                measured_too,
            ),
            "its norm is at most ∏ γσ₁(W_l), whatever the width": (
                diagonal_norm(bound),
                one_more_norm(before, bound(gain) * before, gain),
                exact("largest singular values, 3 to 64 units wide, up to rounding", below),
            ),
            "with s_l = s_{l−1} + f(W_l s_{l−1}) the factors are I + diag(f′(a_l)) W_l": (
                one_factor(factor, residual),
                identity(
                    "their product, differentiated for any f",
                    (derivatives(added, s) - added_J).reshape(-1),
                    instances="two layers of two units",
                ),
                measured_too,
            ),
            "these lengthen no vector by more than 1 + γσ₁ and shorten none below 1 − γσ₁, whatever the width": (
                _triangle(shrink, stretch),
                exact("largest and smallest singular values, 3 to 64 units wide, up to rounding", between),
            ),
        },
        _reached(shrink, stretch),
    )


def _triangle(shrink: Callable[[Any], Any], stretch: Callable[[Any], Any]) -> Evidence:
    """|v + w|² of vectors of lengths a and b ≤ ga, c the cosine between them: from (a − b)² to (a + b)²."""
    a, b, g = sympy.symbols("a b g", positive=True)
    c = sympy.Symbol("c", real=True)
    added = a**2 + b**2 + 2 * a * b * c
    return identity(
        "(a + b)² and (a − b)² differ from |v + w|² by 2ab(1 − c) and 2ab(1 + c), bounds for b = g·a",
        [
            ((a + b) ** 2, added + 2 * a * b * (1 - c)),
            ((a - b) ** 2, added - 2 * a * b * (1 + c)),
            (stretch(g) * a, a + g * a),
            (shrink(g) * a, a - g * a),
        ],
    )


def _of_norm(W: Any, norm: float) -> Any:
    return W * (norm / float(torch.linalg.matrix_norm(W, 2)))


def _run(
    weights: list[Any],
    x: Any,
    with_residual: bool,
    factor: Callable[[Any, Any], Any],
    residual: Callable[[Any, Any], Any],
) -> tuple[Any, Any]:
    """The Jacobian of tanh layers as it is claimed, and as autograd has it."""

    def run(s: Any) -> Any:
        for W in weights:
            made = (W @ s).tanh()
            s = s + made if with_residual else made
        return s

    eye = torch.eye(len(x), dtype=torch.float64)
    ours, s = eye, x
    for W in weights:
        made = (W @ s).tanh()
        J = factor(1 - made * made, W)
        ours = (residual(eye, J) if with_residual else J) @ ours
        s = s + made if with_residual else made
    function: Any = torch.autograd.functional.jacobian
    return ours, function(run, x)


def _reached(shrink: Callable[[float], float], stretch: Callable[[float], float]) -> tuple[Evidence, ...]:
    """At 0, where tanh′ = 1, W = −g and W = g reach both bounds in one unit."""
    g, s = sympy.symbols("g s", positive=True)
    slopes = [sympy.diff(s + sympy.tanh(W * s), s).subs(s, 0) for W in (-g, g)]
    return (
        identity("both bounds of a residual layer are reached", [slopes[0] - shrink(g), slopes[1] - stretch(g)]),
    )
