"""Why attention divides by √d_k: the variance of a dot product, and what the softmax makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise
from math import log, sqrt
from typing import Any

from ..report import Column, Kind, Table
from ..report.plots_theory import Chart, Series
from .evidence import autograd_jacobian, close, derivatives, each, exact, far, identity, letters, relative_error
from .libraries import numpy, sympy, torch
from .registry import Demonstration, Evidence, Method, Step, derivation, statement
from .tails import erlang_tail, normal_tail, score_tail

PAPER = "Vaswani et al. 2017"

WIDTHS = (4, 16, 64, 256, 1024)
"""d_k at which samples are taken."""


# -- variance ---------------------------------------------------------------------------------------


@statement(
    "dot_product_variance",
    "Variance of a dot product",
    "For independent entries of mean 0 and variance 1, q·k has mean 0 and variance d_k; divided by √d_k it has "
    "variance 1",
    f"{PAPER}, §3.2.1, footnote 4",
)
def dot_product_variance(
    variance: Callable[..., Any] = lambda d, mean_q, mean_k, var_q, var_k: (
        d * (var_q * var_k + mean_q**2 * var_k + mean_k**2 * var_q)
    ),
    mean: Callable[..., Any] = lambda d, mean_q, mean_k: d * mean_q * mean_k,
    divisor: Callable[[Any], Any] | None = None,
) -> Demonstration:
    """Moments symbolically, for any mean and variance; then samples of three distributions."""
    from sympy.concrete.delta import deltasummation

    mean_q, mean_k = sympy.symbols("mu_q mu_k", real=True)
    var_q, var_k = sympy.symbols("v_q v_k", positive=True)
    d = sympy.Symbol("d_k", integer=True, positive=True)
    general = variance(d, mean_q, mean_k, var_q, var_k)
    small, means = [], []
    for width in range(1, 6):
        qs, ks = sympy.symbols(f"q1:{width + 1}"), sympy.symbols(f"k1:{width + 1}")
        moments = {**dict.fromkeys(qs, (mean_q, var_q)), **dict.fromkeys(ks, (mean_k, var_k))}
        dot = sum(q * k for q, k in zip(qs, ks, strict=True))
        found = expectation(dot**2, moments) - expectation(dot, moments) ** 2
        means.append(expectation(dot, moments) - mean(width, mean_q, mean_k))
        small.append(found - general.subs(d, width))
    i, j = sympy.symbols("i j", integer=True)
    one = expectation((sympy.Symbol("q") * sympy.Symbol("k")) ** 2, _pair(mean_q, mean_k, var_q, var_k))
    one -= expectation(sympy.Symbol("q") * sympy.Symbol("k"), _pair(mean_q, mean_k, var_q, var_k)) ** 2
    inner = deltasummation(sympy.KroneckerDelta(i, j), (j, 1, d), no_piecewise=True)
    summed = sympy.summation(inner * one, (i, 1, d))
    unit = {mean_q: 0, mean_k: 0, var_q: 1, var_k: 1}
    rows, worst = _samples(lambda width: float(variance(width, 0, 0, 1, 1)))
    columns = (
        Column("entries", "Entries"),
        Column("d_k", "d_k", Kind.NUMBER),
        Column("variance", "Variance of q·k"),
        Column("scaled", "Of q·k/√d_k"),
        Column("errors", "Standard errors from d_k"),
    )
    return Demonstration(
        derivation(r"""
            Entries of different places are independent, so covariances vanish.
                Var(q·k) = Σ_i Σ_j Cov(q_i k_i, q_j k_j) = Σ_i Var(q_i k_i)
                    \operatorname{Var}(q \cdot k) = \sum_{i,j} \operatorname{Cov}(q_i k_i, q_j k_j) = \sum_i
                    \operatorname{Var}(q_i k_i)
            One product.
                Var(q_i k_i) = E[q_i²]E[k_i²] − E[q_i]²E[k_i]² = 1·1 − 0 = 1
                    \operatorname{Var}(q_i k_i) = E[q_i^2]\,E[k_i^2] - E[q_i]^2 E[k_i]^2 = 1
            All of them.
                Var(q·k) = d_k, Var(q·k/√d_k) = 1
                    \operatorname{Var}(q \cdot k) = d_k, \quad \operatorname{Var}(q \cdot k / \sqrt{d_k}) = 1
            For any means μ and variances v; without zero means scores also have the mean d_k μ_q μ_k, which √d_k
            does not remove.
                Var(q·k) = d_k (v_q v_k + μ_q² v_k + μ_k² v_q)
                    \operatorname{Var}(q \cdot k) = d_k (v_q v_k + \mu_q^2 v_k + \mu_k^2 v_q)
        """),
        {
            "for independent entries of mean 0 and variance 1, q·k has mean 0": (
                identity(
                    "E[q·k] = d_k μ_q μ_k for symbolic d_k, any means, and 0 for entries of mean 0",
                    [sympy.summation(mean_q * mean_k, (i, 1, d)) - mean(d, mean_q, mean_k), mean(d, 0, 0)],
                ),
                identity("E[q·k] from its moments, any means", means, instances="d_k = 1 … 5"),
            ),
            "it has variance d_k": (
                identity(
                    "Σ_i Σ_j δ_ij Var(q_i k_i) for symbolic d_k, any means and variances, and for mean 0 and "
                    "variance 1",
                    [summed - general, general.subs(unit) - d],
                ),
                identity("Var(q·k) from its moments, any means and variances", small, instances="d_k = 1 … 5"),
                close(
                    "variance of 40,000 samples, in standard errors (normal, uniform, ±1)", worst, 5.0, len(rows)
                ),
            ),
            "divided by √d_k it has variance 1": (
                identity(
                    "the variance over the divisor's square",
                    [general.subs(unit) / (divisor or sympy.sqrt)(d) ** 2 - 1],
                ),
            ),
        },
        tables=(Table("Variance of q·k, 40,000 samples", columns, rows),),
    )


def _pair(mean_q: Any, mean_k: Any, var_q: Any, var_k: Any) -> dict[Any, tuple[Any, Any]]:
    return {sympy.Symbol("q"): (mean_q, var_q), sympy.Symbol("k"): (mean_k, var_k)}


def expectation(polynomial: Any, moments: Mapping[Any, tuple[Any, Any]]) -> Any:
    """E of a polynomial in independent variables of given mean and variance, at most quadratic in each."""
    variables = list(moments)
    total = sympy.Integer(0)
    for powers, coefficient in sympy.Poly(polynomial, *variables).terms():
        for variable, power in zip(variables, powers, strict=True):
            mean, var = moments[variable]
            coefficient *= (1, mean, var + mean**2)[power]
        total += coefficient
    return sympy.expand(total)


_FOURTH = {"normal": 3.0, "uniform": 9 / 5, "±1": 1.0}
"""E[x⁴] of unit-variance entries, for the standard error of a sample's variance."""


