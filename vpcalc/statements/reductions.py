"""Spatial reduction: what Reshape and W^S are, how many heads there are, and where pooling is cheaper."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import product
from typing import Any

from ..algebra.polynomial import Polynomial, as_polynomial, constant, symbols
from ..architectures import ARCHITECTURES
from ..checks.proof import counted
from ..cost import Quantity
from ..layers import LAYERS
from ..report import Column, Kind, Table
from .evidence import exact, identity, known
from .libraries import sympy, torch
from .registry import Demonstration, Evidence, derivation, statement
from .whole_numbers import numbers, whole

h, w, C, a, R, P = symbols("h w C a R P")


def _sra(quantity: Quantity, R: Any = R) -> Polynomial:
    return as_polynomial(LAYERS["sra"].build(h, w, C, a, R).total(quantity))


def _pooled(quantity: Quantity) -> Polynomial:
    return as_polynomial(LAYERS["linear_sra"].build(h, w, C, a, P).total(quantity))


# -- Reshape and W^S --------------------------------------------------------------------------------


@statement(
    "sra_is_convolution",
    "Spatial reduction is a strided convolution",
    "Reshape(x, R) W^S, with a row for each R × R tokens, is a convolution of kernel and stride R: hwC² "
    "multiply-accumulates, where R ≥ 2 divides h and w. Elsewhere there is no such Reshape, and the authors' "
    "convolution drops h mod R rows and w mod R columns. N heads of C/N channels make the C that W^O takes: "
    "head_1 to head_N",
    "Wang et al. 2021 (PVT), eq. 1-4, which print Concat(head_0, …, head_N)",
)
def sra_is_convolution(
    cost: Callable[..., Any] = lambda h, w, C: h * w * C**2,
    heads: Callable[[Any], Any] = lambda N: N,
    kept: Callable[[int, int], int] = lambda side, R: side // R * R,
) -> Demonstration:
    """Blocks of R × R tokens times a matrix, against the reference module's reduction, bit by bit."""
    from ..reference.reduction import SpatialReductionAttention

    N, width = sympy.symbols("N C", integer=True, positive=True)
    held: list[bool] = []
    drops: list[bool] = []
    for side, grid in product((2, 3), ((6, 6), (6, 12), (7, 8))):
        module, x = whole(SpatialReductionAttention(4, 2, side), seed=side), numbers(1, *grid, 4)
        module.norm = torch.nn.Identity()
        rows, columns = (kept(length, side) for length in grid)
        # (h/R · w/R) rows of R²C numbers: the paper's Reshape, then W^S
        blocks = x[0, :rows, :columns].reshape(rows // side, side, columns // side, side, 4).transpose(1, 2)
        matrix = module.convolution.weight.permute(2, 3, 1, 0).reshape(-1, 4)
        reshaped = blocks.reshape(-1, side * side * 4) @ matrix + module.convolution.bias
        divides = grid[0] % side == grid[1] % side == 0
        (held if divides else drops).append(torch.equal(module.reduce(x.permute(0, 3, 1, 2))[0], reshaped))
    (operator,) = (op for op, _ in LAYERS["sra"].build(h, w, C, a, R).walk() if op.label == "convolution")
    return Demonstration(
        derivation(r"""
            hw/R² rows of R²C numbers, times an R²C × C matrix.
                hw/R² · R²C · C = hwC²
                    \frac{hw}{R^2} \cdot R^2C \cdot C = hwC^2
            A row is what the kernel reads at one place, and W^S the kernel, written as a matrix.
                (Reshape(x, R) W^S)_(i, j) = Σ_{u, v < R} W_uv x(Ri + u, Rj + v)
                    \bigl(\operatorname{Reshape}(x, R)\, W^S\bigr)_{ij} = \sum_{u, v < R} W_{uv}\, x(Ri + u, Rj +
                    v)
            From 0 to N there are N + 1 heads, of C/N channels each.
                (N + 1) C/N = C + C/N ≠ C
                    (N + 1) \frac{C}{N} = C + \frac{C}{N} \neq C
        """),
        {
            "Reshape(x, R) W^S, with a row for each R × R tokens, is a convolution of kernel and stride R": (
                exact("the reference module's reduction without its norm (R = 2, 3), bit by bit", held),
            ),
            "it takes hwC² multiply-accumulates, where R ≥ 2 divides h and w": (
                identity("the convolution on symbols", [(operator.macs, cost(h, w, C))]),
            ),
            "elsewhere the authors' convolution drops h mod R rows and w mod R columns": (
                exact("the same reduction on 7 × 8, R = 2 and 3, bit by bit", drops),
            ),
            "N heads of C/N channels make the C that W^O takes: head_1 to head_N": (
                identity("heads times their width is what W^O takes", [heads(N) * width / N - width]),
            ),
        },
        correction="Concat(head_0, …, head_N) has N + 1 heads and C + C/N channels; W^O takes C, of N heads",
    )


# -- pooling or convolution -------------------------------------------------------------------------


@statement(
    "pooling_or_convolution",
    "Where pooling makes SRA cheaper",
    "For R ≥ 2 that divides h and w, linear SRA, pooled to P × P, takes fewer multiply-accumulates than SRA "
    "wherever hw ≥ P²R²; at hw = P²R², where both have P² keys, by (R² − 1)P²C². On a grid of P × P it takes "
    "2P²C(C + P²)(1 − 1/R²) more; and where R = 1, without a convolution, as in the last stage, P²C² more on "
    "that grid. For R ≥ 2 it has (R² − 1)C² fewer parameters, and where R = 1 it has C² + 3C more",
    "Wang et al. 2022 (PVT v2), eq. 1 and 2; a lecture: pooling replaces the convolution 'to reduce complexity'",
)
def pooling_or_convolution(
    saved: Callable[..., Any] = lambda P, R, C: (R**2 - 1) * P**2 * C**2,
    dearer: Callable[..., Any] = lambda P, R, C: 2 * P**2 * C * (C + P**2) * (1 - 1 / R**2),
    unreduced: Callable[..., Any] = lambda P, C: P**2 * C**2,
    fewer: Callable[..., Any] = lambda R, C: (R**2 - 1) * C**2,
    heavier: Callable[..., Any] = lambda C: C**2 + 3 * C,
    least: Callable[..., Any] = lambda P, R: P**2 * R**2,
) -> Demonstration:
    """The two layers on symbols, one less the other, at and above the claimed number of tokens; counts."""
    gain = _sra(Quantity.MACS) - _pooled(Quantity.MACS)
    at_r1 = _sra(Quantity.MACS, constant(1)) - _pooled(Quantity.MACS)
    counts = _counted(saved, dearer, unreduced)
    rows = _stages("pvt_v2_b2", "pvt_v2_b2_li")
    columns = (
        Column("input", "Input"),
        Column("stage", "Stage"),
        Column("grid", "Grid"),
        Column("sra", "With SRA", Kind.NUMBER),
        Column("linear", "With linear SRA", Kind.NUMBER),
    )
    return Demonstration(
        derivation(r"""
            SRA less linear SRA, n = hw tokens, R ≥ 2.
                nC² + 2nC²/R² − 3P²C² + 2nC(n/R² − P²)
                    nC^2 + \frac{2nC^2}{R^2} - 3P^2C^2 + 2nC\Bigl(\frac{n}{R^2} - P^2\Bigr)
            With n = P²R² + m no term is negative, and the first is positive.
                (R² − 1)P²C² + mC²(1 + 2/R²) + 2P²Cm + 2Cm²/R²
                    (R^2 - 1)P^2C^2 + mC^2\Bigl(1 + \frac{2}{R^2}\Bigr) + 2P^2Cm + \frac{2Cm^2}{R^2}
            Where the grid is P × P pooling leaves it as it is.
                n = P²: −2P²C(C + P²)(1 − 1/R²); R = 1: −P²C²
                    n = P^2: \quad -2P^2C(C + P^2)\Bigl(1 - \frac{1}{R^2}\Bigr); \quad R = 1: \quad -P^2C^2
        """),
        {
            "linear SRA takes fewer multiply-accumulates than SRA wherever hw ≥ P²R²": (
                _never_dearer(gain, least),
            ),
            "at hw = P²R² it takes (R² − 1)P²C² fewer": (
                identity("the layers on symbols", [(gain.subs({"h": P * R, "w": P * R}), saved(P, R, C))]),
                exact("fvcore's counts of the two modules", [counts[0]]),
            ),
            "on a grid of P × P it takes 2P²C(C + P²)(1 − 1/R²) more": (
                identity("the layers on symbols", [(gain.subs({"h": P, "w": P}), -dearer(P, R, C))]),
                exact("fvcore's counts of the two modules", [counts[1]]),
            ),
            "where R = 1, without a convolution, P²C² more on that grid": (
                identity("the layers on symbols", [(at_r1.subs({"h": P, "w": P}), -unreduced(P, C))]),
                exact("fvcore's counts of the two modules", [counts[2]]),
            ),
            "for R ≥ 2 it has (R² − 1)C² fewer parameters, and where R = 1 it has C² + 3C more": (
                identity(
                    "the layers on symbols",
                    [
                        (_sra(Quantity.PARAMS) - _pooled(Quantity.PARAMS), fewer(R, C)),
                        (_pooled(Quantity.PARAMS) - _sra(Quantity.PARAMS, constant(1)), heavier(C)),
                    ],
                ),
                exact("fvcore's counts of the two modules", _parameters(fewer, heavier)),
            ),
        },
        tables=(Table("PVT v2-B2 with SRA and with linear SRA (P = 7), multiply-accumulates", columns, rows),),
        correction="not everywhere: with R = 1, or with fewer than P²R² tokens, pooling and its 1 × 1 "
        "convolution can take more, as in the last stage at 224 × 224",
    )


def _never_dearer(gain: Polynomial, least: Callable[..., Any]) -> Evidence:
    """From the claimed number of tokens on no term is negative, with R = 2 + q and m tokens more."""
    m, q = sympy.symbols("m q", nonnegative=True)
    pooled, width = sympy.symbols("P C", positive=True)
    form = gain.to_sympy()
    letters = {symbol.name: symbol for symbol in form.free_symbols}
    ratio = 2 + q
    form = form.subs(letters["w"], 1).subs({letters["C"]: width, letters["P"]: pooled})
    form = form.subs(letters["h"], least(pooled, letters["R"]) + m).subs(letters["R"], ratio)
    # the denominator is R², which is positive
    expanded = sympy.expand(sympy.simplify(form * ratio**2))
    return known(
        "SRA less linear SRA from there on, for R = 2 + q: no term is negative, and not all are 0",
        [*((term, "nonnegative") for term in expanded.as_ordered_terms()), (expanded, "positive")],
    )


def _parameters(fewer: Callable[..., Any], heavier: Callable[..., Any]) -> list[bool]:
    from ..reference import LAYER_WITNESSES

    def of(id: str, last: int) -> int:
        return counted(partial(LAYER_WITNESSES[id], 4, 4, 8, 2, last), Quantity.PARAMS)

    pooled = of("linear_sra", 2)
    return [of("sra", 2) - pooled == fewer(2, 8), pooled - of("sra", 1) == heavier(8)]


def _counted(saved: Callable[..., Any], dearer: Callable[..., Any], unreduced: Callable[..., Any]) -> list[bool]:
    from ..reference import LAYER_WITNESSES

    sra, linear_sra = LAYER_WITNESSES["sra"], LAYER_WITNESSES["linear_sra"]

    def difference(side: int, R: int, P: int) -> int:
        return counted(partial(sra, side, side, 8, 2, R)) - counted(partial(linear_sra, side, side, 8, 2, P))

    return [
        difference(12, 4, 3) == saved(3, 4, 8),
        difference(4, 2, 4) == -Fraction(dearer(4, Fraction(2), 8)),
        difference(5, 1, 5) == -unreduced(5, 8),
    ]


def _stages(convolved: str, pooled: str) -> tuple[tuple[Any, ...], ...]:
    """Each stage of the two models, at 224 × 224 and at 800 × 800."""
    rows = []
    for side in (224, 800):
        pairs = zip(
            ARCHITECTURES[convolved].cost((side, side)).children,
            ARCHITECTURES[pooled].cost((side, side)).children,
            strict=True,
        )
        for one, other in pairs:
            if one.stage is not None and one.stage.depth:
                grid = " × ".join(map(str, one.stage.resolution))
                macs = (stage.total(Quantity.MACS) for stage in (one, other))
                rows.append((f"{side} × {side}", one.name, grid, *macs))
    return tuple(rows)
