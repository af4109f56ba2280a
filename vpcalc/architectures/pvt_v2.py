"""Pyramid Vision Transformer v2 (Wang et al. 2022, arXiv 2106.13797), and what its Ω leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..algebra import Polynomial, symbols
from ..cost import Cost, Stage
from ..dims import Dim, ceil_div, require_side
from ..layers.embedding import classification_head
from ..layers.overlapping import convolutional_feed_forward, overlap_patch_embedding
from ..layers.reduction import linear_spatial_reduction_attention, spatial_reduction_attention
from ..ops import layer_norm
from .pvt import as_in_the_code, same_stages
from .registry import Family, register


def pvt_v2(
    H: Dim,
    W: Dim,
    *,
    C: tuple[int, ...],
    depths: tuple[int, ...],
    heads: tuple[int, ...],
    R: tuple[int, ...],
    r: tuple[int, ...],
    S: tuple[int, ...],
    linear: bool,
    P: Dim,
    classes: Dim,
    batch: Dim = 1,
) -> Cost:
    """Stages that open with overlapping patches and close with a norm; the head reads the mean over tokens.

    No positions and no class token, so any input size is as good as any other. With ``linear`` every
    stage pools its keys and values to P x P, also where R = 1; then R says nothing.
    """
    step, least = 1, 1
    for stride, ratio in zip(S, R, strict=True):
        step *= stride
        least = max(least, 1 if linear else step * (ratio - 1) + 1)  # ceil(H / step) >= R
    require_side((H, W), least, "strides and R")

    h, w, channels = H, W, 3
    stages = []
    for number, (c, depth, a, ratio, expansion, stride) in enumerate(
        zip(C, depths, heads, R, r, S, strict=True), start=1
    ):
        opening = overlap_patch_embedding(h, w, c, stride, batch=batch, channels=channels)
        h, w, channels = ceil_div(h, stride), ceil_div(w, stride), c
        if linear:
            attention = linear_spatial_reduction_attention(h, w, c, a, P, batch=batch)
        else:
            attention = spatial_reduction_attention(h, w, c, a, ratio, batch=batch)
        norms = (layer_norm("norm1", batch * h * w, c), layer_norm("norm2", batch * h * w, c))
        block = Cost("block", norms, (attention, convolutional_feed_forward(h, w, c, expansion, batch=batch)))
        stages.append(
            Cost(
                f"stage {number}",
                (layer_norm("norm", batch * h * w, c),),
                (opening, block * depth),
                stage=Stage((h, w), c, depth, a),
            )
        )
    head = Cost(
        "head",
        children=(classification_head(channels, classes, batch=batch),),
        stage=Stage((h, w), channels),
    )
    return Cost("pvt_v2", children=(*stages, head))


def _check(config: Mapping[str, Any]) -> None:
    same_stages(config, ("C", "heads", "R", "r", "S"))


PVT_V2 = Family(
    "pvt_v2",
    pvt_v2,
    "Wang et al. 2022, arXiv 2106.13797",
    meanings={
        "C": "channels of each stage",
        "depths": "blocks of each stage",
        "heads": "attention heads of each stage",
        "R": "spatial reduction ratio of each stage; says nothing where linear",
        "r": "feed-forward expansion of each stage",
        "S": "stride of each stage's patch embedding; its kernel is 2S - 1",
        "linear": "linear attention: keys and values pooled to P x P in every stage",
        "P": "side of the pooled grid, where linear",
        "classes": "outputs of the head",
    },
    check=_check,
)

_NARROW, _WIDE = (32, 64, 160, 256), (64, 128, 320, 512)

# Table 1 prints 3 blocks in the second stage of B2, B2-Li and B3.
_PRINTED = {(3, 4, 6, 3): as_in_the_code(3, 3, 6, 3), (3, 4, 18, 3): as_in_the_code(3, 3, 18, 3)}
for _id, _C, _depths, _r, _linear in (
    ("pvt_v2_b0", _NARROW, (2, 2, 2, 2), (8, 8, 4, 4), False),
    ("pvt_v2_b1", _WIDE, (2, 2, 2, 2), (8, 8, 4, 4), False),
    ("pvt_v2_b2", _WIDE, (3, 4, 6, 3), (8, 8, 4, 4), False),
    ("pvt_v2_b2_li", _WIDE, (3, 4, 6, 3), (8, 8, 4, 4), True),
    ("pvt_v2_b3", _WIDE, (3, 4, 18, 3), (8, 8, 4, 4), False),
    ("pvt_v2_b4", _WIDE, (3, 8, 27, 3), (8, 8, 4, 4), False),
    ("pvt_v2_b5", _WIDE, (3, 6, 40, 3), (4, 4, 4, 4), False),
):
    register(
        PVT_V2,
        _id,
        sizes=(224, 224),
        assumptions=_PRINTED.get(_depths, ()),
        C=_C,
        depths=_depths,
        heads=(1, 2, 5, 8),
        R=(8, 4, 2, 1),
        r=_r,
        S=(4, 2, 2, 2),
        linear=_linear,
        P=7,
        classes=1000,
    )


# -- what the paper's Ω leaves out ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PaperTerm:
    """One term of a layer, in multiply-accumulates: as its operators have it, and as the paper prints it.

    ``other`` is what fvcore charges beyond multiply-accumulates; the paper prints nothing of it.
    """

    layer: str
    term: str
    ours: Polynomial
    other: Polynomial
    paper: Polynomial
    remark: str

    @property
    def verdict(self) -> str:
        """*agrees*, *omitted* or *priced differently*."""
        if self.paper:
            return "agrees" if self.ours == self.paper else "priced differently"
        return "omitted"


_TERMS = {
    "q": ("query projection", ""),
    "pool": ("pooling", "reads every token; no multiply-accumulates"),
    "reduce": (
        "reduction convolution",
        "hw/R² outputs of R²C·C products each; R²C² is the size of its weight. Runs where R > 1",
    ),
    "1x1": ("1x1 convolution", "on the pooled grid"),
    "norm": ("layer norm", "on the reduced grid; no multiply-accumulates"),
    "kv": ("key and value projections", "on the reduced grid"),
    "QKᵀ": ("QKᵀ and AV", ""),
    "AV": ("QKᵀ and AV", ""),
    "proj": ("output projection", ""),
}
"""An operator's label to the term it belongs to and a remark."""