def _samples(claimed: Callable[[int], float]) -> tuple[tuple[tuple[Any, ...], ...], float]:
    count, worst, rows = 40_000, 0.0, []
    for place, (name, fourth) in enumerate(_FOURTH.items()):
        draw = torch.Generator().manual_seed(place)
        for d in (4, 16, 64):
            q, k = (_unit(name, (count, d), draw) for _ in range(2))
            dots = (q * k).sum(-1)
            found = float(dots.var())
            kurtosis = 3 + (fourth**2 - 3) / d
            errors = (found - claimed(d)) / (d * sqrt((kurtosis - 1) / count))
            worst = max(worst, abs(errors))
            rows.append((name, d, f"{found:.3f}", f"{found / d:.4f}", f"{errors:+.2f}"))
    return tuple(rows), worst


def _unit(name: str, shape: tuple[int, ...], draw: Any) -> Any:
    if name == "normal":
        return torch.randn(shape, generator=draw, dtype=torch.float64)
    uniform = torch.rand(shape, generator=draw, dtype=torch.float64)
    return (2 * uniform - 1) * sqrt(3) if name == "uniform" else (uniform < 0.5).double() * 2 - 1


# -- the softmax's Jacobian -------------------------------------------------------------------------


@statement(
    "softmax_jacobian",
    "Jacobian of the softmax",
    "∂p/∂s = diag(p) − ppᵀ; its spectral norm is at most 1/2, and it vanishes where one weight is 1",
    f"{PAPER}, §3.2.1: 'regions where it has extremely small gradients'",
)
def softmax_jacobian(
    jacobian: Callable[[Any], Any] | None = None, largest: Fraction = Fraction(1, 2)
) -> Demonstration:
    """Differentiated for two scores among any number; its norm by Gershgorin's circles; torch's own softmax."""

    def derived(p: Any) -> Any:
        diagonal = numpy.diag(p) if isinstance(p, numpy.ndarray) else p.diag()
        return diagonal - p[:, None] * p[None, :]

    claimed = derived if jacobian is None else jacobian
    s = letters("s", 2)
    exponentials = each(sympy.exp, s)
    p = exponentials / (exponentials.sum() + sympy.Symbol("E", positive=True))  # E of all other scores
    differences = [sympy.simplify(entry) for entry in (derivatives(p, s) - claimed(p)).reshape(-1)]
    x = sympy.Symbol("p", real=True)
    ours = sympy.Rational(largest.numerator, largest.denominator)
    corner = claimed(numpy.array([sympy.Integer(1), sympy.Integer(0), sympy.Integer(0)], dtype=object))
    tight = claimed(numpy.array([sympy.Rational(1, 2), sympy.Rational(1, 2)], dtype=object))

    draw = torch.Generator().manual_seed(0)
    worst, norm = 0.0, 0.0
    for scale in (0.1, 1.0, 4.0, 16.0):
        scores = scale * torch.randn(24, generator=draw, dtype=torch.float64)
        true = autograd_jacobian(lambda t: t.softmax(-1), scores)
        worst = max(worst, relative_error(claimed(scores.softmax(-1)), true))
        norm = max(norm, float(torch.linalg.matrix_norm(true, 2)))
    return Demonstration(
        derivation(r"""
            Quotient rule.
                p_i = exp(s_i)/Σ_l exp(s_l): ∂p_i/∂s_j = p_i (δ_ij − p_j)
                    p_i = \frac{e^{s_i}}{\sum_l e^{s_l}}: \quad \frac{\partial p_i}{\partial s_j} = p_i(\delta_{ij}
                    - p_j)
            As a matrix.
                ∂p/∂s = diag(p) − ppᵀ
                    \frac{\partial p}{\partial s} = \operatorname{diag}(p) - pp^{\top}
            Gershgorin: a row has p_i(1 − p_i) on the diagonal and as much in absolute value beside it.
                ‖∂p/∂s‖ ≤ max_i 2p_i(1 − p_i) ≤ 1/2, since 1/2 − 2p(1 − p) = 2(p − 1/2)²
                    \Bigl\lVert \frac{\partial p}{\partial s} \Bigr\rVert \le \max_i 2p_i(1 - p_i) \le \tfrac12,
                    \quad \tfrac12 - 2p(1 - p) = 2(p - \tfrac12)^2
            Saturated: one weight is 1, the others are 0.
                p = e_i: ∂p/∂s = 0
                    p = e_i: \; \frac{\partial p}{\partial s} = 0
        """),
        {
            "∂p/∂s = diag(p) − ppᵀ": (
                identity("the entries of two scores among any number", differences),
                close("torch's softmax against autograd, float64, 24 scores", worst, 1e-12, 4),
            ),
            "its spectral norm is at most 1/2": (
                identity(
                    "what stands beside the diagonal adds up to it, of any number of scores",
                    [sympy.simplify(claimed(p)[0].sum() - p[0] * (1 - p.sum()))],
                ),
                identity(
                    "1/2 − 2p(1 − p) is a square", [ours - 2 * x * (1 - x) - 2 * (x - sympy.Rational(1, 2)) ** 2]
                ),
                identity("the bound is reached at p = (1/2, 1/2)", [max(sympy.Matrix(tight).eigenvals()) - ours]),
                close("spectral norm of torch's, 24 scores", norm, float(largest), 4),
            ),
            "it vanishes where one weight is 1": (
                identity("of the score of weight 1 and any two others, entry by entry", corner.reshape(-1)),
            ),
        },
    )


