"""Mask R-CNN (He et al. 2017) and Cascade Mask R-CNN (Cai and Vasconcelos 2018), as mmdetection has them."""

from __future__ import annotations

from dataclasses import replace

from ..abstract.tensor import Tensor
from ..dims import Dim
from ..layers.dense import feature_pyramid
from ..layers.regions import box_head, mask_head, region_proposals
from .axes import BOXES
from .backbones import MEANING, check_backbone, maps_of
from .registry import Family, register


def mask_rcnn(
    images: Tensor,
    proposed: Tensor,
    detected: Tensor,
    *,
    backbone: str,
    C: Dim,
    anchors: Dim,
    proposals: Dim,
    detections: Dim,
    stages: int,
    convs: int,
    linears: int,
    hidden: Dim,
    depth: int,
    classes: Dim,
) -> tuple[Tensor, ...]:
    """Image to scores and boxes of every anchor, classes of the boxes proposed, and masks of those detected.

    Boxes are given, as the middle and half the sides of each in a picture of -1 to 1: which of them stay (NMS),
    and in a cascade how they move from stage to stage, is not part of it. RoIAlign reads one sample a bin, of the
    finest map whatever the size of a box: what a box costs does not depend on the map that it is read from.
    """
    neck = feature_pyramid("neck", maps_of(images, backbone), C)
    found = [*region_proposals("rpn", neck, anchors)]
    titles = [f"head {number + 1}" if stages > 1 else "head" for number in range(stages)]
    for number, title in enumerate(titles):
        box = (f"box {title}", convs, linears, hidden, classes)
        found += box_head(f"box_heads.{number}", neck[0], proposed, *box)
    for number, title in enumerate(titles):
        found.append(mask_head(f"mask_heads.{number}", neck[0], detected, f"mask {title}", depth, classes))
    return tuple(found)


MASK_RCNN = Family(
    "mask_rcnn",
    mask_rcnn,
    "He et al. 2017, arXiv 1703.06870",
    axes=BOXES,
    meanings={
        "backbone": MEANING,
        "C": "channels of the feature pyramid and of what is read of a box",
        "anchors": "boxes of each place that the proposals are chosen from",
        "proposals": "boxes of an image that are classified",
        "detections": "boxes of an image that masks are made of",
        "stages": "box heads, each of which has a mask head",
        "convs": "convolutions of a box head, with batch norm",
        "linears": "linear layers of a box head before its last ones",
        "hidden": "width of the linear layers of a box head",
        "depth": "convolutions of a mask head before its transposed one",
        "classes": "classes of a box",
    },
    check=check_backbone,
    off={"stages": 1, "convs": 0},
)

CASCADE = replace(MASK_RCNN, name="cascade_mask_rcnn", source="Cai and Vasconcelos 2018, arXiv 1712.00726")

for _family, _stages, _convs, _linears in ((MASK_RCNN, 1, 0, 2), (CASCADE, 3, 4, 1)):
    register(
        _family,
        _family.name,
        sizes=(800, 1280),
        backbone="resnet50",
        C=256,
        anchors=3,
        proposals=1000,
        detections=100,
        stages=_stages,
        convs=_convs,
        linears=_linears,
        hidden=1024,
        depth=4,
        classes=80,
    )
