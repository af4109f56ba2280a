"""How far off softmax is in few bits: rounding errors of its formula that subtracts the largest score."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

from ..report import Column, Kind, Table
from .evidence import exact, identity, known
from .libraries import sympy, torch
from .registry import Demonstration, Evidence, derivation, statement

UNITS = {"bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-24}
"""Unit roundoff: half the distance from 1 to the next number."""

DRAWN = ((1, 0), (2, 6), (8, 6), (64, 3), (512, 2), (512, 0))
"""Scores of a row, and how far apart: no exp and no quotient is below the least normal number of float16."""

WIDE = ((2, 60), (64, 60))
"""Scores that are further apart, for formats with an exponent of 8 bits."""

ROWS = 4
"""Of each, but for those that are all alike."""


@statement(
    "softmax_rounding",
    "Softmax in few bits",
    "Softmax of n given scores as exp(x_i − max x)/Σ_j exp(x_j − max x), in an arithmetic in which every "
    "operation, exp among them, has a relative error of at most u < 1, as where no exp and no quotient is below "
    "the least normal number, gives q_i in place of p_i. With d_j = max x − x_j, and k the most additions that a "
    "term of the sum goes through, n − 1 one after the other: |q_i/p_i − 1| ≤ (d_i + Σ_j p_j d_j + k + 3)u to "
    "first order in u, where Σ_j p_j d_j ≤ ln n, and |ln(q_i/p_i)| ≤ (d_i + max d)u + (k + 3)u/(1 − u) at every "
    "u. In bfloat16 512 equal scores, added one after the other, get twice their weight",
    "as Blanchard, Higham & Higham 2021 analyse it; constants of our own",
)
def softmax_rounding(
    first: Callable[..., Any] = lambda d, mean, k: d + mean + k + 3,
    mean_of: Callable[[Any], Any] = lambda n: sympy.log(n),
    always: Callable[..., Any] = lambda d, most, k, u: (d + most) * u + (k + 3) * u / (1 - u),
    times: int = 2,
) -> Demonstration:
    """Each rounding's part on symbols, for any number of scores; runs in three formats against forty digits."""
    runs = [
        _run(name, n, spread) for name in UNITS for n, spread in (*DRAWN, *(WIDE if name != "float16" else ()))
    ]
    columns = (
        Column("format", "Format"),
        Column("n", "n", Kind.NUMBER),
        Column("spread", "Spread", Kind.NUMBER),
        Column("error", "Error"),
        Column("bound", "Bound"),
    )
    rows = tuple(
        (
            run.format,
            run.n,
            run.spread,
            f"{worst.error / u:.2f}",
            f"{always(worst.d, worst.most, run.n - 1, u) / u:.2f}",
        )
        for run in runs
        for u, worst in [(UNITS[run.format], max(run.weights, key=lambda weight: weight.error))]
    )
    d, k, most = sympy.symbols("d k D", nonnegative=True)
    s, u = sympy.Symbol("s", nonnegative=True), sympy.Symbol("u", positive=True)
    return Demonstration(
        derivation(r"""
            What each rounding is to ln q_i, to first order: of a subtraction, of exp and of the division.
                −d_i α_i + β_i + ζ + Σ_j p_j (d_j α_j − β_j)
                    -d_i \alpha_i + \beta_i + \zeta + \sum_j p_j (d_j \alpha_j - \beta_j)
            An addition counts by the share of the sum that it has by then: in all Σ_j p_j k_j, where term j goes
            through k_j additions. The largest that all can come to, each of a size of u at most.
                (1 − p_i)(d_i + 1) + Σ_{j≠i} p_j (d_j + 1) + Σ_j p_j k_j + 1 ≤ d_i + Σ_j p_j d_j + k + 3
                    (1 - p_i)(d_i + 1) + \sum_{j \ne i} p_j (d_j + 1) + \sum_j p_j k_j + 1 \le d_i + \sum_j p_j d_j
                    + k + 3
            Distances have a small mean, as those that are large have small weights: d_j = −ln p_j − ln S, S ≥ 1.
                Σ_j p_j d_j = −Σ_j p_j ln p_j − ln S ≤ ln n
                    \sum_j p_j d_j = -\sum_j p_j \ln p_j - \ln S \le \ln n
            At every u: |ln(1 + δ)| ≤ u/(1 − u), and a sum is off by no more than the term that is furthest off.
                d_i u + u/(1 − u) + max d u + (k + 1)u/(1 − u) + u/(1 − u)
                    d_i u + \frac{u}{1 - u} + \max d \cdot u + \frac{(k + 1)u}{1 - u} + \frac{u}{1 - u}
        """),
        {
            "|q_i/p_i − 1| ≤ (d_i + Σ_j p_j d_j + k + 3)u to first order in u": (_parts(), _in_all(first)),
            "where Σ_j p_j d_j ≤ ln n": _mean(mean_of),
            "|ln(q_i/p_i)| ≤ (d_i + max d)u + (k + 3)u/(1 − u) at every u": (
                identity(
                    "an exp and its argument, the sum's furthest term and its additions, the division, on symbols",
                    [(always(d, most, k, u), d * u + most * u + (1 + (1 + k) + 1) * u / (1 - u))],
                ),
                known(
                    "u/(1 − u) = s less −ln(1 − u) = ln(1 + s), which is 0 at s = 0, grows with s",
                    [(sympy.factor(sympy.diff(s - sympy.log(1 + s), s)), "nonnegative")],
                ),
                exact(
                    "in the runs no exp and no quotient is below its format's least normal number",
                    [run.least >= torch.finfo(getattr(torch, run.format)).smallest_normal for run in runs],
                ),
                exact(
                    "runs in bfloat16, float16 and float32 against forty digits, n = 1 … 512, max d up to 60",
                    [
                        weight.error <= always(weight.d, weight.most, run.n - 1, UNITS[run.format])
                        for run in runs
                        for weight in run.weights
                    ],
                ),
            ),
            "in bfloat16 512 equal scores, added one after the other, get twice their weight": (
                exact(
                    "the run",
                    [weight.computed * 512 == times for weight in _run("bfloat16", 512, 0).weights],
                ),
            ),
        },
        tables=(Table("Largest |ln(q/p)|/u of scores in an interval as long as the spread", columns, rows),),
    )


