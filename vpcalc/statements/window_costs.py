"""What windows save, where they save it, and where they cost more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

from ..algebra.floors import ceil_div
from ..algebra.parser import parse
from ..algebra.polynomial import as_polynomial, symbols
from ..architectures import ARCHITECTURES
from ..checks.proof import counted
from ..cost import Quantity
from ..everywhere import layer_run, regimes
from ..layers import LAYERS
from ..report import Column, Kind, Table
from .evidence import exact, identity, quotients
from .libraries import sympy
from .registry import Demonstration, derivation, statement

h, w, C, a, M = symbols("h w C a M")


STAGES = ("13.81", "2.70", "1.18", "1.00")
"""How many times MSA costs what W-MSA does, stage by stage of Swin-T at 224."""


def padded_side(side: Any, M: Any) -> Any:
    """The side of whole windows that hold it, of numbers and of symbols."""
    return ceil_div(side, M) * M


@statement(
    "windows_save",
    "Where windows save",
    "Where M divides h and w, MSA takes (2C + hw)/(2C + M²) times the multiply-accumulates of W-MSA, so that "
    "windows are cheaper exactly where hw > M²: 13.8 times in stage 1 of Swin-T at 224 × 224, 1.18 times in "
    "stage 3, and not at all in stage 4. Elsewhere, M at most both sides, the grid is padded to whole windows, "
    "projections included, and windows can cost more: on 8 × 8 tokens, M = 7 and C = 96, 2.88 times MSA",
    "Liu et al. 2021 (Swin), eq. 1 and 2; a lecture: 'greatly reduced'",
)
def windows_save(
    msa: str = "4hwC² + 2(hw)²C",
    wmsa: str = "4hwC² + 2M²hwC",
    ratio: Callable[..., Any] = lambda C, n, M: (2 * C + n) / (2 * C + M**2),
    whole: Callable[[Any, Any], Any] = padded_side,
    stages: tuple[str, ...] = STAGES,
    at_8: str = "2.88",
) -> Demonstration:
    """Both layers on symbols; counts of the module on grids that M divides and not; the stages of Swin-T."""
    from ..reference import LAYER_WITNESSES

    both = {
        "msa": as_polynomial(LAYERS["msa"].build(h, w, C, a).total(Quantity.MACS)),
        "wmsa": as_polynomial(LAYERS["wmsa"].build(h, w, C, a, M).total(Quantity.MACS)),
    }
    anywhere, *_ = regimes(*layer_run("wmsa"), Quantity.MACS)  # the first holds at the largest sizes
    of_whole = parse(wmsa).subs({"h": whole(h, M), "w": whole(w, M)})
    n, width, side = sympy.symbols("n C M", positive=True)
    more = sympy.Symbol("m", real=True)
    over = both["msa"].to_sympy() / both["wmsa"].to_sympy()
    over = over.subs({name: {"h": n, "w": 1, "C": width, "M": side}[name.name] for name in over.free_symbols})
    counts = []
    for tall, wide, size in product((4, 7, 9), (6, 8), (2, 3)):
        make = partial(LAYER_WITNESSES["wmsa"], tall, wide, 4, 2, size)
        tall, wide = (as_polynomial(whole(side, size)).value({}) for side in (tall, wide))
        counts.append(counted(make) == parse(wmsa).value({"h": tall, "w": wide, "C": 4, "M": size}))
    rows, sizes = [], []
    config: Any = ARCHITECTURES["swin_t"].config
    for stage in ARCHITECTURES["swin_t"].cost((224, 224)).stages():
        if stage.stage is not None and stage.stage.depth and stage.stage.heads:
            (tall, wide), channels = stage.stage.resolution, stage.stage.channels
            pair = [_macs(id, tall, wide, channels, stage.stage.heads, config["M"]) for id in ("msa", "wmsa")]
            rows.append((f"{tall} × {wide}", channels, *pair, f"{pair[0] / pair[1]:.2f}"))
            sizes.append({"h": tall, "w": wide, "C": channels, "M": config["M"]})
    at_stages = [(both["msa"], both["wmsa"], at, says) for at, says in zip(sizes, stages, strict=True)]
    columns = (
        Column("grid", "Grid"),
        Column("C", "C", Kind.NUMBER),
        Column("msa", "MSA", Kind.NUMBER),
        Column("wmsa", "W-MSA", Kind.NUMBER),
        Column("ratio", "Times"),
    )
    return Demonstration(
        derivation(r"""
            Each of hw/M² windows is attention on M² tokens.
                hw/M² · (4M²C² + 2M⁴C) = 4hwC² + 2M²hwC
                    \frac{hw}{M^2} \bigl(4M^2C^2 + 2M^4C\bigr) = 4hwC^2 + 2M^2hwC
            One over the other: projections stay, and bound what is saved where 2C > hw.
                (4hwC² + 2(hw)²C)/(4hwC² + 2M²hwC) = (2C + hw)/(2C + M²) > 1 ⟺ hw > M²
                    \frac{4hwC^2 + 2(hw)^2C}{4hwC^2 + 2M^2hwC} = \frac{2C + hw}{2C + M^2} > 1 \iff hw > M^2
            A grid that M does not divide is padded before anything is computed.
                h → M⌈h/M⌉, w → M⌈w/M⌉
                    h \to M \lceil h/M \rceil, \quad w \to M \lceil w/M \rceil
        """),
        {
            "where M divides h and w, MSA takes (2C + hw)/(2C + M²) times what W-MSA does": (
                identity("the layers on symbols", [(both["msa"], parse(msa)), (both["wmsa"], parse(wmsa))]),
                identity("one over the other", [over - ratio(width, n, side)]),
            ),
            "so windows are cheaper exactly where hw > M²": (
                identity(
                    "the ratio is 1 and m/(2C + M²) for hw = M² + m, m of either sign",
                    [ratio(width, side**2 + more, side) - 1 - more / (2 * width + side**2)],
                ),
            ),
            "13.8 times in stage 1 of Swin-T at 224 × 224, 1.18 in stage 3, and not at all in stage 4": (
                quotients("the layers at these sizes, to two digits", at_stages),
            ),
            "elsewhere the grid is padded to whole windows, projections included": (
                identity(
                    "W-MSA at every size with M ≤ h and M ≤ w, with ⌈h/M⌉ and ⌈w/M⌉",
                    [(anywhere.form.polynomial if anywhere.form else 0, of_whole)],
                ),
                exact("fvcore's counts, grids that M divides and not (M = 2, 3; sides 4 to 9)", counts),
            ),
            "on 8 × 8 tokens, M = 7 and C = 96, windows cost 2.88 times MSA": (
                quotients(
                    "the layers at these sizes, to two digits",
                    [(of_whole, both["msa"], {"h": 8, "w": 8, "C": 96, "M": 7}, at_8)],
                ),
            ),
        },
        tables=(Table("Attention of Swin-T's stages at 224 × 224, multiply-accumulates", columns, tuple(rows)),),
    )


def _macs(id: str, h: int, w: int, C: int, heads: int, M: int) -> int:
    dims = (h, w, C, heads, M) if id == "wmsa" else (h, w, C, heads)
    total: int = LAYERS[id].build(*dims).total(Quantity.MACS)
    return total