@statement(
    "softmax_saturation",
    "Saturation without the division",
    "Of two keys or more, with independent standard normal entries, as d_k grows: the gradient of softmax(qKᵀ) "
    "vanishes for at least half of all queries; that of softmax(qKᵀ/√d_k) does not",
    f"{PAPER}, §3.2.1",
)
def softmax_saturation(
    root: Callable[[Any], Any] | None = None, undivided: Callable[[int], float] = lambda d: 1.0
) -> Demonstration:
    """Variance of the divided scores, exactly; medians of the Jacobian's norm over samples, 64 keys."""
    divisor = sympy.sqrt if root is None else root
    width = sympy.Symbol("d_k", integer=True, positive=True)
    plain, scaled = _jacobian_norms(undivided), _jacobian_norms(lambda d: float(divisor(d)))
    last = scaled[WIDTHS[-1]]
    steady = [abs(scaled[d][part] / last[part] - 1) for d in WIDTHS if d >= 16 for part in (0, 1)]
    rows = tuple(
        (d, f"{plain[d][0]:.2e}", f"{plain[d][1]:.3f}", f"{scaled[d][0]:.2e}", f"{scaled[d][1]:.3f}")
        for d in WIDTHS
    )
    columns = (
        Column("d_k", "d_k", Kind.NUMBER),
        Column("norm", "Median ‖∂p/∂s‖_F"),
        Column("top", "Median largest weight"),
        Column("norm_scaled", "Median ‖∂p/∂s‖_F with 1/√d_k"),
        Column("top_scaled", "Largest weight with 1/√d_k"),
    )
    xs = tuple(float(d) for d in WIDTHS)
    figure = Chart(
        "Frobenius norm of the softmax's Jacobian, 64 keys",
        "d_k",
        "median ‖∂p/∂s‖_F",
        (
            Series("softmax(qKᵀ)", xs, tuple(plain[d][0] for d in WIDTHS)),
            Series("softmax(qKᵀ/√d_k)", xs, tuple(scaled[d][0] for d in WIDTHS)),
        ),
        log_x=True,
        log_y=True,
    )
    return Demonstration(
        derivation(r"""
            Scores have standard deviation √d_k, so the gap between the largest two grows as √d_k.
                s = √d_k z, z of variance 1: p_2/p_1 = exp(−√d_k (z_1 − z_2))
                    s = \sqrt{d_k}\, z: \quad \frac{p_{2}}{p_{1}} = e^{-\sqrt{d_k}\,(z_{1} - z_{2})}
            All other weights go to 0, and the Jacobian with them.
                p → e_1, diag(p) − ppᵀ → 0
                    p \to e_1, \quad \operatorname{diag}(p) - pp^{\top} \to 0
            Divided by √d_k, scores have the same distribution for every d_k, up to higher moments.
                s/√d_k = z
                    s / \sqrt{d_k} = z
        """),
        {
            "undivided, the gradient of the softmax vanishes for at least half of all queries": (
                far("the median norm falls: d_k = 16 over d_k = 1024", plain[16][0] / plain[1024][0], 100),
            ),
            "divided by √d_k, it does not": (
                close(
                    "its median norm and the largest weight: deviation from d_k = 1024, for d_k ≥ 16",
                    max(steady),
                    0.1,
                    len(steady),
                ),
            ),
        },
        (
            identity(
                "the divisor's square is the variance d_k: divided scores have variance 1",
                [divisor(width) ** 2 - width],
            ),
        ),
        tables=(Table("2,000 queries against 64 keys, normal entries", columns, rows),),
        figure=figure,
    )


