"""One resolution or four: what finer tokens cost, and what a pyramid adds to its first stage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import partial
from typing import Any

from ..algebra.polynomial import Polynomial, as_polynomial, symbols
from ..architectures import ARCHITECTURES
from ..checks.proof import counted
from ..cost import Quantity
from ..layers import LAYERS
from ..report import Column, Kind, Table
from .evidence import exact, identity
from .registry import Demonstration, derivation, statement
from .table1 import leading

h, w, C, a, f = symbols("h w C a f")


def _attention(quantity: Quantity, h: Any, w: Any, C: Any) -> tuple[Polynomial, Polynomial]:
    """Of global attention on a grid: what is linear in the number of tokens, and what is quadratic."""
    form = as_polynomial(LAYERS["msa"].build(h, w, C, a).total(quantity))
    meeting = leading(form, "h")
    return form - meeting, meeting


@statement(
    "one_scale_or_four",
    "One resolution or four",
    "Tokens that are f times as fine on either axis are f² as many, with f² times the projections and f⁴ times "
    "the scores and the products in which tokens meet: 16, 16 and 256 from stride 16 to stride 4. Where 8 "
    "divides h and w, four stages at strides of 4 to 32, each twice as wide as the one before it, a block of "
    "global attention in each, have 85/64 of the first's tokens, 4 times its projections and 585/512 of its "
    "meeting products: a pyramid alone adds three scales for a seventh more of these, and does not make its "
    "first stage cheap",
    "Wang et al. 2021 (PVT), §1 and §3.1; a lecture: computation, memory and 'the scale problem' of dense "
    "prediction",
)
def one_scale_or_four(
    tokens: Callable[[Any], Any] = lambda f: f**2,
    projections: Callable[[Any], Any] = lambda f: f**2,
    meeting: Callable[[Any], Any] = lambda f: f**4,
    scores: Callable[[Any], Any] = lambda f: f**4,
    pyramid: tuple[Fraction, Fraction, Fraction] = (Fraction(85, 64), Fraction(4), Fraction(585, 512)),
) -> Demonstration:
    """The layer on symbols, on a grid and on one f times as fine; four stages of it, added up; whole models."""
    plain, meet = _attention(Quantity.MACS, h, w, C)
    fine_plain, fine_meet = _attention(Quantity.MACS, f * h, f * w, C)
    _, maps = _attention(Quantity.ATTENTION, h, w, C)
    _, fine_maps = _attention(Quantity.ATTENTION, f * h, f * w, C)
    stages = [_attention(Quantity.MACS, h / 2**i, w / 2**i, 2**i * C) for i in range(4)]
    grids = [h * w / 4**i for i in range(4)]
    added = _added(grids), _added(one for one, _ in stages), _added(one for _, one in stages)
    rows = _models()
    columns = (
        Column("model", "Model at 512 × 512"),
        Column("grids", "Tokens a side"),
        Column("macs", "Multiply-accumulates", Kind.NUMBER),
        Column("scores", "Scores", Kind.NUMBER),
    )
    at = {"h": 16, "w": 16, "C": 4}
    counts = [
        _counted(16 * times, 4) == projections(times) * plain.value(at) + meeting(times) * meet.value(at)
        for times in (1, 2, 3)
    ]
    counts.append(
        sum(_counted(16 >> i, 4 << i) for i in range(4))
        == pyramid[1] * plain.value(at) + pyramid[2] * meet.value(at)
    )
    return Demonstration(
        derivation(r"""
            Global attention on n = hw tokens; f times as fine n is f²n.
                4nC² + 2n²C → 4f²nC² + 2f⁴n²C
                    4nC^2 + 2n^2C \to 4f^2nC^2 + 2f^4n^2C
            Stage i of a pyramid has n/4^i tokens of 2^i C channels.
                4(n/4^i)(2^i C)² = 4nC²; 2(n/4^i)²(2^i C) = 2n²C/8^i
                    4 \frac{n}{4^i} (2^i C)^2 = 4nC^2; \quad 2 \Bigl(\frac{n}{4^i}\Bigr)^2 2^i C =
                    \frac{2n^2C}{8^i}
            Four of them.
                1 + 1/4 + 1/16 + 1/64 = 85/64; 1 + 1/8 + 1/64 + 1/512 = 585/512
                    1 + \tfrac14 + \tfrac1{16} + \tfrac1{64} = \tfrac{85}{64}; \quad 1 + \tfrac18 + \tfrac1{64} +
                    \tfrac1{512} = \tfrac{585}{512}
        """),
        {
            "tokens f times as fine on either axis are f² as many, with f² times the projections, 16 at f = 4": (
                identity(
                    "the layer on symbols, f one of them",
                    [(f * h * f * w, tokens(f) * h * w), (fine_plain, projections(f) * plain)],
                ),
                exact("fvcore's counts on 16 × 16 tokens, 2 and 3 times as fine", counts[:-1]),
            ),
            "and f⁴ times the scores and the products in which tokens meet, 256 from stride 16 to stride 4": (
                identity(
                    "the layer on symbols, f one of them, and f = 4",
                    [
                        (fine_meet, meeting(f) * meet),
                        (fine_maps, scores(f) * maps),
                        (fine_meet.subs({"f": 4}), 256 * meet),
                    ],
                ),
            ),
            "where 8 divides h and w, four stages at strides of 4 to 32 have 85/64 of the first's tokens, 4 times "
            "its projections and 585/512 of its meeting products": (
                identity(
                    "four stages of the layer on symbols over the first",
                    [
                        (one * share.denominator, first * share.numerator)
                        for one, share, first in zip(added, pyramid, (h * w, plain, meet), strict=True)
                    ],
                ),
                exact("fvcore's counts of the four", counts[-1:]),
            ),
        },
        tables=(Table("One resolution against four", columns, rows),),
    )


def _added(parts: Iterable[Polynomial]) -> Polynomial:
    return sum(parts, Polynomial({}))


def _counted(side: int, C: int) -> int:
    from ..reference import LAYER_WITNESSES

    return counted(partial(LAYER_WITNESSES["msa"], side, side, C, 2))


def _models() -> tuple[tuple[Any, ...], ...]:
    """Two ViTs, of one resolution each, and two pyramids at 512 × 512."""
    rows = []
    for name, id, changes in (
        ("ViT-B, 16 × 16 patches", "vit_b_16", {}),
        ("ViT-B, 4 × 4 patches", "vit_b_16", {"P": 4}),
        ("PVT-Small", "pvt_small", {}),
        ("Swin-T", "swin_t", {}),
    ):
        architecture = ARCHITECTURES[id]
        cost = architecture.cost((512, 512), {**architecture.config, **changes})
        sides = [stage.stage.resolution[0] for stage in cost.stages() if stage.stage and stage.stage.depth]
        macs, scores = (cost.total(quantity) for quantity in (Quantity.MACS, Quantity.ATTENTION))
        rows.append((name, ", ".join(map(str, sides)), macs, scores))
    return tuple(rows)
