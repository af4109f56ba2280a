"""Swin Transformer; see :mod:`vpcalc.reference.swin`."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...inputs import on_grid
from ..functions import mean
from ..modules import Step, layer_norm, linear, module, sequential
from ..tensor import Tensor
from ..traced import Traced, form, value
from .attention import feed_forward
from .embedding import patch_embedding, patch_merging
from .recompute import recomputable
from .registry import image, model
from .windows import window_attention


@module
@recomputable
def block(x: Tensor, heads: Any, M: Any, r: Any, shift: bool) -> Tensor:
    """Window attention and feed-forward, each after a norm and with a residual."""
    window = window_on(M, x.shape[1], x.shape[2])
    x = x + window_attention("attention", layer_norm("norm1", x), heads, window, shift)
    return x + feed_forward("ffn", layer_norm("norm2", x), r * x.shape[-1])


def window_on(M: Any, h: Any, w: Any) -> Any:
    """The window's side on a grid; an expression of it such as ``"h/8"`` is traced where the grid is."""
    if not isinstance(M, str):
        return M
    side = on_grid("--set M", M, value(h), value(w))
    if not (isinstance(h, Traced) or isinstance(w, Traced)):
        return side
    return Traced(side, on_grid("--set M", M, form(h), form(w)))


@model("swin", image)
def swin(
    images: Tensor,
    *,
    C: Any,
    depths: tuple[int, ...],
    heads: tuple[int, ...],
    M: Any,
    P: Any,
    r: Any,
    classes: Any,
) -> Tensor:
    """Image to classes."""
    steps: list[Step] = [partial(patch_embedding, C=C, P=P, norm=True, pads=True)]
    for stage, (depth, a) in enumerate(zip(depths, heads, strict=True)):
        if stage:
            steps.append(patch_merging)
        steps += [partial(block, heads=a, M=M, r=r, shift=number % 2 == 1) for number in range(depth)]
    return linear("head", mean(layer_norm("norm", sequential("stages", images, *steps)), (1, 2)), classes)