def _jacobian_norms(divisor: Callable[[int], float]) -> dict[int, tuple[float, float]]:
    """Median Frobenius norm of the Jacobian and median largest weight, by d_k."""
    found = {}
    for d in WIDTHS:
        draw = torch.Generator().manual_seed(d)
        q = torch.randn(2000, d, generator=draw)
        keys = torch.randn(64, d, generator=draw)
        p = (q @ keys.T / divisor(d)).double().softmax(-1)
        jacobians = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
        norms = torch.linalg.matrix_norm(jacobians)
        found[d] = (float(norms.median()), float(p.max(-1).values.median()))
    return found


# -- overflow ---------------------------------------------------------------------------------------

FORMATS: Mapping[str, tuple[int, int]] = {"float16": (10, 15), "bfloat16": (7, 127)}
"""Bits of the fraction and largest exponent."""

OVERFLOW_WIDTHS = (4, 16, 64, 128, 256, 1024, 4096)
"""d_k at which chances are printed."""


def overflow_threshold(fraction: int, exponent: int) -> int:
    """From here on rounding to nearest gives infinity: half a step beyond the largest number."""
    return (1 << exponent + 1) - (1 << exponent - fraction - 1)


def in_powers_of_ten(number: float) -> str:
    """As one reads it: 7.0·10⁻²⁹."""
    mantissa, _, power = f"{number:.1e}".partition("e")
    return f"{mantissa}·10{str(int(power)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


