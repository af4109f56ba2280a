"""Gradients through time: the sum over steps, the product of Jacobians in it, and whether that vanishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from ..report import Column, Kind, Table
from ..report.plots_theory import Chart, Series
from . import unrolled
from .any_width import diagonal_norm, immediate, one_factor, one_more_factor, one_more_norm, one_more_term
from .evidence import (
    autograd_jacobian,
    close,
    derivatives,
    each,
    far,
    generic,
    identity,
    known,
    letters,
    not_identity,
    relative_error,
)
from .libraries import numpy, sympy, torch
from .registry import Demonstration, Evidence, Step, derivation, statement
from .unrolled import ACTIVATIONS, Array

PASCANU = "Pascanu, Mikolov & Bengio 2013"


# -- the sum ----------------------------------------------------------------------------------------


@statement(
    "rnn_gradient",
    "Gradient of a recurrent network",
    "∂L_t/∂U = Σ_{k=1..t} ∂L_t/∂o_t · ∂o_t/∂s_t · (∏_{j=k+1..t} ∂s_j/∂s_{j−1}) · ∂⁺s_k/∂U",
    f"{PASCANU}, eq. 3-5; Werbos 1990; lecture slides print Σ_{{k=0..t}} and ∂s_k/∂U",
)
def rnn_gradient(
    jacobian: Callable[[Array, Array], Array] = unrolled.jacobian,
    chain: Callable[..., Array] = unrolled.chain,
    term: Callable[[Array, Array, Array], Array] = unrolled.term,
    printed: Callable[[Any, Any], Any] = lambda immediate, total: total,
) -> Demonstration:
    """Differentiated symbolically for any f, g and loss; unrolled in general; every term against autograd.

    ``printed`` is which of the two derivatives of s_k by U the slides mean.
    """
    each_term, summed = _symbolic_sum(jacobian, chain, term)
    return Demonstration(
        derivation(r"""
            The network.
                s_t = f(a_t), a_t = U x_t + W s_{t−1}, o_t = g(V s_t)
                    s_t = f(a_t), \quad a_t = U x_t + W s_{t-1}, \quad o_t = g(V s_t)
            Chain rule: the loss sees U through s_t alone.
                dL_t/dU = ∂L_t/∂o_t · ∂o_t/∂s_t · ds_t/dU
                    \frac{dL_t}{dU} = \frac{\partial L_t}{\partial o_t}\frac{\partial o_t}{\partial
                    s_t}\frac{ds_t}{dU}
            U acts on s_t at once, with s_{t−1} held fixed (∂⁺, the immediate partial derivative), and through
            s_{t−1}.
                ds_t/dU = ∂⁺s_t/∂U + J_t · ds_{t−1}/dU, J_t = ∂s_t/∂s_{t−1}
                    \frac{ds_t}{dU} = \frac{\partial^{+} s_t}{\partial U} + J_t \frac{ds_{t-1}}{dU}, \quad J_t =
                    \frac{\partial s_t}{\partial s_{t-1}}
            The immediate partial derivative is a row each: U_ab moves a_{k,a} alone.
                ∂⁺s_{k,i}/∂U_ab = f′(a_k)_i δ_ia x_{k,b}
                    \frac{\partial^{+} s_{k,i}}{\partial U_{ab}} = f'(a_k)_i \, \delta_{ia} \, x_{k,b}
            Unrolled down to s_0, which does not depend on U: by induction on t, since multiplying the sum for t −
            1 by J_t and adding the term k = t gives the sum for t.
                ds_t/dU = Σ_{k=1..t} (J_t J_{t−1} ⋯ J_{k+1}) ∂⁺s_k/∂U
                    \frac{ds_t}{dU} = \sum_{k=1}^{t} \bigl(J_t J_{t-1} \cdots J_{k+1}\bigr) \frac{\partial^{+}
                    s_k}{\partial U}
            Put into the chain rule.
                dL_t/dU = Σ_{k=1..t} ∂L_t/∂o_t · ∂o_t/∂s_t · (∏_{j=k+1..t} ∂s_j/∂s_{j−1}) · ∂⁺s_k/∂U
                    \frac{\partial L_t}{\partial U} = \sum_{k=1}^{t} \frac{\partial L_t}{\partial o_t}
                    \frac{\partial o_t}{\partial s_t} \Bigl( \prod_{j=k+1}^{t} \frac{\partial s_j}{\partial
                    s_{j-1}} \Bigr) \frac{\partial^{+} s_k}{\partial U}
        """),
        {
            "each term of the sum is the derivative by the U that step k uses": (
                immediate(term),
                one_factor(jacobian),
                one_more_factor(chain),
                each_term,
                *(_against_autograd(name, jacobian, chain, term) for name in ("tanh", "sigmoid")),
                *_against_module(jacobian, chain, term),
            ),
            "ds_t/dU is the sum of the terms from k = 1 to t": (one_more_term(chain), summed),
            "with the total derivative ∂s_k/∂U in its place the sum is in general another": (
                _total_derivatives_count_twice(printed),
            ),
        },
        tables=(_term_table(jacobian, chain, term),),
        correction="slides print ∂s_k/∂U and begin at k = 0: read as the total derivative it counts the steps "
        "before k "
        "again; it is the immediate one, ∂⁺, with s_{k−1} held fixed, and s_0 does not depend on U",
    )


def _symbolic_sum(jacobian: Any, chain: Any, term: Any) -> list[Evidence]:
    """T = 3 steps, n = d = 2, generic f, g and loss: each term, and their sum, against differentiation."""
    f, g = generic("f"), generic("g")
    slope_of, slope_out = sympy.Function("f_prime"), sympy.Function("g_prime")
    T, n = 3, 2
    U, W, V = letters("U", n, n), letters("W", n, n), letters("V", n, n)
    copies = [letters(f"U{k}", n, n) for k in range(1, T + 1)]
    xs = [letters(f"x{t}", n) for t in range(1, T + 1)]
    shared = {copy[index]: U[index] for copy in copies for index in numpy.ndindex(n, n)}

    state, slopes = letters("s0", n), []
    for copy, x in zip(copies, xs, strict=True):
        a = copy @ x + W @ state
        slopes.append(each(slope_of, a))
        state = each(f, a)
    o = each(g, V @ state)
    # a loss that knows nothing of itself: any function of the outputs has two partial derivatives there
    l1, l2 = sympy.symbols("l_1 l_2")
    row = (numpy.array([l1, l2], dtype=object) * each(slope_out, V @ state)) @ V
    loss = l1 * o[0] + l2 * o[1]

    Js = [jacobian(slope, W) for slope in slopes]
    unit = numpy.array([[1, 0], [0, 1]], dtype=object)
    ours = [term(row @ chain(Js[k:], unit), slopes[k - 1], xs[k - 1]) for k in range(1, T + 1)]
    single = []
    for copy, one in zip(copies, ours, strict=True):
        true = derivatives(numpy.array(loss, dtype=object).reshape(1), copy)[0]
        single += list((true - one).reshape(-1))
    total = sum(ours[1:], ours[0])
    merged = sympy.sympify(loss).subs(shared, simultaneous=True)
    differences = [
        sympy.diff(merged, U[index]) - sympy.sympify(total[index]).subs(shared, simultaneous=True)
        for index in numpy.ndindex(n, n)
    ]
    return [
        identity(
            "each term is the derivative by the copy of U that step k uses, for any f and g",
            single,
            instances="T = 3, n = d = 2",
        ),
        identity(
            "their sum is dL/dU, differentiated as it stands, for any f and g",
            differences,
            instances="T = 3, n = d = 2",
        ),
    ]


def _total_derivatives_count_twice(printed: Callable[[Any, Any], Any]) -> Evidence:
    """One unit, two steps, f the identity: the sum that is printed against the derivative."""
    U, W, x1, x2 = sympy.symbols("U W x_1 x_2", real=True)
    s1 = U * x1
    s2 = U * x2 + W * s1
    summed = W * printed(x1, sympy.diff(s1, U)) + printed(x2, sympy.diff(s2, U))
    return not_identity("one unit, two steps, f the identity", summed - sympy.diff(s2, U))


TOLERANCE = 1e-11
"""Of the relative error of one term in float64, against autograd."""


def _against_autograd(activation: str, jacobian: Any, chain: Any, term: Any) -> Evidence:
    net = unrolled.network(24, 12, 5, 1.1, activation, seed=3)
    ours = unrolled.printed_terms(net, jacobian=jacobian, chain=chain, term=term)
    theirs = unrolled.autograd_terms(net)
    errors = [
        error
        for a, b in zip(ours, theirs, strict=True)
        for error in unrolled.term_errors(a, b)
        if error is not None
    ]
    what = f"each term for U and W against autograd, float64 ({activation}, T = 24, n = 12, d = 5)"
    return close(what, max(errors, default=float("nan")), TOLERANCE, len(errors))


def _module_terms(jacobian: Any, chain: Any, term: Any) -> tuple[Array, Array]:
    """Terms of the reference cell's gradient for its input weight: ours, and autograd's by copies."""
    from torch.func import functional_call

    from ..reference.recurrence import Cell

    T, n, d = 16, 8, 4
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        cell = Cell("rnn", d, n).double()
        xs, row = torch.randn(T, d, dtype=torch.float64), torch.randn(n, dtype=torch.float64)
    copies = [cell.from_input.weight.detach().clone().requires_grad_() for _ in range(T)]
    state = (torch.zeros(1, n, dtype=torch.float64),)
    states = []
    for copy, x in zip(copies, xs, strict=True):
        state = functional_call(cell, {"from_input.weight": copy}, (x[None], *state))
        states.append(state[0][0].detach())
    theirs = torch.stack(torch.autograd.grad(state[0][0] @ row, copies))
    W = cell.from_hidden.weight.detach()
    slopes = [ACTIVATIONS["tanh"].slope(s) for s in states]
    Js = [jacobian(slope, W) for slope in slopes]
    unit = torch.eye(n, dtype=torch.float64)
    ours = torch.stack([term(row @ chain(Js[k:], unit), slopes[k - 1], xs[k - 1]) for k in range(1, T + 1)])
    return ours, theirs


def _against_module(jacobian: Any, chain: Any, term: Any) -> list[Evidence]:
    ours, theirs = _module_terms(jacobian, chain, term)
    error = max(relative_error(a, b) for a, b in zip(ours, theirs, strict=True))
    return [close("each term against autograd on the reference RNN cell, float64", error, TOLERANCE, len(ours))]


def _term_table(jacobian: Any, chain: Any, term: Any) -> Table:
    ours, theirs = _module_terms(jacobian, chain, term)
    rows = tuple(
        (k, len(ours) - k, _e(float(b.norm())), _e(relative_error(a, b)))
        for k, (a, b) in enumerate(zip(ours, theirs, strict=True), start=1)
    )
    columns = (
        Column("k", "k", Kind.NUMBER),
        Column("lag", "T − k", Kind.NUMBER),
        Column("norm", "Norm of term k"),
        Column("relative_error", "Relative error to autograd"),
    )
    return Table("Terms of the sum on the reference RNN cell, T = 16, n = 8, d = 4, float64", columns, rows)


def _e(value: float) -> str:
    return f"{value:.3e}"


# -- the product ------------------------------------------------------------------------------------


@statement(
    "rnn_jacobian",
    "Product of Jacobians",
    "∏_{j=k+1..t} ∂s_j/∂s_{j−1} = ∏_{j=k+1..t} diag(f′(a_j)) W, the latest factor leftmost",
    f"{PASCANU}, eq. 5; lecture slides print ∏ tanh(W)",
)
def rnn_jacobian(
    jacobian: Callable[[Array, Array], Array] = unrolled.jacobian,
    chain: Callable[..., Array] = unrolled.chain,
    printed: Callable[[Any], Any] | None = None,
) -> Demonstration:
    """Differentiated for any f; the slides' shorthand is a different matrix."""
    f, slope_of = generic("f"), sympy.Function("f_prime")
    n, T = 2, 3
    W, start = letters("W", n, n), letters("s0", n)
    state, slopes = start, []
    for t in range(1, T + 1):
        a = letters(f"u{t}", n) + W @ state  # u_t stands for U x_t
        slopes.append(each(slope_of, a))
        state = each(f, a)
    unit = numpy.array([[1, 0], [0, 1]], dtype=object)
    product = chain([jacobian(slope, W) for slope in slopes], unit)
    true = derivatives(state, start)

    a, w = sympy.symbols("a w", real=True)
    one_step = sympy.diff(sympy.tanh(a + w * sympy.Symbol("s")), sympy.Symbol("s")).subs(sympy.Symbol("s"), 0)
    return Demonstration(
        derivation(r"""
            One step, element by element.
                ∂s_{j,i}/∂s_{j−1,m} = f′(a_{j,i}) W_im
                    \frac{\partial s_{j,i}}{\partial s_{j-1,m}} = f'(a_{j,i}) \, W_{im}
            As a matrix: row i of W scaled by f′(a_{j,i}).
                ∂s_j/∂s_{j−1} = diag(f′(a_j)) W
                    \frac{\partial s_j}{\partial s_{j-1}} = \operatorname{diag}\bigl(f'(a_j)\bigr) W
            For f = tanh the slope follows from the state itself.
                ∂s_j/∂s_{j−1} = diag(1 − s_j²) W
                    \frac{\partial s_j}{\partial s_{j-1}} = \operatorname{diag}\bigl(1 - s_j^{2}\bigr) W
            Chain rule; matrices do not commute, and the latest step is applied last.
                ∂s_t/∂s_k = diag(f′(a_t)) W · diag(f′(a_{t−1})) W ⋯ diag(f′(a_{k+1})) W
                    \frac{\partial s_t}{\partial s_k} = \prod_{j=k+1}^{t} \frac{\partial s_j}{\partial s_{j-1}} =
                    \operatorname{diag}\bigl(f'(a_t)\bigr) W \cdots \operatorname{diag}\bigl(f'(a_{k+1})\bigr) W
            With one unit, at a = 0 and w = 1: the derivative is 1, tanh(w) is 0.76.
                (1 − tanh²(a)) w ≠ tanh(w)
                    \bigl(1 - \tanh^{2} a\bigr) w \neq \tanh w
        """),
        {
            "a factor ∂s_j/∂s_{j−1} is diag(f′(a_j)) W": (one_factor(jacobian),),
            "∂s_t/∂s_k is the product of the factors, the latest leftmost": (
                one_more_factor(chain),
                identity(
                    "∂s_3/∂s_0, differentiated as it stands, for any f",
                    (true - product).reshape(-1),
                    instances="n = 2",
                ),
            ),
            "∏ tanh(W) is in general another matrix": (
                not_identity("one unit, one step", one_step - (printed or sympy.tanh)(w), {a: 0, w: 1}),
            ),
        },
        (identity("tanh′ = 1 − tanh²", [one_step - (1 - sympy.tanh(a) ** 2) * w]),),
        correction="slides print ∏ tanh(W): f′ is taken at a_j, not f at W, and it scales the rows of W",
    )


