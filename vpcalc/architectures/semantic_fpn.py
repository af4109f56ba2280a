"""Semantic FPN (Kirillov et al. 2019, arXiv 1901.02446), as mmsegmentation has it and PVT's authors run it."""

from __future__ import annotations

from ..abstract.tensor import Tensor
from ..dims import Dim
from ..layers.dense import feature_pyramid, summed_scores
from .backbones import MEANING, check_backbone, maps_of
from .registry import Family, register


def semantic_fpn(images: Tensor, *, backbone: str, C: Dim, hidden: Dim, classes: Dim) -> Tensor:
    """Image to scores of every pixel: a feature pyramid, and what each of its maps says, summed at stride 4.

    The scores are resized to the image, as mmsegmentation does. The sums are of maps resized to the finest,
    whether or not they have its size.
    """
    neck = feature_pyramid("neck", maps_of(images, backbone), C)
    return summed_scores("head", neck, hidden, classes, images.shape[2:])


SEMANTIC_FPN = Family(
    "semantic_fpn",
    semantic_fpn,
    "Kirillov et al. 2019, arXiv 1901.02446",
    meanings={
        "backbone": MEANING,
        "C": "channels of the feature pyramid",
        "hidden": "channels of the head",
        "classes": "classes of a pixel",
    },
    check=check_backbone,
)

register(SEMANTIC_FPN, "semantic_fpn", sizes=(512, 512), backbone="pvt_small", C=256, hidden=128, classes=150)