@statement(
    "exp_overflow",
    "Overflow of exp in 16 bits",
    "exp(q·k) overflows in float16 from ln θ on, θ = 65520: for independent standard normal entries with a chance "
    "that grows with d_k, and after the division by √d_k falls with d_k to ½ erfc(ln θ/√2), never 0; exp(s − max "
    "s) is at most 1 with or without it, but over θ equal scores its sum, rounded at the end, is infinite either "
    "way (added one after the other it stops at 2048), and QKᵀ overflows before it, where a score reaches θ",
    "IEEE 754 (binary16); bfloat16 with 8 bits of precision; a lecture gives 'preventing overflow during softmax' "
    "as what the division is for",
)
def exp_overflow(
    threshold: Callable[[int, int], int] = overflow_threshold,
    tail: Callable[[int, float], float] = score_tail,
    limit: Callable[[float], float] = normal_tail,
    shift: Callable[[Any, Any], Any] = lambda scores, largest: scores - largest,
    product: Callable[[int, int], float] = lambda largest, d_k: sqrt(largest / d_k),
    stops: int = 2048,
) -> Demonstration:
    """The threshold at every 16-bit number; the chance by two laws, by its limit, and on samples."""
    largest = {name: threshold(*shape) for name, shape in FORMATS.items()}
    at = {name: log(number) for name, number in largest.items()}
    half = at["float16"]
    divided = {d: tail(d, half * sqrt(d)) for d in OVERFLOW_WIDTHS}
    bound = limit(half)
    rows = []
    for d in OVERFLOW_WIDTHS:
        chances = [chance for score in at.values() for chance in (tail(d, score), limit(score / sqrt(d)))]
        rows.append((d, *(_chance(one) for one in (*chances, divided[d], bound))))
    columns = (
        Column("d_k", "d_k", Kind.NUMBER),
        Column("float16", "float16"),
        Column("float16_normal", "If it were normal"),
        Column("bfloat16", "bfloat16"),
        Column("bfloat16_normal", "If it were normal"),
        Column("scaled", "float16, divided by √d_k"),
        Column("scaled_limit", "Its limit"),
    )
    widths = tuple(2**power for power in range(2, 13))
    xs = tuple(float(d) for d in widths)
    series = [
        *(Series(f"{name}, exp(q·k)", xs, tuple(tail(d, score) for d in widths)) for name, score in at.items()),
        Series("float16, exp(q·k/√d_k)", xs, tuple(tail(d, half * sqrt(d)) for d in widths)),
        Series("its limit", xs, (bound,) * len(xs), dashed=True),
    ]
    reach = f"{OVERFLOW_WIDTHS[0]} … {OVERFLOW_WIDTHS[-1]}"
    unshifted, not_over = _shifted(shift)
    by_width = ", ".join(f"{in_powers_of_ten(divided[d])} (d_k = {d})" for d in OVERFLOW_WIDTHS[:4])
    entries = ", ".join(f"{product(largest['float16'], d):.2f} (d_k = {d})" for d in (16, 64, 256))
    return Demonstration(
        (
            Step(
                "From half a step beyond the largest number on, rounding gives infinity.",
                f"float16: θ = (2 − 2⁻¹¹)·2¹⁵ = {largest['float16']}, ln θ = {half:.2f}; "
                f"bfloat16: θ = (2 − 2⁻⁸)·2¹²⁷, ln θ = {at['bfloat16']:.2f}",
                rf"\theta_{{16}} = (2 - 2^{{-11}})\,2^{{15}} = {largest['float16']},\; \ln\theta_{{16}} = "
                rf"{half:.2f}; \quad \theta_{{b}} = (2 - 2^{{-8}})\,2^{{127}},\; \ln\theta_{{b}} = "
                rf"{at['bfloat16']:.2f}",
            ),
            *derivation(r"""
                Given k, q·k is a sum of independent normals: normal, of variance |k|², which is χ² of d_k degrees.
                    P(q·k > c) = ∫ f_{χ²(d_k)}(x) ½ erfc(c/√(2x)) dx
                        P(q \cdot k > c) = \int_0^\infty f_{\chi^2(d_k)}(x)\, \tfrac12
                        \operatorname{erfc}\Bigl(\frac{c}{\sqrt{2x}}\Bigr) dx
                The same without an integral, for even d_k: q·k is the difference of two independent variables.
                    q·k = |q + k|²/4 − |q − k|²/4 = X − Y, X and Y Erlang of order d_k/2
                        q \cdot k = \tfrac14 |q + k|^2 - \tfrac14 |q - k|^2 = X - Y, \quad X, Y \sim \Gamma(d_k/2,
                        1)
            """),
            Step(
                "Divided by √d_k, a score overflows where q·k exceeds √d_k ln θ. Tails are heavier than the "
                "normal's.",
                f"float16: P(q·k > √d_k ln θ) = {by_width}",
                r"P(q \cdot k > \sqrt{d_k} \ln\theta_{16}) = "
                + ",\\; ".join(rf"{_tex(divided[d])} \; (d_k = {d})" for d in OVERFLOW_WIDTHS[:4]),
            ),
            Step(
                "For d_k → ∞ the divided score is normal of variance 1.",
                "E[exp(itq·k/√d_k)] = (1 + t²/d_k)^{−d_k/2} → exp(−t²/2): P(q·k > √d_k ln θ) → ½ erfc(ln θ/√2) = "
                f"{in_powers_of_ten(bound)}",
                r"E\bigl[e^{itq \cdot k/\sqrt{d_k}}\bigr] = (1 + t^2/d_k)^{-d_k/2} \to e^{-t^2/2}: \quad "
                rf"P(q \cdot k > \sqrt{{d_k}} \ln\theta_{{16}}) "
                rf"\to \tfrac12 \operatorname{{erfc}}(\ln\theta_{{16}} / \sqrt2) = {_tex(bound)}",
            ),
            Step(
                "Implementations subtract the largest score, after which exp is at most 1: for the overflow of "
                "exp the division is not needed.",
                "softmax(s) = softmax(s − max s)",
                r"\operatorname{softmax}(s) = \operatorname{softmax}(s - \max s)",
            ),
            Step(
                "The product QKᵀ itself overflows before it is divided, from entries of √(θ/d_k) on: "
                "∞ − ∞ is no number, and no softmax mends it. (q/√d_k)·k does not overflow there.",
                f"q·k = d_k · θ/d_k = θ in float16 at entries of {entries}",
                r"q_i = k_i = \sqrt{\theta/d_k}: \; q \cdot k = \theta",
            ),
        ),
        {
            "exp(q·k) overflows in float16 from ln θ on, θ = 65520": (
                _rounding(largest),
                _every_16_bit_number(largest),
            ),
            "for independent standard normal entries with a chance that grows with d_k": (
                exact(f"d_k = {reach}", [tail(d, half) < tail(e, half) for d, e in pairwise(OVERFLOW_WIDTHS)]),
                _laplace(tail),
                _two_laws(tail, tuple(at.values())),
                _sampled(tail, half),
            ),
            "after the division by √d_k it falls with d_k, and never to 0": (
                exact(
                    f"d_k = {reach}, and above its limit",
                    [
                        tail(d, half * sqrt(d)) > tail(e, half * sqrt(e)) > bound > 0
                        for d, e in pairwise(OVERFLOW_WIDTHS)
                    ],
                ),
            ),
            "the limit that it falls to is ½ erfc(ln θ/√2)": (
                _transforms(limit),
                close(
                    f"float16: the law over its limit, less 1, at d_k = 2²⁰ (at d_k = 128 it is "
                    f"{in_powers_of_ten(divided[128] / bound)})",
                    abs(tail(2**20, half * 2**10) / bound - 1),
                    0.005,
                ),
            ),
            "softmax(s − max s) is softmax(s)": (unshifted,),
            "exp(s − max s) is at most 1, with the division or without": (not_over,),
            "over θ equal scores its sum, rounded at the end, is infinite either way": (
                _sum_of_equal(shift, largest["float16"]),
            ),
            "added one after the other it stops at 2048": (_one_by_one(shift, stops),),
            "QKᵀ overflows before the division, where a score reaches θ": (
                _products(product, largest["float16"]),
            ),
        },
        (
            exact(
                "P(q·k > 0) = 1/2 for d_k = 2 … 32, in rationals",
                [erlang_tail(d, 0) == Fraction(1, 2) for d in range(2, 33, 2)],
            ),
        ),
        tables=(Table("Chance that exp of a score overflows, standard normal entries", columns, tuple(rows)),),
        figure=Chart(
            "Chance that exp of a score overflows", "d_k", "probability", tuple(series), log_x=True, log_y=True
        ),
        correction="'preventing overflow' is not what the division is for: softmax subtracts the largest score, "
        "and exp is at most 1. Without that, the division leaves a chance of "
        f"{in_powers_of_ten(divided[64])} at d_k = 64 in float16, and it does nothing against an overflow of QKᵀ, "
        "which comes before it",
    )