@statement(
    "pascanu_jacobian",
    "Which matrix is transposed",
    "∂x_i/∂x_{i−1} = W_rec diag(σ′(x_{i−1})) for x_t = W_rec σ(x_{t−1}) + W_in u_t + b; where W_rec is not "
    "symmetric its norm can be another than that of the printed matrix, and both are at most γσ₁, γ the largest "
    "|σ′| and σ₁ the largest singular value of W_rec",
    f"{PASCANU}, eq. 2 and 5, which print W_recᵀ diag(σ′(x_{{i−1}}))",
)
def pascanu_jacobian(
    jacobian: Callable[[Array, Array], Array] = lambda W, slope: W * slope[None, :],
    printed: Callable[[Array, Array], Array] = lambda W, slope: W.T * slope[None, :],
    largest: Callable[[Any], Any] = lambda gamma: gamma,
) -> Demonstration:
    """Differentiated for any σ; the printed matrix is right for symmetric W, its norm another."""
    sigma, slope_of = generic("sigma"), sympy.Function("sigma_prime")
    W, x = letters("W", 2, 2), letters("x", 2)
    slope = each(slope_of, x)
    # two units among any number, what the others and the inputs add in u
    true = derivatives(letters("u", 2) + W @ each(sigma, x), x)
    symmetric = [sympy.sympify(entry).subs(W[0, 1], W[1, 0]) for entry in (true - printed(W, slope)).reshape(-1)]
    one_way, off = numpy.array([[0, 1], [0, 0]]), numpy.array([1, 0])
    products = (one_way * off[None, :], printed(one_way, off))
    norms = [max(sympy.Matrix(product.tolist()).singular_values()) for product in products]
    return Demonstration(
        (
            *derivation(r"""
                Differentiate element by element.
                    ∂x_{t,i}/∂x_{t−1,m} = W_im σ′(x_{t−1,m})
                        \frac{\partial x_{t,i}}{\partial x_{t-1,m}} = W_{im} \, \sigma'(x_{t-1,m})
                As a matrix of columns ∂/∂x_{t−1,m}: column m of W scaled by σ′(x_{t−1,m}).
                    ∂x_t/∂x_{t−1} = W_rec diag(σ′(x_{t−1}))
                        \frac{\partial x_t}{\partial x_{t-1}} = W_{\mathrm{rec}}
                        \operatorname{diag}\bigl(\sigma'(x_{t-1})\bigr)
                In the other layout the whole product is transposed, not W alone.
                    (∂x_t/∂x_{t−1})ᵀ = diag(σ′(x_{t−1})) W_recᵀ
                        \Bigl(\frac{\partial x_t}{\partial x_{t-1}}\Bigr)^{\top} =
                        \operatorname{diag}\bigl(\sigma'(x_{t-1})\bigr) W_{\mathrm{rec}}^{\top}
                A matrix and its transpose have the same singular values: the bounds (6) and (7) stand.
                    ‖W_recᵀ‖ = ‖W_rec‖ = σ₁, so both products are at most γσ₁
                        \lVert W_{\mathrm{rec}}^{\top} \rVert = \lVert W_{\mathrm{rec}} \rVert = \sigma_1:
                        \quad \lVert W_{\mathrm{rec}} \operatorname{diag}(\sigma') \rVert \le \gamma \sigma_1 \ge
                        \lVert W_{\mathrm{rec}}^{\top} \operatorname{diag}(\sigma') \rVert
            """),
            Step(
                "The norms themselves need not be equal: W_rec that carries the second unit to the first, the "
                "second one off.",
                f"W_rec = (0 1; 0 0), σ′ = (1, 0): ‖W_rec diag(σ′)‖ = {norms[0]}, ‖W_recᵀ diag(σ′)‖ = {norms[1]}",
                r"W_{\mathrm{rec}} = \begin{pmatrix}0 & 1\\ 0 & 0\end{pmatrix},\; \sigma' = (1, 0):\; "
                rf"\lVert W_{{\mathrm{{rec}}}} \operatorname{{diag}}(\sigma') \rVert = {norms[0]},\; "
                rf"\lVert W_{{\mathrm{{rec}}}}^{{\top}} \operatorname{{diag}}(\sigma') \rVert = {norms[1]}",
            ),
        ),
        {
            "∂x_i/∂x_{i−1} = W_rec diag(σ′(x_{i−1}))": (
                identity(
                    "the entries of two units among any number, for any σ", (true - jacobian(W, slope)).reshape(-1)
                ),
            ),
            "where W_rec is not symmetric its norm can be another than that of the printed W_recᵀ diag(σ′)": (
                not_identity("W_rec = (0 1; 0 0), σ′ = (1, 0)", norms[1] - norms[0]),
            ),
            "both norms are at most γσ₁": (diagonal_norm(largest), _same_singular_values()),
        },
        (identity("W_recᵀ diag(σ′) is the Jacobian where W_rec is symmetric", symmetric),),
        correction=f"eq. 5 prints W_recᵀ diag(σ′): W_rec is not transposed. The norm can be another too "
        f"({norms[0]} and {norms[1]} for W_rec = (0 1; 0 0), σ′ = (1, 0)); its bound γσ₁ stands",
    )


