"""The smallest reduction and the largest window whose attention stays within a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

from ..algebra.floors import ceil_div, floor_div
from ..algebra.polynomial import Polynomial, as_polynomial, symbols
from ..checks.proof import counted
from ..cost import Quantity
from ..everywhere import layer_run, regimes
from ..layers import LAYERS
from ..report import Column, Kind, Table
from .evidence import exact, identity, known
from .libraries import sympy
from .registry import Demonstration, derivation, statement

h, w, C, a, R, M = symbols("h w C a R M")

BUDGET = 205_000_000
"""At which 56 × 56 tokens of 64 channels, those of PVT's first stage, are tried."""


@statement(
    "within_a_budget",
    "Reduction and window within a budget",
    "Attention on hw tokens of C channels is within b multiply-accumulates: as SRA, where R ≥ 2 divides h and w, "
    "exactly for b > 3hwC² and R² ≥ 2hwC(C + hw)/(b − 3hwC²); as W-MSA, where M divides them, exactly for M² ≤ "
    "b/(2hwC) − 2C. Up to h and w, an R that does not divide them leaves tokens out and costs at most what these "
    "forms have, so that a smaller one can be within b: R = 4 on 7 × 7 tokens of C = 64 is below 3hwC². An M that "
    "does not divide them pads and costs at least that: on 56 × 56 tokens of C = 64, b = 205 million, M = 19 is "
    "the largest, 17 and 18 are beyond b, and 14 is the largest that divides; R = 3 is the smallest there, and 4 "
    "the smallest that divides",
    "Wang et al. 2021 (PVT), §3.3; Liu et al. 2021 (Swin), eq. 2",
)
def within_a_budget(
    never: Callable[..., Any] = lambda n, C: 3 * n * C**2,
    least: Callable[..., Any] = lambda b, n, C: 2 * n * C * (C + n) / (b - 3 * n * C**2),
    most: Callable[..., Any] = lambda b, n, C: b / (2 * n * C) - 2 * C,
    of_keys: Callable[..., Any] = lambda n, C, R, keys: 2 * n * C**2 + keys * ((R**2 + 2) * C**2 + 2 * n * C),
    of_padded: Callable[..., Any] = lambda n, C, M: n * (4 * C**2 + 2 * M**2 * C),
    suffices: int = 4,
    smallest: tuple[int, int] = (3, 4),
    largest: tuple[int, int] = (19, 14),
    beyond: tuple[int, ...] = (17, 18),
) -> Demonstration:
    """Both layers on symbols, on whole grids and at every size; counts of modules on both sides of a budget."""
    whole = {id: as_polynomial(_macs(id, h, w, C, a, size)) for id, size in (("sra", R), ("wmsa", M))}
    anywhere = {id: _everywhere(id) for id in whole}
    n, width, size, b = sympy.symbols("n C s b", positive=True)
    over, tall, wide, cut, short = sympy.symbols("e k l p q", nonnegative=True)
    letters = {"h": n, "w": sympy.Integer(1), "C": width, "R": size, "M": size}
    sra, wmsa = (_in(letters, form) for form in whole.values())
    grid = (size * tall + cut) * (size * wide + short)
    at_56 = {id: {size: _macs(id, 56, 56, 64, 2, size) for size in range(1, 57)} for id in whole}
    within = {id: [size for size, macs in costs.items() if macs <= BUDGET] for id, costs in at_56.items()}
    dividing = {id: [size for size in sizes if 56 % size == 0] for id, sizes in within.items()}
    columns = (
        Column("size", "R or M", Kind.NUMBER),
        Column("sra", "SRA", Kind.NUMBER),
        Column("wmsa", "W-MSA", Kind.NUMBER),
        Column("divides", "Divides"),
    )
    rows = tuple(
        (size, at_56["sra"][size], at_56["wmsa"][size], "no" if 56 % size else "yes")
        for size in (2, 3, 4, 7, 14, 15, 16, 17, 18, 19, 28)
    )
    return Demonstration(
        derivation(r"""
            SRA: queries and projection, and for each of t keys and values a convolution, two products and what it
            meets.
                2hwC² + t((R² + 2)C² + 2hwC), t = hw/R²: 3hwC² + 2hwC(C + hw)/R²
                    2hwC^2 + t \bigl((R^2 + 2)C^2 + 2hwC\bigr), \quad t = \frac{hw}{R^2}: \quad 3hwC^2 +
                    \frac{2hwC(C + hw)}{R^2}
            What is left of the budget.
                b − 3hwC² − 2hwC(C + hw)/R² ≥ 0 ⟺ R² ≥ 2hwC(C + hw)/(b − 3hwC²)
                    b - 3hwC^2 - \frac{2hwC(C + hw)}{R^2} \ge 0 \iff R^2 \ge \frac{2hwC(C + hw)}{b - 3hwC^2}
            W-MSA.
                b − 4hwC² − 2M²hwC ≥ 0 ⟺ M² ≤ b/(2hwC) − 2C
                    b - 4hwC^2 - 2M^2hwC \ge 0 \iff M^2 \le \frac{b}{2hwC} - 2C
            Elsewhere.
                ⌊h/R⌋⌊w/R⌋ ≤ hw/R², M⌈h/M⌉M⌈w/M⌉ ≥ hw
                    \lfloor h/R \rfloor \lfloor w/R \rfloor \le hw/R^2, \quad M \lceil h/M \rceil M \lceil w/M
                    \rceil \ge hw
        """),
        {
            "where R ≥ 2 divides h and w, SRA is within b exactly for b > 3hwC² and R² ≥ 2hwC(C + hw)/(b − "
            "3hwC²)": (
                identity(
                    "what is left of b is b − 3hwC² times 1 less their quotient, on symbols",
                    [(b - sra, (b - never(n, width)) * (1 - least(b, n, width) / size**2))],
                ),
                known("and less than 0 for b = 3hwC² − e", [(never(n, width) - over - sra, "negative")]),
                exact("fvcore's counts, a budget of as many and of one less", _by_counts("sra", never, least)),
            ),
            "where M divides them, W-MSA exactly for M² ≤ b/(2hwC) − 2C": (
                identity(
                    "what is left of b is 2hwC times the difference of the two, on symbols",
                    [(b - wmsa, 2 * n * width * (most(b, n, width) - size**2))],
                ),
                exact("fvcore's counts, a budget of as many and of one less", _by_counts("wmsa", never, most)),
            ),
            "an R that does not divide them costs at most what that form has": (
                identity(
                    "SRA of t keys: t = hw/R², and t = ⌊h/R⌋⌊w/R⌋ at every size with R at most h and w",
                    [
                        (of_keys(h * w, C, R, h * w / R**2), whole["sra"]),
                        (of_keys(h * w, C, R, floor_div(h, R) * floor_div(w, R)), anywhere["sra"]),
                    ],
                ),
                known(
                    "what is less, h = Rk + p and w = Rl + q",
                    [(_more(of_keys(n, width, size, t) for t in (grid / size**2, tall * wide)), "nonnegative")],
                ),
            ),
            "R = 4 on 7 × 7 tokens of C = 64 costs less than 3hwC²": (
                exact(
                    "the layer, and fvcore's count of the module",
                    [
                        macs < never(49, 64)
                        for macs in (_macs("sra", 7, 7, 64, 2, suffices), _ran("sra", 7, 7, suffices))
                    ],
                ),
            ),
            "an M that does not divide them costs at least what that form has": (
                identity(
                    "W-MSA of as many tokens: hw, and M⌈h/M⌉M⌈w/M⌉ at every size with M at most h and w",
                    [
                        (of_padded(h * w, C, M), whole["wmsa"]),
                        (of_padded(M**2 * ceil_div(h, M) * ceil_div(w, M), C, M), anywhere["wmsa"]),
                    ],
                ),
                known(
                    "what is more, of e tokens more",
                    [(_more(of_padded(t, width, size) for t in (n + over, n)), "nonnegative")],
                ),
            ),
            "on 56 × 56 tokens of C = 64, b = 205 million, M = 19 is the largest, 17 and 18 are beyond b, and 14 "
            "is the largest that divides": (
                exact(
                    "the layer at M = 1 … 56",
                    [
                        max(within["wmsa"]) == largest[0],
                        max(dividing["wmsa"]) == largest[1],
                        *(at_56["wmsa"][size] > BUDGET for size in beyond),
                    ],
                ),
            ),
            "R = 3 is the smallest there, and 4 the smallest that divides": (
                exact(
                    "the layer at R = 1 … 56",
                    [min(within["sra"]) == smallest[0], min(dividing["sra"]) == smallest[1]],
                ),
            ),
        },
        tables=(Table("Multiply-accumulates on 56 × 56 tokens, C = 64", columns, rows),),
    )


