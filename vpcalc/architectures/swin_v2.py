"""Swin Transformer V2 (Liu et al. 2022, arXiv 2111.09883)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from ..abstract.modules import layer_norm, module
from ..abstract.recompute import recomputable
from ..abstract.tensor import Tensor
from ..dims import Dim
from ..inputs import GridTerm
from ..layers.embedding import patch_merging
from ..layers.feedforward import feed_forward
from ..layers.windows import COSINE, window_attention
from .backbones import maps_through_norms
from .registry import register
from .swin import SWIN, classified, stages


def swin_v2(
    images: Tensor,
    *,
    C: Dim,
    depths: tuple[int, ...],
    heads: tuple[int, ...],
    M: Dim | GridTerm,
    P: Dim,
    r: Dim,
    classes: Dim,
) -> Tensor:
    """Swin with norms after attention, feed-forward and merging, attention by cosines, and biases that a network
    makes of the offsets in a window, once for all images (Figure 1).

    Queries, keys and values are three projections here, of which that of keys has no bias; the authors run one.
    """
    return classified(_stages(images, C, depths, heads, M, P, r), classes)


def pyramid(images: Tensor, first: int, *, classes: Dim, **settings: Any) -> tuple[Tensor, ...]:
    """The map of each stage through a norm of its own; none is last."""
    return maps_through_norms(images, first, _stages, settings)


@module
@recomputable
def _block(x: Tensor, heads: int, M: Dim, r: Dim, shift: bool) -> Tensor:
    """Window attention and feed-forward, each with a norm of its result and a residual."""
    with x.tape.node("swmsa block" if shift else "wmsa block"):
        x = x + layer_norm("norm1", window_attention("attention", x, heads, M, shift, COSINE))
        return x + layer_norm("norm2", feed_forward("ffn", x, r * x.shape[-1]))


_stages = partial(stages, merging=partial(patch_merging, norm_last=True), block=_block)

SWIN_V2 = replace(SWIN, name="swin_v2", run=swin_v2, source="Liu et al. 2022, arXiv 2111.09883", pyramid=pyramid)

for _id, _C, _depths, _M, _size, _alias in (
    ("swin_v2_t", 96, (2, 2, 6, 2), 8, 256, "swinv2_tiny_patch4_window8_256"),
    ("swin_v2_s", 96, (2, 2, 18, 2), 8, 256, "swinv2_small_patch4_window8_256"),
    ("swin_v2_b", 128, (2, 2, 18, 2), 8, 256, "swinv2_base_patch4_window8_256"),
    ("swin_v2_t_w16", 96, (2, 2, 6, 2), 16, 256, "swinv2_tiny_patch4_window16_256"),
    ("swin_v2_s_w16", 96, (2, 2, 18, 2), 16, 256, "swinv2_small_patch4_window16_256"),
    ("swin_v2_b_w16", 128, (2, 2, 18, 2), 16, 256, "swinv2_base_patch4_window16_256"),
    ("swin_v2_b_192", 128, (2, 2, 18, 2), 12, 192, "swinv2_base_patch4_window12_192"),
    ("swin_v2_b_384", 128, (2, 2, 18, 2), 24, 384, "swinv2_base_patch4_window12to24_192to384"),
    ("swin_v2_l", 192, (2, 2, 18, 2), 16, 256, "swinv2_large_patch4_window12to16_192to256"),
    ("swin_v2_l_192", 192, (2, 2, 18, 2), 12, 192, "swinv2_large_patch4_window12_192"),
    ("swin_v2_l_384", 192, (2, 2, 18, 2), 24, 384, "swinv2_large_patch4_window12to24_192to384"),
):
    register(
        SWIN_V2,
        _id,
        sizes=(_size, _size),
        aliases=(_alias,),
        C=_C,
        depths=_depths,
        heads=tuple(_C * 2**stage // 32 for stage in range(4)),
        M=_M,
        P=4,
        r=4,
        classes=1000,
    )