# -- the bound --------------------------------------------------------------------------------------


@statement(
    "rnn_bound",
    "Vanishing and exploding gradients",
    "‖∏_{j=k+1..t} ∂s_j/∂s_{j−1}‖₂ ≤ (γσ₁)^{t−k} in the spectral norm, γ the largest |f′| and σ₁ the largest "
    "singular value of W: γσ₁ < 1 suffices to vanish, γσ₁ > 1 is needed to explode",
    f"{PASCANU}, §2.1, eq. 6 and 7, where λ₁ is 'the largest singular value'; its preprint, arXiv:1211.5063, has "
    f"'the absolute value of the largest eigenvalue'",
)
def rnn_bound(
    gamma: Mapping[str, Fraction] | None = None,
    largest: Callable[[Any], Any] = lambda gamma: gamma,
    bound: Callable[[Any, Any], Any] = lambda factor, lag: factor**lag,
    weight: int = 8,
) -> Demonstration:
    """γ from the slopes, the bound from submultiplicativity, and the norms of products that were run."""
    claimed = {name: one.gamma for name, one in ACTIVATIONS.items()} if gamma is None else gamma
    g, m = sympy.Symbol("g", positive=True), sympy.Symbol("m", integer=True, nonnegative=True)
    bounds, worst, cases = [], 0.0, 0
    for name in ("tanh", "sigmoid"):
        for sigma in (0.5, 1.1, 3.0):
            net = unrolled.network(40, 16, 8, sigma, name, seed=1)
            norms = unrolled.log_norms(net.jacobians())
            factor = float(claimed[name]) * sigma
            excess = [10**log / bound(factor, lag) for lag, log in enumerate(norms, 1)]
            worst, cases = max(worst, *excess), cases + len(norms)
            if name == "tanh":
                lags = tuple(float(lag) for lag in range(1, len(norms) + 1))
                powers, measured = tuple(bound(factor, lag) for lag in lags), tuple(10**log for log in norms)
                bounds.append(Series(f"bound, σ₁ = {sigma}", lags, powers, dashed=True, group=str(sigma)))
                bounds.append(Series(f"measured, σ₁ = {sigma}", lags, measured, group=str(sigma)))
    return Demonstration(
        derivation(r"""
            The norm of a product is at most the product of the norms.
                ‖∏ J_j‖ ≤ ∏ ‖J_j‖, J_j = diag(f′(a_j)) W
                    \Bigl\lVert \prod_j J_j \Bigr\rVert \le \prod_j \lVert J_j \rVert, \quad J_j =
                    \operatorname{diag}\bigl(f'(a_j)\bigr) W
            A diagonal matrix stretches no vector by more than its largest entry in absolute value.
                γ²‖u‖² − ‖diag(f′)u‖² = Σ_i (γ − f′_i)(γ + f′_i) u_i² ≥ 0
                    \gamma^2 \lVert u \rVert^2 - \lVert \operatorname{diag}(f') u \rVert^2 = \sum_i (\gamma -
                    f'_i)(\gamma + f'_i) u_i^2 \ge 0
            The largest slope.
                tanh: f′ = 1 − s², γ = 1 at s = 0; sigmoid: f′ = s(1 − s), γ = 1/4 at s = 1/2
                    \tanh' = 1 - s^2 \le 1 = \gamma, \qquad \sigma' = s(1 - s) \le \tfrac14 = \gamma
            W stretches no vector by more than its largest singular value.
                ‖J_j‖ ≤ γσ₁, so ‖∏_{j=k+1..t} J_j‖ ≤ (γσ₁)^{t−k}
                    \lVert J_j \rVert \le \gamma \sigma_1 \;\Rightarrow\; \Bigl\lVert \prod_{j=k+1}^{t} J_j
                    \Bigr\rVert \le (\gamma \sigma_1)^{t-k}
            The largest eigenvalue would not do. For tanh, at the fixed point s = (0, 1/2) of b = (−4, 4 + artanh
            1/2), W has no eigenvalue but 0 and the product grows as 2^m.
                W = (8 8; −8 −8), D = diag(1 − s²) = diag(1, 3/4): W² = 0, (DW)^m = 2^{m−1} DW
                    W = \begin{pmatrix}8 & 8\\ -8 & -8\end{pmatrix},\; D = \operatorname{diag}(1, \tfrac34):\; W^2
                    = 0,\; (DW)^m = 2^{m-1} DW
        """),
        {
            "γ is the largest slope: 1 of tanh, 1/4 of the sigmoid": (
                _largest_slopes(claimed),
                _slopes_are_derivatives(),
            ),
            "‖∏_{j=k+1..t} ∂s_j/∂s_{j−1}‖₂ ≤ (γσ₁)^{t−k}": (
                diagonal_norm(largest),
                one_more_norm(bound(g, m), bound(g, m + 1), g, bound(g, sympy.Integer(0))),
                close(
                    "measured norm over bound, every lag (tanh and sigmoid, σ₁ = 0.5, 1.1, 3; T = 40, n = 16)",
                    worst,
                    1 + 1e-10,
                    cases,
                ),
            ),
            "γσ₁ < 1 suffices to vanish, and γσ₁ > 1 is needed to explode": _below_one(bound),
            "the largest eigenvalue would not do": (
                _eigenvalues_are_not_enough(weight),
                _explodes_beside_its_eigenvalues(weight),
            ),
        },
        figure=Chart(
            "Norm of the product of Jacobians, f = tanh", "lag t − k", "‖∏ J‖₂", tuple(bounds), log_y=True
        ),
        correction="read as the largest eigenvalue, as in the preprint, λ₁ < 1/γ does not suffice: W = (8 8; −8 "
        "−8) has λ₁ = 0, and its tanh network explodes; the proof in eq. 6 takes the spectral norm, which is the "
        "largest singular value",
    )


