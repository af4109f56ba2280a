"""Swin Transformer (Liu et al. 2021, arXiv 2103.14030)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..abstract.functions import mean
from ..abstract.modules import Copies, each, layer_norm, module
from ..abstract.recompute import recomputable
from ..abstract.tensor import Tensor
from ..cost import Stage, Tiling
from ..dims import Dim
from ..errors import InputError
from ..inputs import GridTerm, on_grid
from ..layers.embedding import classifier, patch_embedding, patch_merging
from ..layers.feedforward import feed_forward
from ..layers.windows import window_attention
from .backbones import maps_through_norms
from .registry import Family, register


def swin(
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
    """Image to classes: stages of window attention, of which each but the first opens with merging (Figure 3).

    M may be a term of a stage's grid, ``h/8``: then the window grows with the resolution.
    """
    return classified(stages(images, C, depths, heads, M, P, r), classes)


def pyramid(images: Tensor, first: int, *, classes: Dim, **settings: Any) -> tuple[Tensor, ...]:
    """The map of each stage through a norm of its own, as the authors' detectors have it; none is last."""
    return maps_through_norms(images, first, stages, settings)


def classified(x: Tensor, classes: Dim) -> Tensor:
    """A norm, the mean over the grid, and the head."""
    with x.tape.node("head") as head:
        head.stage = Stage(x.shape[1:3], x.shape[3])
        x = layer_norm("norm", x)
        x = mean(x, (1, 2))
        return classifier("head", x, classes)


@module
@recomputable
def _block(x: Tensor, heads: int, M: Dim, r: Dim, shift: bool) -> Tensor:
    """Window attention and feed-forward, each after a norm and with a residual."""
    with x.tape.node("swmsa block" if shift else "wmsa block"):
        x = x + window_attention("attention", layer_norm("norm1", x), heads, M, shift)
        return x + feed_forward("ffn", layer_norm("norm2", x), r * x.shape[-1])


def stages(
    images: Tensor,
    C: Dim,
    depths: tuple[int, ...],
    heads: tuple[int, ...],
    M: Dim | GridTerm,
    P: Dim,
    r: Dim,
    ends: Callable[[int, Tensor], None] | None = None,
    *,
    merging: Callable[[str, Tensor], Tensor] = patch_merging,
    block: Callable[..., Tensor] = _block,
) -> Tensor:
    """The grid of the last stage; ``ends`` is called with that of each."""
    tape, x, at = images.tape, images, 0
    for number, (depth, a) in enumerate(zip(depths, heads, strict=True), start=1):
        with tape.inside("stages"), tape.node(f"stage {number}") as stage:
            opens = merging if number > 1 else partial(patch_embedding, C=C, P=P, norm=True, pads=True)
            x = opens(str(at), x)
            _, h, w, width = x.shape
            stage.stage = Stage((h, w), width, depth, a)
            for name, step in each(tape, _blocks(x, depth, M, partial(block, heads=a, r=r)), first=at + 1):
                x = step(name, x)
            at += 1 + depth
        if ends is not None:
            ends(number - 1, x)
    return x


def _blocks(x: Tensor, depth: int, M: Dim | GridTerm, block: Callable[..., Tensor]) -> Copies[Any]:
    """Blocks alternate between windows and shifted windows; a grid of one window has nothing to shift."""
    _, h, w, _ = x.shape
    window = on_grid("--set M", M, h, w)
    x.tape.note(Tiling(1, window, "window"))
    # only ints: where sizes are symbols, traced or arrays, both kinds of block stand for one another, at one cost
    one_window = all(isinstance(side, int) for side in (h, w, window)) and (h <= window or w <= window)
    plain, rolled = (partial(block, M=window, shift=shift) for shift in (False, True))
    return Copies(plain, depth, None if one_window else rolled)


def _check(config: Mapping[str, Any]) -> None:
    if len(config["depths"]) != len(config["heads"]):
        stages, heads = len(config["depths"]), len(config["heads"])
        raise InputError(f"--set depths has {stages} stages and heads {heads}: give as many of each")


SWIN = Family(
    "swin",
    swin,
    "Liu et al. 2021, arXiv 2103.14030",
    meanings={
        "C": "channels of the first stage",
        "depths": "blocks of each stage",
        "heads": "attention heads of each stage",
        "M": "window side in tokens, or an expression of the stage's grid such as h/8",
        "P": "patch side in pixels",
        "r": "feed-forward expansion",
        "classes": "outputs of the head; 0 leaves it out, and so does head=false",
    },
    classifies=True,
    pyramid=pyramid,
    check=_check,
    expressions=frozenset({"M"}),
)

for _id, _C, _depths, _heads, _M, _size, _alias in (
    ("swin_t", 96, (2, 2, 6, 2), (3, 6, 12, 24), 7, 224, "swin_tiny_patch4_window7_224"),
    ("swin_s", 96, (2, 2, 18, 2), (3, 6, 12, 24), 7, 224, "swin_small_patch4_window7_224"),
    ("swin_b", 128, (2, 2, 18, 2), (4, 8, 16, 32), 7, 224, "swin_base_patch4_window7_224"),
    ("swin_l", 192, (2, 2, 18, 2), (6, 12, 24, 48), 7, 224, "swin_large_patch4_window7_224"),
    ("swin_b_384", 128, (2, 2, 18, 2), (4, 8, 16, 32), 12, 384, "swin_base_patch4_window12_384"),
    ("swin_l_384", 192, (2, 2, 18, 2), (6, 12, 24, 48), 12, 384, "swin_large_patch4_window12_384"),
):
    register(
        SWIN,
        _id,
        sizes=(_size, _size),
        aliases=(_alias,),
        C=_C,
        depths=_depths,
        heads=_heads,
        M=_M,
        P=4,
        r=4,
        classes=1000,
    )