def _chance(number: float) -> str:
    return f"{number:.2e}" if number else "< 1e-300"


def _tex(number: float) -> str:
    mantissa, _, power = f"{number:.1e}".partition("e")
    return rf"{mantissa} \cdot 10^{{{int(power)}}}"


def _rounding(largest: Mapping[str, int]) -> Evidence:
    """θ itself becomes infinite, the float32 before it does not."""
    held = []
    for name, limit in largest.items():
        at = torch.tensor(float(limit), dtype=torch.float32)
        below = torch.nextafter(at, torch.zeros(()))
        kind = getattr(torch, name)
        held += [bool(at.to(kind).isinf()), bool(below.to(kind).isfinite())]
    return exact("θ rounds to infinity and the float32 below it does not, in both types", held)


def _every_16_bit_number(largest: Mapping[str, int]) -> Evidence:
    """exp of every float16 and every bfloat16 is infinite exactly above ln θ."""
    held, cases = [], 0
    for name, limit in largest.items():
        bits = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
        numbers = bits.view(getattr(torch, name))
        numbers = numbers[torch.isfinite(numbers)]
        infinite = numbers.exp().isinf()
        held.append(bool((infinite == (numbers.double() > log(limit))).all()))
        cases += len(numbers)
    return Evidence(
        "exp of every finite float16 and bfloat16 is infinite exactly above ln θ", Method.EXACT, all(held), cases
    )