def _largest_slopes(claimed: Mapping[str, Fraction]) -> Evidence:
    """The maximum of f′ over the range of f, where that is an interval."""
    from sympy.calculus.util import maximum

    s = sympy.Symbol("s", real=True)
    differences = []
    for name, one in ACTIVATIONS.items():
        if one.low is not None and one.high is not None:
            largest = maximum(one.slope(s), s, sympy.Interval(one.low, one.high))
            differences.append(largest - sympy.Rational(claimed[name].numerator, claimed[name].denominator))
    return identity("γ is the maximum of f′ (tanh, sigmoid)", differences)


def _slopes_are_derivatives() -> Evidence:
    a = sympy.Symbol("a", real=True)
    sigmoid = 1 / (1 + sympy.exp(-a))
    tanh, logistic = ACTIVATIONS["tanh"].slope, ACTIVATIONS["sigmoid"].slope
    return identity(
        "tanh′ = 1 − s² and sigmoid′ = s(1 − s)",
        [sympy.diff(sympy.tanh(a), a) - tanh(sympy.tanh(a)), sympy.diff(sigmoid, a) - logistic(sigmoid)],
    )


def _same_singular_values() -> Evidence:
    """Where WᵀW v = λv, WWᵀ (Wv) = λ (Wv), and the other way round: all λ ≠ 0 are the same."""
    n = sympy.Symbol("n", integer=True, positive=True)
    W, v, scaled = sympy.MatrixSymbol("W", n, n), sympy.MatrixSymbol("v", n, 1), sympy.Symbol("lambda")
    both = [(W, W.T), (W.T, W)]
    sides = [
        pair
        for A, B in both
        for pair in ((A * B * (A * v), A * (B * A * v)), (A * (scaled * v), scaled * (A * v)))
    ]
    return identity("W and Wᵀ have the same singular values, of any size", sides)