def _parts() -> Evidence:
    """Derivatives of ln q_i in each rounding: of the own term, of another, of a partial sum, of the quotient."""
    d, rest, share = (sympy.Symbol(name, positive=True) for name in ("d", "A", "Q"))
    alpha, beta, gamma, zeta = roundings = sympy.symbols("alpha beta gamma zeta", real=True)
    term = sympy.exp(-d * (1 + alpha)) * (1 + beta)
    own = sympy.log(term * (1 + zeta) / (term + rest))
    other, partly = -sympy.log(term + rest), -sympy.log(share * (1 + gamma) + rest)
    p, q = sympy.exp(-d) / (sympy.exp(-d) + rest), share / (share + rest)
    said = [(own, alpha, -d * (1 - p)), (own, beta, 1 - p), (own, zeta, 1)]
    said += [(other, alpha, p * d), (other, beta, -p), (partly, gamma, -q)]
    return identity(
        "what each rounding is to ln q_i, any number of scores",
        [(sympy.diff(of, rounding).subs(dict.fromkeys(roundings, 0)), part) for of, rounding, part in said],
    )


def _in_all(first: Callable[..., Any]) -> Evidence:
    """The sizes of all parts; p is p_i, and additions have k less something."""
    d, mean, added, less, p = sympy.symbols("d m K e p", nonnegative=True)
    own, others = (1 - p) * (d + 1), (mean - p * d) + (1 - p)
    left = first(d, mean, added + less) - (own + others + added + 1)
    return known("what all of these together leave of it", [(sympy.expand(left), "nonnegative")])


def _mean(of: Callable[[Any], Any]) -> tuple[Evidence, ...]:
    """Term by term: beside p ln S and what adds up to 0 there is y ln y − y + 1, y = np, nowhere below 0."""
    n, p, S = sympy.symbols("n p S", positive=True)
    t, y = sympy.Symbol("t", nonnegative=True), n * p
    d = -sympy.log(p) - sympy.log(S)
    parts = p * sympy.log(S) + (p - 1 / n) + (y * sympy.log(y) - y + 1) / n
    return (
        identity(
            "p_j (ln n − d_j) is p_j ln S, p_j − 1/n and (y ln y − y + 1)/n for y = np_j",
            [sympy.expand(sympy.expand_log(p * (of(n) - d) - parts))],
        ),
        known(
            "y ln y − y + 1, which is 0 at y = 1, grows to both sides, y = exp(t) and exp(−t)",
            [
                (sympy.simplify(sympy.diff(s * t * sympy.exp(s * t) - sympy.exp(s * t), t)), "nonnegative")
                for s in (1, -1)
            ],
        ),
    )


# -- runs -------------------------------------------------------------------------------------------


class Weight(NamedTuple):
    """One weight as it was computed, |ln(q/p)|, its distance d and the largest of its row."""

    computed: float
    error: float
    d: float
    most: float


class Run(NamedTuple):
    """Rows of n scores in a format, and the least exp or quotient in them."""

    format: str
    n: int
    spread: int
    least: float
    weights: tuple[Weight, ...]


def _run(format: str, n: int, spread: int) -> Run:
    """Each operation in the format; exp is that of float64, rounded."""
    draw = torch.Generator().manual_seed(n + spread)
    x = (spread * torch.rand(ROWS if spread else 1, n, generator=draw, dtype=torch.float64)).to(
        getattr(torch, format)
    )
    powers = (x - x.max(1, keepdim=True).values).double().exp().to(x.dtype)
    total = powers[:, 0]
    for column in powers.T[1:]:
        total = total + column
    weights = powers / total[:, None]
    rows = zip(x.tolist(), weights.tolist(), strict=True)
    least = float(min(powers.min(), weights.min()))
    return Run(format, n, spread, least, tuple(weight for row in rows for weight in _weights(*row)))


def _weights(scores: list[float], computed: list[float]) -> list[Weight]:
    with localcontext() as context:
        context.prec = 40
        away = [Decimal(max(scores)) - Decimal(score) for score in scores]
        whole = sum(((-d).exp() for d in away), Decimal(0)).ln()
        errors = [abs(Decimal(p).ln() + d + whole) for p, d in zip(computed, away, strict=True)]
    most = float(max(away))
    return [Weight(p, float(e), float(d), most) for p, e, d in zip(computed, errors, away, strict=True)]
