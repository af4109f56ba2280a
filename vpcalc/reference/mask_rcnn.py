"""Mask R-CNN and its cascade on any backbone, written from He et al. 2017 and mmdetection's configurations.

Boxes (batch, n, 4) are given: the middle and half the sides of each, in a picture of -1 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convolution import conv_norm
from .dense import FeaturePyramid, Maps
from .registry import Witness, model_witness
from .registry import backbone as pyramid


class RegionProposals(nn.Module):
    """A score and a box of each anchor of each map, and of one more of half the size (Lin et al. 2017, §4.1)."""

    def __init__(self, width: int, anchors: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU())
        self.scores = nn.Conv2d(width, anchors, 1)
        self.boxes = nn.Conv2d(width, 4 * anchors, 1)

    def forward(self, maps: Maps) -> Maps:
        found: list[Tensor] = []
        for x in (*maps, F.max_pool2d(maps[-1], 1, 2)):
            y = self.inner(x)
            found += [self.scores(y), self.boxes(y)]
        return tuple(found)


class RoIAlign(nn.Module):
    """A map at the middle of each bin of each box (He et al. 2017, §3), (batch·n, C, side, side).

    One sample a bin, which is "nearly as effective" as four.
    """

    bins: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        middles = [(2 * place + 1) / side - 1 for place in range(side)]
        self.register_buffer("bins", torch.tensor([(across, down) for down in middles for across in middles]))
        self.side = side

    def forward(self, x: Tensor, boxes: Tensor) -> Tensor:
        places = boxes[:, :, None, :2] + boxes[:, :, None, 2:] * self.bins
        found = F.grid_sample(x, places, padding_mode="border", align_corners=False)
        rows = found.transpose(1, 2).clone(memory_format=torch.contiguous_format)
        return rows.reshape(-1, x.shape[1], self.side, self.side)


class BoxHead(nn.Module):
    """Scores of each box, and an offset a class."""

    def __init__(self, width: int, convs: int, linears: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.align = RoIAlign(7)
        self.convs = nn.Sequential(*chain(*((conv_norm(width, width, 3), nn.ReLU()) for _ in range(convs))))
        widths = [width * 7 * 7, *[hidden] * linears]
        self.linears = nn.Sequential(*chain(*((nn.Linear(*pair), nn.ReLU()) for pair in pairwise(widths))))
        self.classes = nn.Linear(hidden, classes + 1)
        self.boxes = nn.Linear(hidden, 4 * classes)

    def forward(self, x: Tensor, boxes: Tensor) -> Maps:
        features = self.align(x, boxes)
        features = self.convs(features)
        features = self.linears(features.flatten(1))
        return self.classes(features), self.boxes(features)


class MaskHead(nn.Module):
    """A mask of each box a class (He et al. 2017, Figure 4 right)."""

    def __init__(self, width: int, depth: int, classes: int) -> None:
        super().__init__()
        self.align = RoIAlign(14)
        inner = chain(*((nn.Conv2d(width, width, 3, padding=1), nn.ReLU()) for _ in range(depth)))
        self.convs = nn.Sequential(*inner, nn.ConvTranspose2d(width, width, 2, stride=2), nn.ReLU())
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor, boxes: Tensor) -> Tensor:
        features = self.align(x, boxes)
        features = self.convs(features)
        return self.classify(features)


class MaskRCNN(nn.Module):
    """Image (batch, 3, H, W), boxes to be classified and boxes to be masked, to what is said of all."""

    def __init__(self, sizes: tuple[int, int], config: Mapping[str, Any]) -> None:
        super().__init__()
        C, stages, classes = (config[name] for name in ("C", "stages", "classes"))
        self.backbone = pyramid(config["backbone"], sizes)
        self.neck = FeaturePyramid(self.backbone.channels, C)
        self.rpn = RegionProposals(C, config["anchors"])
        box = (config["convs"], config["linears"], config["hidden"])
        self.box_heads = nn.ModuleList(BoxHead(C, *box, classes) for _ in range(stages))
        self.mask_heads = nn.ModuleList(MaskHead(C, config["depth"], classes) for _ in range(stages))

    def forward(self, image: Tensor, proposed: Tensor, detected: Tensor) -> Maps:
        neck = self.neck(self.backbone(image))
        regions = self.rpn(neck)
        boxes = [found for head in self.box_heads for found in head(neck[0], proposed)]
        masks = [head(neck[0], detected) for head in self.mask_heads]
        return (*regions, *boxes, *masks)


@model_witness("mask_rcnn")
@model_witness("cascade_mask_rcnn")
def mask_rcnn(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """One image size, and as many boxes as the settings say."""
    boxes = (torch.zeros(batch, config[name], 4) for name in ("proposals", "detections"))
    return Witness(MaskRCNN(sizes, config), (torch.zeros(batch, 3, *sizes), *boxes))
