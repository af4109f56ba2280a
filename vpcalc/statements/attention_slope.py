"""How steep attention is: a covariance in its query, and without a bound where tokens are everything in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .evidence import autograd_jacobian, close, exact, identity, known, relative_error
from .libraries import sympy, torch
from .registry import Demonstration, Evidence, derivation, statement


@statement(
    "attention_jacobian",
    "Attention's Jacobian is a covariance",
    "Over fixed keys and values, of weights p at a query q in d channels, ∂o/∂q = Cov(v, k)/√d, where Cov(v, k) "
    "= Σ_m p_m v_m k_mᵀ − (Σ_m p_m v_m)(Σ_m p_m k_m)ᵀ. In the spectral norm ‖∂o/∂q‖ ≤ D_v D_k/(4√d) at every q, "
    "with D_v and D_k the largest distances of values and of keys, and equal for two keys of equal weights. With "
    "n ≥ 2 tokens for queries, keys and values attention is not Lipschitz: where x_1 = 0, x_2 = t along one "
    "channel and the others are 0, ∂y_1/∂x_1 = 1/n + (n − 1)t²/(n²√d) along it. On a ball ‖x_j‖ ≤ R it is: "
    "Σ_j ‖∂y_i/∂x_j‖ ≤ 1 + 2R²/√d for every i",
    "Kim, Papamakarios & Mnih 2021, Theorem 3.1: not Lipschitz",
)
def attention_jacobian(
    covariance: Callable[..., Any] = lambda mean, v, k: mean(v * k) - mean(v) * mean(k),
    scale: Callable[[Any], Any] = lambda d: 1 / d ** sympy.Rational(1, 2),
    largest: Callable[..., Any] = lambda D_v, D_k, d: D_v * D_k / (4 * d ** sympy.Rational(1, 2)),
    slope: Callable[..., Any] = lambda t, n, d: 1 / n + (n - 1) * t**2 / (n**2 * d ** sympy.Rational(1, 2)),
    ball: Callable[..., Any] = lambda R, d: 1 + 2 * R**2 / d ** sympy.Rational(1, 2),
) -> Demonstration:
    """Any number of keys as sums over them, means of which nothing but p ≥ 0 is known, and autograd at points."""
    t, d = sympy.symbols("t d", positive=True)
    n = 2 + sympy.Symbol("m", integer=True, nonnegative=True)
    return Demonstration(
        derivation(r"""
            The softmax's own Jacobian between those of values and scores, s_m = q·k_m/√d, is a covariance under p.
                ∂o/∂q = Vᵀ(diag(p) − ppᵀ)K/√d = Cov(v, k)/√d
                    \frac{\partial o}{\partial q} = \frac{1}{\sqrt d}\, V^{\top} \bigl(\operatorname{diag}(p) -
                    pp^{\top}\bigr) K = \frac{1}{\sqrt d} \operatorname{Cov}(v, k)
            Between unit vectors it is one of two numbers, α = u·v_m in an interval of length D_v and β = w·k_m in
            one of length D_k.
                Cov(α, β)² ≤ Var(α) Var(β), Var(α) ≤ D_v²/4
                    \operatorname{Cov}(\alpha, \beta)^2 \le \operatorname{Var}(\alpha)
                    \operatorname{Var}(\beta), \quad \operatorname{Var}(\alpha) \le \frac{D_v^2}{4}
            Where tokens are queries, keys and values, a token moves its query, its key and its value.
                ∂y_i/∂x_j = p_ij (I + (x_j − y_i)x_iᵀ/√d) + [i = j] Cov(x, x)/√d
                    \frac{\partial y_i}{\partial x_j} = p_{ij} \Bigl(I + \frac{(x_j - y_i)\, x_i^{\top}}{\sqrt
                    d}\Bigr) + [i = j]\, \frac{\operatorname{Cov}(x, x)}{\sqrt d}
            At x_1 = 0 all weights are 1/n, whatever t: the variance of t and n − 1 zeros is (n − 1)t²/n².
                ∂y_1/∂x_1 = 1/n + (n − 1)t²/(n²√d) → ∞
                    \frac{\partial y_1}{\partial x_1} = \frac1n + \frac{(n - 1)\,t^2}{n^2 \sqrt d} \to \infty
            On a ball distances from the mean have a mean square of R² at most, which is the covariance's trace.
                Σ_j p_ij ‖x_j − y_i‖ ≤ R; Σ_j ‖∂y_i/∂x_j‖ ≤ 1 + R·R/√d + R²/√d
                    \sum_j p_{ij} \Vert x_j - y_i \Vert \le R; \quad \sum_j \Bigl\Vert \frac{\partial
                    y_i}{\partial x_j} \Bigr\Vert \le 1 + \frac{R \cdot R}{\sqrt d} + \frac{R^2}{\sqrt d}
        """),
        {
            "over fixed keys and values ∂o/∂q = Cov(v, k)/√d": (
                _any_number(covariance, scale),
                _autograd(covariance, scale),
            ),
            "‖∂o/∂q‖ ≤ D_v D_k/(4√d) at every q": (_at_most(largest), _bounded_in_the_query(largest)),
            "it is equal to that for two keys of equal weights": (_two_keys(covariance, scale, largest),),
            "where x_1 = 0, x_2 = t and the others are 0, ∂y_1/∂x_1 = 1/n + (n − 1)t²/(n²√d)": (
                identity("the formula's derivative, n, t and d symbols", [(_on_a_ray(t, n, d), slope(t, n, d))]),
            ),
            "so with n ≥ 2 tokens it is not Lipschitz": (
                known(
                    "the derivative over t², for t → ∞ and n = 2 + m",
                    [(sympy.limit(slope(t, n, d) / t**2, t, sympy.oo), "positive")],
                ),
            ),
            "on a ball ‖x_j‖ ≤ R, Σ_j ‖∂y_i/∂x_j‖ ≤ 1 + 2R²/√d": (_on_a_ball(ball), _bounded_on_a_ball(ball)),
        },
    )


def _any_number(covariance: Callable[..., Any], scale: Callable[[Any], Any]) -> Evidence:
    """One channel of the values and one of the query, in which scores are linear; the rest is any number."""
    n, m = sympy.symbols("n m", integer=True, positive=True)
    q, d = sympy.Symbol("q", real=True), sympy.Symbol("d", positive=True)
    v, k, rest = (sympy.Function(name, real=True)(m) for name in ("v", "k", "c"))
    weight = sympy.exp((q * k + rest) / sympy.sqrt(d))
    sums: dict[Any, Any] = {}

    def summed(term: Any) -> Any:
        factor, inner = term.as_independent(m, as_Add=False)
        return factor * sums.setdefault(inner, sympy.Symbol(f"S_{len(sums)}", positive=True))

    def mean(of: Any) -> Any:
        return summed(weight * of) / summed(weight)

    over, under = (sympy.Sum(weight * of, (m, 1, n)) for of in (v, sympy.Integer(1)))
    slope = sympy.diff(over / under, q).replace(sympy.Sum, lambda term, _: summed(term))
    return identity(
        "each entry, for any number of keys and of channels, in sums over keys",
        [(slope, scale(d) * covariance(mean, v, k))],
    )


def _attend(q: Any, k: Any, v: Any) -> Any:
    return (q @ k.T / q.shape[-1] ** 0.5).softmax(-1) @ v


def _autograd(covariance: Callable[..., Any], scale: Callable[[Any], Any]) -> Evidence:
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in ((3,), (7, 3), (7, 4)))
    p = (k @ q / 3**0.5).softmax(-1)
    ours = [[covariance(lambda of: (p * of).sum(), one, two) for two in k.T] for one in v.T]
    theirs = autograd_jacobian(lambda q: _attend(q, k, v), q)
    return close("autograd, seven keys", relative_error(float(scale(3)) * torch.tensor(ours), theirs), 1e-12)


def _mean(of: Any, *drawn: Any) -> Any:
    """The mean of a polynomial under weights that add up to 1: of each of its powers it is a symbol."""
    powers = sympy.Poly(of, *drawn).terms()
    return sum(c * (sympy.Symbol(f"E{power}", real=True) if any(power) else 1) for power, c in powers)


def _at_most(largest: Callable[..., Any]) -> Evidence:
    """What is left of the square of the bound, as means and squares that are no less than 0."""
    a, b, low = sympy.symbols("a b l", real=True)
    D_v, D_k, d = sympy.symbols("D_v D_k d", positive=True)
    V, W, C = sympy.symbols("V W C", real=True)
    mean_a, mean_b = _mean(a, a, b), _mean(b, a, b)
    var_a, var_b = (_mean(one**2, a, b) - _mean(one, a, b) ** 2 for one in (a, b))
    both = _mean(a * b, a, b) - mean_a * mean_b
    left = (D_v**2 / 4 - V) * D_k**2 / 4 + V * (D_k**2 / 4 - W) + (V * W - C**2)
    return identity(
        "D_v²D_k²/16 − Cov(α, β)² is what Var(α) and Var(β) leave of D_v²/4 and D_k²/4 and Cov(α, β)² of their "
        "product; of l ≤ α ≤ l + D the mean of (l + D − α)(α − l) and a square are left; and a variance",
        [
            (d * largest(D_v, D_k, d) ** 2 - C**2, left),
            (D_v**2 / 4 - var_a, _mean((low + D_v - a) * (a - low), a, b) + (mean_a - low - D_v / 2) ** 2),
            (_mean((var_b * (a - mean_a) - both * (b - mean_b)) ** 2, a, b), var_b * (var_a * var_b - both**2)),
        ],
    )


def _bounded_in_the_query(largest: Callable[..., Any]) -> Evidence:
    draw = torch.Generator().manual_seed(1)
    above = []
    for n, d in ((1, 2), (2, 1), (2, 4), (5, 3), (9, 8)):
        k, v = (torch.randn(n, d, generator=draw, dtype=torch.float64) for _ in range(2))
        far_k, far_v = (float(torch.cdist(one, one).max()) for one in (k, v))
        for length in (0.0, 1.0, 10.0, 1000.0):
            q = length * torch.randn(d, generator=draw, dtype=torch.float64)
            slopes = autograd_jacobian(lambda q, k=k, v=v: _attend(q, k, v), q)
            above.append(float(torch.linalg.matrix_norm(slopes, 2)) - float(largest(far_v, far_k, d)))
    return close("the most by which autograd is above it, 1 to 9 keys", max(*above, 0.0), 1e-12, len(above))


def _two_keys(
    covariance: Callable[..., Any], scale: Callable[[Any], Any], largest: Callable[..., Any]
) -> Evidence:
    d, D_v, D_k = sympy.symbols("d D_v D_k", positive=True)
    side, v, k = sympy.symbols("s v k", real=True)  # keys and values on the lines through both, s = ±1

    def mean(of: Any) -> Any:
        return (of.subs(side, 1) + of.subs(side, -1)) / 2

    found = scale(d) * covariance(mean, v + side * D_v / 2, k + side * D_k / 2)
    return identity("along the lines through both keys and both values", [(found, largest(D_v, D_k, d))])


def _on_a_ray(t: Any, n: Any, d: Any) -> Any:
    """∂y_1/∂x_1 of the first channel, where tokens are 0 in all others."""
    x = sympy.Symbol("x", real=True)
    itself, other = sympy.exp(x * x / sympy.sqrt(d)), sympy.exp(x * t / sympy.sqrt(d))
    y = (itself * x + other * t) / (itself + other + (n - 2))
    return sympy.diff(y, x).subs(x, 0)


def _on_a_ball(ball: Callable[..., Any]) -> Evidence:
    """A token as key and value of another's query; and what the three parts leave of the bound."""
    z, q, other, weights, values = sympy.symbols("z q c Z A", real=True)  # Z and A: sums over the other tokens
    R, d = sympy.symbols("R d", positive=True)
    short, small = sympy.symbols("s e", nonnegative=True)
    power = sympy.exp((q * z + other) / sympy.sqrt(d))
    p, moved = power / (weights + power), []
    for value, same in ((z, 1), (other, 0)):
        y = (values + power * value) / (weights + power)
        moved.append((sympy.diff(y, z), p * (same + (value - y) * q / sympy.sqrt(d))))
    mean_z = _mean(z, z)
    return identity(
        "a block's entries; a mean square about the mean is less by the mean's square, so that "
        "Σ_j p_ij ‖x_j − y_i‖ = R − s and ‖Cov(x, x)‖ = R² − e with s, e ≥ 0; these leave (Rs + e)/√d",
        [
            *moved,
            (_mean((z - mean_z) ** 2, z), _mean(z**2, z) - mean_z**2),
            (
                ball(R, d) - 1 - (R * (R - short) + R**2 - small) / sympy.sqrt(d),
                (R * short + small) / sympy.sqrt(d),
            ),
        ],
    )


def _bounded_on_a_ball(ball: Callable[..., Any]) -> Evidence:
    """Sums of norms of blocks, at tokens on a sphere, within it, and at both ends of a diameter and its middle."""
    draw = torch.Generator().manual_seed(2)
    held = []
    for n, d in ((1, 1), (2, 1), (3, 1), (3, 4), (6, 5)):
        for R in (0.1, 1.0, 3.0, 10.0):
            directions = torch.randn(n, d, generator=draw, dtype=torch.float64)
            sphere = R * directions / directions.norm(dim=1, keepdim=True)
            within = sphere * torch.rand(n, 1, generator=draw, dtype=torch.float64)
            ends = torch.zeros(n, d, dtype=torch.float64)
            ends[0, 0], ends[-1, 0] = R, -R
            for x in (sphere, within, ends):
                blocks = autograd_jacobian(lambda x: _attend(x, x, x), x).transpose(1, 2)
                held.append(float(torch.linalg.matrix_norm(blocks, 2).sum(1).max()) <= ball(R, d))
    return exact("by autograd, 1 to 6 tokens on spheres and within, R = 0.1 … 10", held)