def _below_one(bound: Callable[[Any, Any], Any]) -> tuple[Evidence, ...]:
    """Any factor below 1 is 1/(1 + x) of some x > 0."""
    x, lag = sympy.Symbol("x", positive=True), sympy.Symbol("m", integer=True, positive=True)
    return (
        identity(
            "(1 + x)^{−m} → 0 for every x > 0, and 1^m = 1",
            [sympy.limit(bound(1 / (1 + x), lag), lag, sympy.oo), sympy.sympify(bound(sympy.Integer(1), lag)) - 1],
        ),
    )


def _nilpotent(weight: int) -> tuple[Any, Any, Any]:
    """W, the bias and the fixed point s = tanh(Ws + b) of a network that explodes though W² = 0, exactly."""
    W, s = weight * sympy.Matrix([[1, 1], [-1, -1]]), sympy.Matrix([0, sympy.Rational(1, 2)])
    return W, s.applyfunc(sympy.atanh) - W * s, s


def _eigenvalues_are_not_enough(weight: int) -> Evidence:
    """By induction on m: J² = 2J, so that J^{m+1} = 2^{m−1} J² = 2^m J."""
    W, b, s = _nilpotent(weight)
    J = sympy.diag(*(1 - x**2 for x in s)) * W
    fixed = (W * s + b).applyfunc(sympy.tanh) - s
    return identity(
        "W² = 0, s is a fixed point, and J = DW has J² = 2J, so J^m = 2^{m−1} J",
        [*(W**2), *fixed, *(J**2 - 2 * J)],
    )