def _transforms(limit: Callable[[float], float]) -> Evidence:
    """Both laws have one characteristic function, for any d_k; its limit is the normal's, whose tail is ours.

    E exp(itq·k) given |k|² = x is exp(−t²x/2), and X and Y have (1 − it)^{−m} and (1 + it)^{−m}.
    """
    d, x = sympy.symbols("d_k x", positive=True)
    t = sympy.Symbol("t", real=True)
    density = x ** (d / 2 - 1) * sympy.exp(-x / 2) / (2 ** (d / 2) * sympy.gamma(d / 2))
    rate = sympy.Symbol("u", positive=True)  # 1 + t²
    mixture = sympy.integrate(density * sympy.exp(-x * (rate - 1) / 2), (x, 0, sympy.oo))
    erlang = sympy.expand((1 - sympy.I * t) * (1 + sympy.I * t)) - (1 + t**2)
    scaled = sympy.limit((1 + t**2 / d) ** (-d / 2), d, sympy.oo)
    c = sympy.Symbol("c", positive=True)
    tail = sympy.erfc(c / sympy.sqrt(2)) / 2
    normal = sympy.diff(tail, c) + sympy.exp(-(c**2) / 2) / sympy.sqrt(2 * sympy.pi)
    ours = sympy.Rational(limit(0.0)) - tail.subs(c, 0)
    return identity(
        "one characteristic function, (1 + t²)^{−d_k/2}, by both laws, for every d_k; its limit is the normal's",
        [sympy.simplify(mixture / rate ** (-d / 2)) - 1, erlang, scaled - sympy.exp(-(t**2) / 2), normal, ours],
    )


def _laplace(tail: Callable[[int, float], float]) -> Evidence:
    """d_k = 2: the difference of two exponential variables, integrated symbolically."""
    x, y, c = sympy.symbols("x y c", positive=True)
    true = sympy.integrate(sympy.exp(-y) * sympy.integrate(sympy.exp(-x), (x, c + y, sympy.oo)), (y, 0, sympy.oo))
    worst = max(abs(tail(2, at) / float(true.subs(c, at)) - 1) for at in (0.5, 3.0, 11.0, 40.0))
    return close(f"d_k = 2: P(q·k > c) = {true}, by integration", worst, 1e-12, 4)


def _two_laws(tail: Callable[[int, float], float], scores: tuple[float, ...]) -> Evidence:
    """The integral against the Erlang sums, undivided in both formats and divided in float16."""
    worst, cases = 0.0, 0
    for d in (2, 4, 16, 64, 128, 256):
        for score in (*scores, scores[0] * sqrt(d)):
            worst = max(worst, abs(tail(d, score) / erlang_tail(d, score) - 1))
            cases += 1
    return close("the integral against the sums, d_k = 2 … 256, undivided and divided", worst, 1e-10, cases)


