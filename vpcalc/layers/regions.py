"""Heads of detectors in two steps: a network that proposes boxes, and what is said of each box."""

from __future__ import annotations

from functools import partial

from ..abstract.functions import max_pool, sample
from ..abstract.modules import Step, buffer, conv, conv_transpose, linear, module, sequential
from ..abstract.tensor import Tensor
from ..cost import Stage
from ..dims import Dim
from .convolution import conv_norm, relu
from .dense import BOX, Maps, shared_conv

FINEST = 2
"""The first of the maps that boxes are proposed on, P2: a stride of 2²."""

BOX_SIDE, MASK_SIDE = 7, 14
"""Sides of what is read of a box for its class and for its mask (He et al. 2017, Figure 4 right)."""


def region_proposals(name: str, maps: Maps, anchors: Dim) -> Maps:
    """A score and a box of each anchor of each map, and of the last one at half its size (Lin et al. 2017, §4.1).

    All maps share their three convolutions.
    """
    tape, width = maps[0].tape, maps[0].shape[1]
    inner, scores, boxes = shared_conv(width), shared_conv(anchors, 1), shared_conv(BOX * anchors, 1)
    found: list[Tensor] = []
    with tape.inside(name), tape.node(name):
        for level, x in enumerate((*maps, max_pool(maps[-1], 1, 2)), start=FINEST):
            with tape.node(f"P{level}") as node:
                node.stage = Stage(x.shape[2:], width)
                y = sequential("inner", x, inner, relu)
                found += [scores("scores", y), boxes("boxes", y)]
    return tuple(found)


@module
def roi_align(x: Tensor, boxes: Tensor, side: int) -> Tensor:
    """(batch, C, h, w) and boxes (batch, n, 4) to (batch·n, C, side, side), at the middle of each bin."""
    bins = buffer(x.tape, (side * side, 2))
    places = boxes[:, :, None, :2] + boxes[:, :, None, 2:] * bins
    found = sample(x, places)
    return found.transpose(1, 2).contiguous_copy().reshape(-1, x.shape[1], side, side)


@module
def box_head(x: Tensor, boxes: Tensor, title: str, convs: int, linears: int, hidden: Dim, classes: Dim) -> Maps:
    """Scores of each box and an offset a class: convolutions with batch norm, linear layers, and one for each."""
    with x.tape.node(title) as node:
        node.stage = Stage((BOX_SIDE, BOX_SIDE), x.shape[1])
        features = roi_align("align", x, boxes, BOX_SIDE)
        features = sequential("convs", features, *(conv_norm(x.shape[1], 3), relu) * convs)
        steps: tuple[Step, ...] = (partial(linear, fan_out=hidden), relu)
        features = sequential("linears", features.flatten(1), *steps * linears)
        return linear("classes", features, classes + 1), linear("boxes", features, BOX * classes)


@module
def mask_head(x: Tensor, boxes: Tensor, title: str, depth: int, classes: Dim) -> Tensor:
    """A mask of each box a class, of twice the side that is read (He et al. 2017, Figure 4 right)."""
    with x.tape.node(title) as node:
        node.stage = Stage((2 * MASK_SIDE, 2 * MASK_SIDE), classes)
        features = roi_align("align", x, boxes, MASK_SIDE)
        three: Step = partial(conv, fan_out=x.shape[1], kernel=(3, 3), padding=1)
        twice: Step = partial(conv_transpose, fan_out=x.shape[1], side=2)
        features = sequential("convs", features, *(three, relu) * depth, twice, relu)
        return conv("classify", features, classes, (1, 1))