def _explodes_beside_its_eigenvalues(weight: int) -> Evidence:
    """The same network in torch: autograd through 12 steps from its fixed point."""
    steps = 12
    W, b, s = (
        torch.tensor([[float(x) for x in row] for row in m.tolist()], dtype=torch.float64)
        for m in _nilpotent(weight)
    )

    def run(state: Any) -> Any:
        for _ in range(steps):
            state = torch.tanh(W @ state + b[:, 0])
        return state

    norm = float(torch.linalg.matrix_norm(autograd_jacobian(run, s[:, 0]), 2))
    least = 2.0 ** (steps - 1) * 10 - 1  # ‖DW‖ = √200 > 10
    return far(f"norm of the Jacobian over {steps} steps of that tanh network by autograd, float64", norm, least)


# -- clipping ---------------------------------------------------------------------------------------


@statement(
    "gradient_clipping",
    "Gradient clipping",
    "Where ‖g‖ ≥ θ > 0, ĝ = θ g/‖g‖ has norm θ and the direction of g; the shares of the terms of the sum stay as "
    "they are",
    f"{PASCANU}, §3.2, Algorithm 1",
)
def gradient_clipping(
    scale: Callable[[Any, Any], Any] = lambda norm, threshold: threshold / norm,
    of_part: Callable[[Any, Any], Any] = lambda factor, part: factor * part,
) -> Demonstration:
    """Algebra for any number of components; torch's own clipping; an exploding and a vanishing network."""
    i, n = sympy.symbols("i n", integer=True, positive=True)
    threshold = sympy.Symbol("theta", positive=True)
    square = sympy.Sum(sympy.IndexedBase("g", real=True)[i] ** 2, (i, 1, n))
    length = sympy.Symbol("N", positive=True)  # ‖g‖
    factor = scale(length, threshold)
    p, q = sympy.symbols("p q", positive=True)

    rows, figures, errors = [], [], []
    for label, activation, weights, sigma in (
        ("exploding", "identity", "orthogonal", 1.3),
        ("vanishing", "tanh", "orthogonal", 0.5),
    ):
        net = unrolled.network(30, 16, 8, sigma, activation, weights=weights, seed=2)
        terms = unrolled.autograd_terms(net)[0]
        total = terms.sum(0)
        before = float(total.norm())
        parameter = torch.nn.Parameter(torch.zeros_like(total))
        parameter.grad = total.clone()
        torch.nn.utils.clip_grad_norm_([parameter], 1.0)
        after = float(parameter.grad.norm())
        shrunk = min(1.0, float(scale(before, 1.0))) if before >= 1 else 1.0
        # torch divides by ‖g‖ + 10⁻⁶, so that a gradient of zero is no division by zero
        errors.append(abs(after - shrunk * before) / after)
        first, last = float(terms[0].norm()), float(terms[-1].norm())
        rows.append((label, f"{sigma}", _e(before), _e(after), _e(first / last)))
        lags = tuple(float(lag) for lag in range(len(terms)))
        sizes = [float(one.norm()) for one in reversed(terms)]
        clipped_sizes = tuple(size * after / before for size in sizes)
        figures.append(Series(f"{label}, σ₁ = {sigma}", lags, tuple(sizes), group=label))
        figures.append(Series(f"{label}, clipped", lags, clipped_sizes, dashed=True, group=label))
    columns = (
        Column("network", "Network"),
        Column("sigma", "σ₁"),
        Column("before", "‖dL/dU‖"),
        Column("after", "Clipped to 1"),
        Column("ratio", "First step's term / last step's"),
    )
    return Demonstration(
        derivation(r"""
            The clipped gradient.
                ĝ = (θ/‖g‖) g where ‖g‖ ≥ θ, else g
                    \hat g = \frac{\theta}{\lVert g \rVert} g \text{ where } \lVert g \rVert \ge \theta, \text{
                    else } g
            Its norm.
                ‖ĝ‖ = min(‖g‖, θ)
                    \lVert \hat g \rVert = \min(\lVert g \rVert, \theta)
            Every term of the sum is scaled alike: what exploded is bounded, what vanished stays vanished.
                ĝ = Σ_k c g_k with one c, so ‖c g_k‖/‖c g_m‖ = ‖g_k‖/‖g_m‖
                    \hat g = \sum_k c\, g_k, \quad \frac{\lVert c\,g_k \rVert}{\lVert c\,g_m \rVert} = \frac{\lVert
                    g_k \rVert}{\lVert g_m \rVert}
        """),
        {
            "where ‖g‖ ≥ θ > 0, ĝ = θ g/‖g‖ has norm θ": (
                identity(
                    "‖ĝ‖² is the factor's square times ‖g‖² = Σ g_i², of any number of components",
                    [((factor**2 * square).subs(length, sympy.sqrt(square)), threshold**2)],
                ),
                close(
                    "torch.nn.utils.clip_grad_norm_, which divides by ‖g‖ + 10⁻⁶", max(errors), 1e-6, len(errors)
                ),
            ),
            "it has the direction of g": (known("the factor is positive", [(factor, "positive")]),),
            "the shares of the terms of the sum stay as they are": (
                identity("of any two terms", [(of_part(factor, p) / of_part(factor, q), p / q)]),
            ),
        },
        tables=(Table("Clipping at θ = 1, T = 30, n = 16", columns, tuple(rows)),),
        figure=Chart("Terms of dL/dU by lag, clipped at 1", "lag T − k", "‖term k‖", tuple(figures), log_y=True),
    )