def _sampled(tail: Callable[[int, float], float], score: float) -> Evidence:
    worst, cases = 0.0, 0
    for d in (16, 64, 128):
        count, chance = 200_000, tail(d, score)
        found = _sampled_overflows(d, count)
        worst = max(worst, abs(found / count - chance) / sqrt(chance * (1 - chance) / count))
        cases += count
    return close(
        "chance of overflow in float16 of samples, in standard errors (d_k = 16, 64, 128)", worst, 5.0, cases
    )


def _shifted(shift: Callable[[Any, Any], Any]) -> tuple[Evidence, Evidence]:
    """That the shift changes nothing, and that exp overflows without it and not with it.

    Of three scores the third is the logarithm of what exp of all others adds up to: it moves as they do.
    """
    s, m = letters("s", 3), sympy.Symbol("m", real=True)
    plain, shifted = each(sympy.exp, s), each(sympy.exp, shift(s, m))
    same = (plain / plain.sum() - shifted / shifted.sum()).reshape(-1)
    held = []
    for name in FORMATS:
        kind = getattr(torch, name)
        for scale in (1, 100, 1000, 60000):
            scores = scale * torch.linspace(-1, 1, 33).to(kind)
            powers = shift(scores, scores.max()).exp()
            held += [
                bool(powers.isfinite().all()),
                float(powers.max()) == 1.0,
                bool(scores.softmax(-1).isfinite().all()),
            ]
        held.append(not bool((scores.exp() / scores.exp().sum()).isfinite().all()))
    return (
        identity("softmax(s − m) = softmax(s) for any m and any number of scores, all but two as one", same),
        exact("less the largest score exp is at most 1, undivided, up to scores of 60000; without that ∞/∞", held),
    )


def _sum_of_equal(shift: Callable[[Any, Any], Any], largest: int) -> Evidence:
    """Of as many equal scores as the threshold the sum of exp in float16 is infinite, of one fewer it is not."""
    held = []
    for score, keys in ((24, largest - 1), (24, largest), (3, largest - 1), (3, largest)):
        scores = torch.full((keys,), score, dtype=torch.float16)
        total = shift(scores, scores.max()).exp().sum()
        held.append(bool(total.isinf()) == (keys == largest))
    return exact(
        "torch's sum, in float32 and then rounded, of θ − 1 and of θ of them, of scores that are divided and not",
        held,
    )


def _one_by_one(shift: Callable[[Any, Any], Any], stops: int) -> Evidence:
    """Terms of equal scores, added in float16 one after the other, twice as many as where that stops counting."""
    score = torch.tensor(24, dtype=torch.float16)
    term, sums = shift(score, score).exp(), [torch.tensor(0, dtype=torch.float16)]
    for _ in range(2 * stops):
        sums.append(sums[-1] + term)
    held = [float(sums[stops - 1]) == stops - 1, float(sums[stops]) == float(sums[-1]) == stops]
    return exact(f"float16 counts to {stops}, and after as many terms again is no further", held)


def _products(product: Callable[[int, int], float], largest: int) -> Evidence:
    """q·k of equal entries in float16: infinite from the first float16 at or above √(θ/d_k), finite just below."""
    held = []
    for d in (4, 16, 64, 256, 1024):
        entry = torch.tensor(product(largest, d), dtype=torch.float64)
        at = entry.half()
        if at.double() < entry:
            at = torch.nextafter(at, torch.tensor(torch.inf, dtype=torch.float16))
        below = torch.nextafter(at, torch.tensor(0.0, dtype=torch.float16))
        q, under = at.repeat(1, d), below.repeat(1, d)
        held += [
            bool((q @ q.T).isinf()),
            bool((under @ under.T).isfinite()),
            bool(((q @ q.T) / sqrt(d)).softmax(-1).isnan()),
            bool(((q / sqrt(d)) @ q.T).isfinite()),
        ]
    return exact(
        "QKᵀ in float16 at entries of √(θ/d_k): infinite, and softmax(QKᵀ/√d_k) no number; just below, and with q "
        "divided first, finite (d_k = 4 … 1024)",
        held,
    )


def _sampled_overflows(d: int, count: int) -> int:
    draw = torch.Generator().manual_seed(d)
    found = 0
    for _ in range(10):
        q, k = (torch.randn(count // 10, d, generator=draw) for _ in range(2))
        found += int((q * k).sum(-1).half().exp().isinf().sum())
    return found