def _in(letters: Mapping[str, Any], form: Polynomial) -> Any:
    """The form with SymPy's letters."""
    found = form.to_sympy()
    return found.subs({letter: letters[letter.name] for letter in found.free_symbols})


def _more(both: Iterable[Any]) -> Any:
    """The first less the second, term by term."""
    more, less = both
    return sympy.expand(more - less)


def _macs(id: str, *dims: Any) -> Any:
    return LAYERS[id].build(*dims).total(Quantity.MACS)


def _everywhere(id: str) -> Polynomial | int:
    """At the largest sizes, of the regimes that a layer has."""
    first, *_ = regimes(*layer_run(id), Quantity.MACS)
    return first.form.polynomial if first.form else 0


def _ran(id: str, tall: int, wide: int, size: int) -> int:
    from ..reference import LAYER_WITNESSES

    return counted(partial(LAYER_WITNESSES[id], tall, wide, 64, 2, size))


def _by_counts(id: str, never: Callable[..., Any], bound: Callable[..., Any]) -> list[bool]:
    """Whether the condition holds at a budget that is the module's count, and no more at one less."""
    held = []
    for tall, wide, size in ((4, 4, 2), (4, 8, 4), (6, 12, 3), (7, 7, 7)):
        n, macs = Fraction(tall * wide), _ran(id, tall, wide, size)
        for budget, expected in ((macs, True), (macs - 1, False)):
            if id == "sra":
                said = budget > never(n, 64) and size**2 >= bound(budget, n, 64)
            else:
                said = size**2 <= bound(budget, n, 64)
            held.append(said is expected)
    return held
