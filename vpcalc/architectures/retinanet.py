"""RetinaNet (Lin et al. 2017, arXiv 1708.02002), as mmdetection has it."""

from __future__ import annotations

from ..abstract.tensor import Tensor
from ..dims import Dim
from ..layers.dense import BOX, box_scores, feature_pyramid
from .backbones import MEANING, check_backbone, maps_of
from .registry import Family, register


def retinanet(
    images: Tensor, *, backbone: str, C: Dim, depth: int, anchors: Dim, classes: Dim
) -> tuple[Tensor, ...]:
    """Image to scores and boxes of every anchor, at strides of 8 to 128; which of them stay is not part of it.

    The pyramid begins at the second stage. P6 and P7 are convolutions of stride 2, of the last stage and of P6
    (mmdetection's ``on_input``, without an activation between).
    """
    neck = feature_pyramid("neck", maps_of(images, backbone, 1), C, more=2)
    return box_scores("head", neck, depth, anchors * classes, anchors * BOX)


RETINANET = Family(
    "retinanet",
    retinanet,
    "Lin et al. 2017, arXiv 1708.02002",
    meanings={
        "backbone": MEANING,
        "C": "channels of the feature pyramid and the head",
        "depth": "convolutions of each tower before its last one",
        "anchors": "boxes of each place",
        "classes": "classes of a box",
    },
    check=check_backbone,
)

register(RETINANET, "retinanet", sizes=(800, 1280), backbone="resnet50", C=256, depth=4, anchors=9, classes=80)