def paper_terms() -> tuple[PaperTerm, ...]:
    """Ω(SRA) and Ω(Linear SRA) term by term: what the layers' operators cost, and what the paper prints.

    Ω is quoted from Wang et al. 2022, eq. 1 and 2. Biases and softmax are priced by neither.
    """
    h, w, C, a, R, P = symbols("h w C a R P")
    sra = spatial_reduction_attention(h, w, C, a, R)
    omega_sra = {"QKᵀ and AV": 2 * h**2 * w**2 * C / R**2, "reduction convolution": h * w * C**2 * R**2}  # eq. 1
    linear_sra = linear_spatial_reduction_attention(h, w, C, a, P)
    omega_linear_sra = {"QKᵀ and AV": 2 * h * w * P**2 * C}  # eq. 2
    return (*_beside("sra", sra, omega_sra), *_beside("linear_sra", linear_sra, omega_linear_sra))


def _beside(layer: str, cost: Cost, printed: Mapping[str, Polynomial]) -> Iterator[PaperTerm]:
    nothing = Polynomial({})
    rows: dict[str, PaperTerm] = {}
    for op, times in cost.walk():
        term, remark = _TERMS[op.label]
        row = rows.get(term, PaperTerm(layer, term, nothing, nothing, printed.get(term, nothing), remark))
        rows[term] = replace(row, ours=row.ours + times * op.macs, other=row.other + times * op.other)
    yield from rows.values()
