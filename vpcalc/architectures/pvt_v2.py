"""Pyramid Vision Transformer v2 (Wang et al. 2022, arXiv 2106.13797), and what its Ω leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..abstract.functions import mean
from ..abstract.modules import Copies, Step, layer_norm, module, repeat, titled
from ..abstract.recompute import recomputable
from ..abstract.tensor import Tensor
from ..algebra import Polynomial, symbols
from ..cost import Stage
from ..dims import Dim, require_side
from ..layers import LAYERS
from ..layers.embedding import classifier
from ..layers.overlapping import convolutional_feed_forward, overlap_patch_embedding
from ..layers.reduction import linear_spatial_reduction_attention, spatial_reduction_attention
from .backbones import maps_in_turn
from .pvt import as_in_the_code, same_stages
from .registry import Family, register


def pvt_v2(
    images: Tensor,
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
) -> Tensor:
    """Stages that open with overlapping patches and close with a norm; the head reads the mean over tokens.

    No positions and no class token, so any input size is as good as any other. With ``linear`` every
    stage pools its keys and values to P x P, also where R = 1; then R says nothing.
    """
    x = images
    for number, stage in enumerate(_stages(images, C, depths, heads, R, r, S, linear, P)):
        x = stage(f"stages.{number}", x)
    with x.tape.node("head") as head:
        head.stage = Stage(x.shape[2:], C[-1])
        return classifier("head", mean(x, (2, 3)), classes)


def pyramid(images: Tensor, first: int, *, classes: Dim, **settings: Any) -> tuple[Tensor, ...]:
    """The map of each stage, whose norm belongs to it."""
    return maps_in_turn(images, first, _stages(images, **settings))


def _stages(
    images: Tensor,
    C: tuple[int, ...],
    depths: tuple[int, ...],
    heads: tuple[int, ...],
    R: tuple[int, ...],
    r: tuple[int, ...],
    S: tuple[int, ...],
    linear: bool,
    P: Dim,
) -> list[Step]:
    """The stages for these images, each a module."""
    require_side(images.shape[2:], 1 if linear else _least_side(S, R), "strides and R")
    found: list[Step] = []
    for number, (c, depth, a, ratio, expansion, stride) in enumerate(
        zip(C, depths, heads, R, r, S, strict=True), start=1
    ):
        pooled = partial(linear_spatial_reduction_attention, heads=a, P=P)
        strided = partial(spatial_reduction_attention, heads=a, R=ratio)
        block = partial(_block, attention=pooled if linear else strided, r=expansion, rectified=linear)
        found.append(partial(_stage, number=number, C=c, s=stride, a=a, blocks=Copies(block, depth)))
    return found


def _least_side(S: tuple[int, ...], R: tuple[int, ...]) -> int:
    """Pixels with which every stage has at least R rows of tokens."""
    step, least = 1, 1
    for stride, ratio in zip(S, R, strict=True):
        step *= stride
        least = max(least, step * (ratio - 1) + 1)  # ceil(H / step) >= R
    return least


@module
def _stage(x: Tensor, number: int, C: Dim, s: Dim, a: Dim, blocks: Copies[Step]) -> Tensor:
    """(batch, c, H, W) to (batch, C, h, w): overlapping patches, blocks, a norm."""
    with x.tape.node(f"stage {number}") as stage:
        y = layer_norm("norm", repeat("blocks", overlap_patch_embedding("patches", x, C, s), blocks))
        stage.stage = Stage(y.shape[1:3], C, blocks.times, a)
        return y.permute(0, 3, 1, 2)


@module
@recomputable
@titled("block")
def _block(x: Tensor, attention: Step, r: Dim, rectified: bool) -> Tensor:
    """Attention and feed-forward, each after a norm and with a residual."""
    x = x + attention("attention", layer_norm("norm1", x))
    return x + convolutional_feed_forward("ffn", layer_norm("norm2", x), r * x.shape[-1], rectified)


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
        "classes": "outputs of the head; 0 leaves it out, and so does head=false",
    },
    classifies=True,
    pyramid=pyramid,
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
    "norm": ("layer norm", "on the reduced grid; no multiply-accumulates"),
    "kv": ("key and value projections", "on the reduced grid"),
    "QKᵀ": ("QKᵀ and AV", ""),
    "AV": ("QKᵀ and AV", ""),
    "proj": ("output projection", ""),
}
"""An operator's label to the term it belongs to and a remark; the convolution is each layer's own."""

_CONVOLUTION = {
    "sra": (
        "reduction convolution",
        "hw/R² outputs of R²C·C products each; R²C² is the size of its weight. Runs where R > 1",
    ),
    "linear_sra": ("1x1 convolution", "on the pooled grid"),
}


def paper_terms() -> tuple[PaperTerm, ...]:
    """Ω(SRA) and Ω(Linear SRA) term by term: what the layers' operators cost, and what the paper prints.

    Ω is quoted from Wang et al. 2022, eq. 1 and 2. Biases and softmax are priced by neither.
    """
    h, w, C, a, R, P = symbols("h w C a R P")
    omega_sra = {"QKᵀ and AV": 2 * h**2 * w**2 * C / R**2, "reduction convolution": h * w * C**2 * R**2}  # eq. 1
    omega_linear_sra = {"QKᵀ and AV": 2 * h * w * P**2 * C}  # eq. 2
    return (*_beside("sra", (h, w, C, a, R), omega_sra), *_beside("linear_sra", (h, w, C, a, P), omega_linear_sra))


def _beside(layer: str, dims: tuple[Polynomial, ...], printed: Mapping[str, Polynomial]) -> Iterator[PaperTerm]:
    nothing = Polynomial({})
    terms = {**_TERMS, "convolution": _CONVOLUTION[layer]}
    rows: dict[str, PaperTerm] = {}
    for op, times in LAYERS[layer].build(*dims).walk():
        term, remark = terms[op.label]
        row = rows.get(term, PaperTerm(layer, term, nothing, nothing, printed.get(term, nothing), remark))
        rows[term] = replace(row, ours=row.ours + times * op.macs, other=row.other + times * op.other)
    yield from rows.values()
