"""ResNet (He et al. 2016, arXiv 1512.03385): the paper's v1 and today's v1.5.

v1 takes the stride of a bottleneck in its first 1 x 1 convolution, as the paper's Table 1 has it; v1.5, which
torchvision and timm run under the same names, in the 3 x 3. Basic blocks are the same in both.
"""

from __future__ import annotations

from functools import partial

from ..cost import Cost, Stage, Tiling
from ..dims import Dim, ceil_div, conv_size
from ..layers.convolution import EXPANSION, basic_block, bottleneck, conv_norm
from ..layers.embedding import classification_head
from ..ops import adaptive_avg_pool2d
from .registry import Family, register


def resnet(
    H: Dim,
    W: Dim,
    *,
    C: Dim,
    depths: tuple[int, ...],
    block: str,
    version: str,
    shortcut: str,
    classes: Dim,
    batch: Dim = 1,
) -> Cost:
    """A stem, stages of residual blocks, the mean over the grid, and a linear classifier (Table 1)."""
    stages = trunk(H, W, C=C, depths=depths, block=block, version=version, shortcut=shortcut, batch=batch)
    last = levels(stages)[-1]
    head = Cost(
        "head",
        (adaptive_avg_pool2d("pool", batch, (last.resolution[0], last.resolution[1]), last.channels),),
        (classification_head(last.channels, classes, batch=batch),),
        stage=Stage(last.resolution, last.channels),
    )
    return Cost("resnet", children=(*stages, head))


def trunk(
    H: Dim,
    W: Dim,
    *,
    C: Dim,
    depths: tuple[int, ...],
    block: str,
    version: str,
    shortcut: str = "B",
    batch: Dim = 1,
) -> tuple[Cost, ...]:
    """Everything before the classifier: the stem and the stages.

    The first block of a stage strides and widens; the others keep their grid and channels. Shortcuts
    (§4.1): A pads missing channels with zeros; B projects where grid or channels change, which they do in
    every first block but that of basic stage 1; C projects in every block.
    """
    residual = partial(bottleneck, version=version) if block == "bottleneck" else basic_block
    stem, h, w = _stem(H, W, C, batch)
    stages, c_in = [stem], C
    for number, depth in enumerate(depths, start=1):
        stride = 1 if number == 1 else 2
        changes = stride != 1 or block == "bottleneck"
        project = shortcut == "C" or (shortcut == "B" and changes)
        first = residual(h, w, C, c_in=c_in, stride=stride, project=project, batch=batch)
        h, w = ceil_div(h, stride), ceil_div(w, stride)
        other = residual(h, w, C, project=shortcut == "C", batch=batch)
        c_in = EXPANSION * C if block == "bottleneck" else C
        blocks = (first,) if depth == 1 else (first, other * (depth - 1))
        stages.append(Cost(f"stage {number}", children=blocks, stage=Stage((h, w), c_in, depth)))
        C = 2 * C
    return tuple(stages)


def levels(stages: tuple[Cost, ...]) -> list[Stage]:
    """Grid and channels of what each of these stages puts out."""
    return [node.stage for node in stages if node.stage is not None]


def _stem(H: Dim, W: Dim, C: Dim, batch: Dim) -> tuple[Cost, Dim, Dim]:
    """A 7 x 7 convolution and 3 x 3 max pooling, each of stride 2 and padded to keep half the side."""
    h, w = conv_size(H, 7, 2, 3), conv_size(W, 7, 2, 3)
    ops = conv_norm("1", batch, (h, w), 3, C, 7)
    tilings = (Tiling(2, H, "stride"), Tiling(2, W, "stride"), Tiling(2, h, "pooling"), Tiling(2, w, "pooling"))
    h, w = conv_size(h, 3, 2, 1), conv_size(w, 3, 2, 1)
    return Cost("stem", ops, tilings=tilings, stage=Stage((h, w), C)), h, w


BLOCKS = ("basic", "bottleneck")
VERSIONS = ("v1.5", "v1")

RESNET = Family(
    "resnet",
    resnet,
    "He et al. 2016, arXiv 1512.03385",
    meanings={
        "C": "channels of the stem; each stage but the first doubles them",
        "depths": "blocks of each stage",
        "block": "residual block: basic or bottleneck",
        "version": "where a bottleneck strides: v1 in the first 1x1 (the paper), v1.5 in the 3x3 (torchvision)",
        "shortcut": "where channels change: A pads zeros, B projects; C projects in every block",
        "classes": "outputs of the head",
    },
    choices={"block": BLOCKS, "version": VERSIONS, "shortcut": ("A", "B", "C")},
)

for _id, _block, _depths, _version in (
    ("resnet18", "basic", (2, 2, 2, 2), "v1.5"),
    ("resnet34", "basic", (3, 4, 6, 3), "v1.5"),
    ("resnet50", "bottleneck", (3, 4, 6, 3), "v1.5"),
    ("resnet101", "bottleneck", (3, 4, 23, 3), "v1.5"),
    ("resnet152", "bottleneck", (3, 8, 36, 3), "v1.5"),
    ("resnet50_v1", "bottleneck", (3, 4, 6, 3), "v1"),
    ("resnet101_v1", "bottleneck", (3, 4, 23, 3), "v1"),
    ("resnet152_v1", "bottleneck", (3, 8, 36, 3), "v1"),
):
    register(
        RESNET,
        _id,
        sizes=(224, 224),
        C=64,
        depths=_depths,
        block=_block,
        version=_version,
        shortcut="B",
        classes=1000,
    )
