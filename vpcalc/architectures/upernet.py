"""UperNet (Xiao et al. 2018, arXiv 1807.10221), as mmsegmentation has it and Swin's authors run it."""

from __future__ import annotations

from ..abstract.tensor import Tensor
from ..dims import Dim
from ..layers.dense import auxiliary_scores, unified_scores
from .backbones import MEANING, check_backbone, maps_of
from .registry import Family, register


def upernet(
    images: Tensor, *, backbone: str, C: Dim, scales: tuple[int, ...], classes: Dim, auxiliary: bool, hidden: Dim
) -> tuple[Tensor, ...]:
    """Image to scores of every pixel: pooled context above a pyramid, and all of its maps fused at stride 4.

    The scores are resized to the image, as mmsegmentation does. The auxiliary head, one 3 x 3 convolution and a
    classifier on the third stage, runs in training only; its parameters are there.
    """
    maps, size = maps_of(images, backbone), images.shape[2:]
    scores = unified_scores("head", maps, C, scales, classes, size)
    further = auxiliary_scores("auxiliary", maps[-2], hidden, classes, size) if auxiliary else None
    return (scores,) if further is None else (scores, further)


UPERNET = Family(
    "upernet",
    upernet,
    "Xiao et al. 2018, arXiv 1807.10221",
    meanings={
        "backbone": MEANING,
        "C": "channels of pooled context, pyramid and fusion",
        "scales": "sides of the grids that the last map is pooled to",
        "classes": "classes of a pixel",
        "auxiliary": "whether it has the head that runs in training only",
        "hidden": "channels of the head that runs in training only",
    },
    check=check_backbone,
)

register(
    UPERNET,
    "upernet",
    sizes=(512, 512),
    backbone="swin_t",
    C=512,
    scales=(1, 2, 3, 6),
    classes=150,
    auxiliary=True,
    hidden=256,
)
