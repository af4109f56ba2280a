"""Vision Transformer; see :mod:`vpcalc.reference.vit`."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..modules import layer_norm, linear, module, sequential
from ..tensor import Tensor
from .attention import feed_forward, self_attention
from .embedding import class_token, patch_embedding, position_embedding
from .recompute import recomputable
from .registry import image, model


@module
@recomputable
def block(x: Tensor, heads: Any, r: Any) -> Tensor:
    """Attention and feed-forward, each after a norm and with a residual."""
    x = x + self_attention("attention", layer_norm("norm1", x), heads)
    return x + feed_forward("ffn", layer_norm("norm2", x), r * x.shape[-1])


@model("vit", image)
@model("deit", image)
def vit(images: Tensor, *, C: Any, depth: int, heads: Any, P: Any, r: Any, classes: Any) -> Tensor:
    """Image to classes."""
    blocks = [partial(block, heads=heads, r=r) for _ in range(depth)]
    x = patch_embedding("patches", images, C, P).flatten(1, 2)
    x = layer_norm(
        "norm", sequential("blocks", position_embedding("positions", class_token("class_token", x)), *blocks)
    )
    return linear("head", x[:, 0], classes)
