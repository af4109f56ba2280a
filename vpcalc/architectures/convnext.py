"""ConvNeXt (Liu et al. 2022, arXiv 2201.03545)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..abstract.functions import mean
from ..abstract.modules import Copies, conv, each, layer_norm, module, parameter, titled
from ..abstract.recompute import recomputable
from ..abstract.tensor import Tensor
from ..cost import Stage, Tiling
from ..dims import Dim, require_side
from ..errors import InputError
from ..layers.embedding import classifier, patch_embedding
from ..layers.feedforward import feed_forward
from .backbones import maps_through_norms
from .registry import Family, register


def convnext(images: Tensor, *, C: Dim, depths: tuple[int, ...], k: int, P: Dim, r: Dim, classes: Dim) -> Tensor:
    """Image to classes: stages of depth-wise convolution and feed-forward; each but the first halves the grid.

    What the patch, or the stride of 2 between stages, leaves over is dropped, as in the authors' code.
    """
    x = _stages(images, C, depths, k, P, r)
    with x.tape.node("head") as head:
        head.stage = Stage(x.shape[1:3], x.shape[3])
        x = mean(x, (1, 2))
        x = layer_norm("norm", x)
        return classifier("head", x, classes)


def pyramid(images: Tensor, first: int, *, classes: Dim, **settings: Any) -> tuple[Tensor, ...]:
    """The map of each stage through a norm of its own, as the authors' detectors have it."""
    return maps_through_norms(images, first, _stages, settings)


def _stages(
    images: Tensor,
    C: Dim,
    depths: tuple[int, ...],
    k: int,
    P: Dim,
    r: Dim,
    ends: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """The grid of the last stage; ``ends`` is called with that of each."""
    tape, x, at = images.tape, images, 0
    require_side(images.shape[2:], P * 2 ** (len(depths) - 1), f"{len(depths)} stages")
    for number, depth in enumerate(depths, start=1):
        with tape.inside("stages"), tape.node(f"stage {number}") as stage:
            opens = _downsampling if number > 1 else partial(patch_embedding, C=C, P=P, norm=True)
            x = opens(str(at), x)
            _, h, w, width = x.shape
            stage.stage = Stage((h, w), width, depth)
            for name, block in each(tape, Copies(partial(_block, k=k, r=r), depth), first=at + 1):
                x = block(name, x)
            at += 1 + depth
        if ends is not None:
            ends(number - 1, x)
    return x


@module
@titled("downsampling")
def _downsampling(x: Tensor) -> Tensor:
    """(batch, h, w, C) to (batch, h/2, w/2, 2C)."""
    _, h, w, C = x.shape
    x.tape.note(Tiling(2, h, "downsampling", drops=True), Tiling(2, w, "downsampling", drops=True))
    return conv("conv", layer_norm("norm", x).permute(0, 3, 1, 2), 2 * C, (2, 2), stride=2).permute(0, 2, 3, 1)


@module
@recomputable
@titled("block")
def _block(x: Tensor, k: int, r: Dim) -> Tensor:
    """(batch, h, w, C) to the same: depth-wise convolution, norm, feed-forward, layer scale (Figure 4)."""
    C = x.shape[-1]
    y = conv("depthwise", x.permute(0, 3, 1, 2), C, (k, k), padding=k // 2, groups=C).permute(0, 2, 3, 1)
    y = feed_forward("ffn", layer_norm("norm", y), r * C)
    return x + y * parameter(x.tape, C, label="layer scale")


def _check(config: Mapping[str, Any]) -> None:
    if config["k"] % 2 == 0:
        raise InputError(f"--set k={config['k']}: must be odd, so that a block keeps its grid")


CONVNEXT = Family(
    "convnext",
    convnext,
    "Liu et al. 2022, arXiv 2201.03545",
    meanings={
        "C": "channels of the first stage; each other one doubles them",
        "depths": "blocks of each stage",
        "k": "kernel side of the depth-wise convolutions, odd",
        "P": "patch side in pixels",
        "r": "feed-forward expansion",
        "classes": "outputs of the head; 0 leaves it out, and so does head=false",
    },
    classifies=True,
    pyramid=pyramid,
    check=_check,
    attends=False,
)

for _id, _C, _depths, _alias in (
    ("convnext_t", 96, (3, 3, 9, 3), "convnext_tiny"),
    ("convnext_s", 96, (3, 3, 27, 3), "convnext_small"),
    ("convnext_b", 128, (3, 3, 27, 3), "convnext_base"),
    ("convnext_l", 192, (3, 3, 27, 3), "convnext_large"),
    ("convnext_xl", 256, (3, 3, 27, 3), "convnext_xlarge"),
):
    register(CONVNEXT, _id, sizes=(224, 224), aliases=(_alias,), C=_C, depths=_depths, k=7, P=4, r=4, classes=1000)
