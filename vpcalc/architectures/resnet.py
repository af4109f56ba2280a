"""ResNet (He et al. 2016, arXiv 1512.03385): the paper's v1 and today's v1.5; wide ResNets and ResNeXt.

v1 takes the stride of a bottleneck in its first 1 x 1 convolution, as the paper's Table 1 has it; v1.5, which
torchvision and timm run under the same names, in the 3 x 3. Basic blocks are the same in both. V1c, as
mmsegmentation has it, is v1.5 with a deep stem.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..abstract.modules import Copies, Step, repeat, sequential
from ..abstract.tensor import Tensor
from ..cost import Stage
from ..dims import Dim, floor_div
from ..errors import InputError
from ..layers.convolution import adaptive_avg_pool, basic, bottleneck, conv_norm, max_pool, note_stride, relu
from ..layers.embedding import classifier
from .registry import Family, register


def resnet(images: Tensor, *, C: Dim, classes: Dim, deep_stem: bool = False, **settings: Any) -> Tensor:
    """Image to classes: a stem, stages of residual blocks, the mean over the grid, a linear layer (Table 1)."""
    x = sequential("stages", stem(images, C, deep_stem), *residual_stages(C, **settings))
    with x.tape.node("head") as head:
        head.stage = Stage(x.shape[2:], x.shape[1])
        x = adaptive_avg_pool("pool", x, 1)
        return classifier("fc", x.flatten(1), classes)


def pyramid(
    images: Tensor, first: int, *, C: Dim, classes: Dim, deep_stem: bool = False, **settings: Any
) -> tuple[Tensor, ...]:
    """The maps of the stages, finest first."""
    return features(images, C, residual_stages(C, **settings), first, deep_stem)


def features(
    images: Tensor, C: Dim, stages: list[Step], first: int = 0, deep_stem: bool = False
) -> tuple[Tensor, ...]:
    """What each stage from the ``first`` on makes of what comes from before it, the first of all a stem."""
    x = stem(images, C, deep_stem)
    maps = []
    for number, stage in enumerate(stages):
        x = stage(f"stages.{number}", x)
        if number >= first:
            maps.append(x)
    return tuple(maps)


def stem(images: Tensor, C: Dim, deep: bool = False) -> Tensor:
    """A 7 x 7 convolution and 3 x 3 max pooling, each of stride 2 and padded to keep half the side.

    A ``deep`` one has three convolutions of 3 x 3 in place of the first, the first two of half the channels
    (He et al. 2019, Bag of Tricks, arXiv 1812.01187, ResNet-C).
    """
    pool = partial(max_pool, kernel=3, stride=2, padding=1)
    opening: tuple[Step, ...] = (conv_norm(C, 7, 2), relu)
    if deep:
        half = floor_div(C, 2)
        opening = (conv_norm(half, 3, 2), relu, conv_norm(half, 3), relu, conv_norm(C, 3), relu)
    with images.tape.node("stem") as node:
        note_stride(images, 2)
        x = sequential("stem", images, *opening, pool)
        node.stage = Stage(x.shape[2:], C)
        return x


def residual_stages(
    C: Dim,
    depths: tuple[int, ...],
    block: str,
    version: str,
    shortcut: str,
    widen: Dim = 1,
    groups: Dim = 1,
) -> list[Step]:
    """The stages between stem and classifier, each a module.

    The first block of a stage strides and widens; the others keep their grid and channels. Shortcuts
    (§4.1): A pads missing channels with zeros; B projects where grid or channels change, which they do in
    every first block but that of basic stage 1; C projects in every block.
    """
    wide = partial(bottleneck, version=version, widen=widen, groups=groups)
    residual = wide if block == "bottleneck" else basic
    stages = []
    for number, depth in enumerate(depths, start=1):
        stride = 1 if number == 1 else 2
        changes = stride != 1 or block == "bottleneck"
        first = residual(C, stride, shortcut == "C" or (shortcut == "B" and changes))
        other = residual(C, 1, shortcut == "C")
        stages.append(_stage(number, first, Copies(other, depth - 1)))
        C = 2 * C
    return stages


def _stage(number: int, first: Step, others: Copies[Step]) -> Step:
    """Blocks in a row of the stage table, waiting for their module's name."""

    def run(name: str, x: Tensor) -> Tensor:
        with x.tape.node(f"stage {number}") as stage:
            x = repeat(name, x, [first, others])
            stage.stage = Stage(x.shape[2:], x.shape[1], 1 + others.times)
            return x

    return run


def _check(config: Mapping[str, Any]) -> None:
    if config["deep_stem"] and config["C"] < 2:
        raise InputError("--set C=1: must be 2 or more, since a deep stem begins with half of it")
    for name in ("widen", "groups"):
        if config["block"] == "basic" and config[name] != RESNET.off[name]:
            raise InputError(f"--set {name}={config[name]}: is of bottlenecks, and the blocks are basic")


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
        "classes": "outputs of the head; 0 leaves it out, and so does head=false",
        "widen": "channels inside a bottleneck, in multiples of those of ResNet; 2 in wide ResNets",
        "groups": "groups of the 3x3 in a bottleneck, as in ResNeXt",
        "deep_stem": "whether the stem is three convolutions of 3x3 instead of one of 7x7, as in ResNet-C and V1c",
    },
    choices={"block": BLOCKS, "version": VERSIONS, "shortcut": ("A", "B", "C")},
    classifies=True,
    attends=False,
    pyramid=pyramid,
    check=_check,
    off={"widen": 1, "groups": 1, "deep_stem": False},
)

WIDE = "Zagoruyko and Komodakis 2016 (Wide ResNet), arXiv 1605.07146"
V1C = "He et al. 2019 (Bag of Tricks), arXiv 1812.01187, ResNet-C; mmsegmentation's ResNetV1c"
RESNEXT = "Xie et al. 2017 (ResNeXt), arXiv 1611.05431"

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

for _id, _depths, _widen, _groups, _source in (
    ("wide_resnet50_2", (3, 4, 6, 3), 2, 1, WIDE),
    ("wide_resnet101_2", (3, 4, 23, 3), 2, 1, WIDE),
    ("resnext50_32x4d", (3, 4, 6, 3), 2, 32, RESNEXT),
    ("resnext101_32x4d", (3, 4, 23, 3), 2, 32, RESNEXT),
    ("resnext101_32x8d", (3, 4, 23, 3), 4, 32, RESNEXT),
    ("resnext101_64x4d", (3, 4, 23, 3), 4, 64, RESNEXT),
):
    register(
        RESNET,
        _id,
        sizes=(224, 224),
        source=_source,
        C=64,
        depths=_depths,
        block="bottleneck",
        version="v1.5",
        shortcut="B",
        classes=1000,
        widen=_widen,
        groups=_groups,
    )

for _id, _aliases, _block, _depths in (
    ("resnet18_v1c", (), "basic", (2, 2, 2, 2)),
    ("resnet50_v1c", ("resnet50c",), "bottleneck", (3, 4, 6, 3)),
    ("resnet101_v1c", ("resnet101c",), "bottleneck", (3, 4, 23, 3)),
):
    register(
        RESNET,
        _id,
        sizes=(224, 224),
        aliases=_aliases,
        source=V1C,
        C=64,
        depths=_depths,
        block=_block,
        version="v1.5",
        shortcut="B",
        classes=1000,
        deep_stem=True,
    )
