"""Vision Transformer (Dosovitskiy et al. 2021, arXiv 2010.11929) and DeiT (Touvron et al. 2021 and 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ..abstract.functions import mean
from ..abstract.modules import Copies, layer_norm, module, parameter, repeat, titled
from ..abstract.recompute import recomputable
from ..abstract.tensor import Tensor
from ..cost import Stage
from ..dims import Dim
from ..errors import InputError
from ..layers.attention import attention_pooling, self_attention
from ..layers.embedding import class_token, classifier, patch_embedding, position_embedding, register_tokens
from ..layers.feedforward import feed_forward
from .registry import Assumption, Family, register


def vit(
    images: Tensor,
    *,
    C: Dim,
    depth: int,
    heads: Dim,
    P: Dim,
    r: Dim,
    classes: Dim,
    mlp: Dim,
    registers: Dim,
    pool: str,
    layer_scale: bool,
    distilled: bool,
    class_position: bool,
) -> Tensor:
    """Patches, a class token and learned positions, ``depth`` pre-norm blocks, a norm over all tokens, a head.

    Rows and columns that P does not divide are dropped (padding='VALID' in the authors' code). The position
    embedding is made for the given input, N = hw + 1 vectors: the authors resize it once, before they fine-tune
    at another resolution, so that the network itself holds the larger table. Registers have no positions.

    A head that attends (``pool=map``, as in SigLIP) has one learned query for all patches, and a feed-forward.
    """
    tape = images.tape
    hidden = mlp if mlp > 0 else r * C
    blocks = Copies(partial(_block, heads=heads, hidden=hidden, scaled=layer_scale), depth)
    first = 1 + distilled if pool == "token" else 0
    with tape.node("encoder") as encoder:
        x = patch_embedding("patches", images, C, P)
        _, h, w, _ = x.shape
        encoder.stage = Stage((h, w), C, depth, heads)
        x = x.flatten(1, 2)
        x = repeat("blocks", _tokens(x, first, registers, class_position), blocks)
    with tape.node("head") as head:
        head.stage = Stage((h, w), C)
        x = layer_norm("norm", x)
        if pool == "mean":
            return classifier("head", mean(x[:, registers:], (1,)), classes)
        if pool == "map":
            return classifier("head", attention_pooling("pooling", x[:, registers:], heads, hidden), classes)
        if distilled:
            return (classifier("head", x[:, 0], classes) + classifier("head_distilled", x[:, 1], classes)) / 2
        return classifier("head", x[:, 0], classes)


def _tokens(x: Tensor, first: int, registers: Dim, class_position: bool) -> Tensor:
    """Patches with their positions, after the ``first`` tokens, which are read, and registers, which are not."""
    if not class_position:
        x = position_embedding("positions", x)
    if first:
        x = class_token("class_token", x, first)
    if class_position:
        x = position_embedding("positions", x)
    return register_tokens("registers", x, registers, first) if registers > 0 else x


@module
@recomputable
@titled("block")
def _block(x: Tensor, heads: Dim, hidden: Dim, scaled: bool) -> Tensor:
    """Attention and feed-forward, each after a norm and with a residual; what is added may be ``scaled``."""
    x = x + _scaled(self_attention("attention", layer_norm("norm1", x), heads), scaled)
    return x + _scaled(feed_forward("ffn", layer_norm("norm2", x), hidden), scaled)


def _scaled(x: Tensor, scaled: bool) -> Tensor:
    return parameter(x.tape, x.shape[-1], label="layer scale") * x if scaled else x


def _check(config: Mapping[str, Any]) -> None:
    if config["distilled"] and config["pool"] != "token":
        pool = config["pool"]
        raise InputError(f"--set distilled=true: is read from a token of its own, and pool={pool} has none")


_MEANINGS = {
    "C": "channels of a token",
    "depth": "encoder blocks",
    "heads": "attention heads",
    "P": "patch side in pixels",
    "r": "feed-forward expansion",
    "classes": "outputs of the head; 0 leaves it out, and so does head=false",
    "mlp": "hidden width of the feed-forward by number; 0 leaves it at r * C",
    "registers": "learned tokens that nobody reads (Darcet et al. 2024)",
    "pool": "what the head reads: the class token; or without one the mean of the patches, or what a learned "
    "query attends to (map)",
    "layer_scale": "whether what a block adds is scaled by channel, as in DeiT III",
    "distilled": "whether there is a token of distillation with a head of its own; both heads are averaged",
    "class_position": "whether the class token has a position; in DeiT III it has none",
}

VIT = Family(
    "vit",
    vit,
    "Dosovitskiy et al. 2021, arXiv 2010.11929",
    meanings=_MEANINGS,
    choices={"pool": ("token", "mean", "map")},
    classifies=True,
    check=_check,
    off={
        "mlp": 0,
        "registers": 0,
        "pool": "token",
        "layer_scale": False,
        "distilled": False,
        "class_position": True,
    },
)
DEIT = replace(VIT, name="deit", source="Touvron et al. 2021, arXiv 2012.12877")
DEIT_III = "Touvron et al. 2022 (DeiT III), arXiv 2204.07118"

SIGLIP = "Zhai et al. 2023 (SigLIP), arXiv 2303.15343; So400m: Alabdulmohsin et al. 2023, arXiv 2305.13035"

HEAD = Assumption(
    "classes",
    18_000,
    "Table 1 of the paper does not say with which head its 632 M are counted: the 1,000 classes of ImageNet fit, "
    "the 18k of JFT do not",
)

for _family, _id, _C, _depth, _heads, _P, _alias in (
    (VIT, "vit_ti_16", 192, 12, 3, 16, "vit_tiny_patch16_224"),
    (VIT, "vit_s_8", 384, 12, 6, 8, "vit_small_patch8_224"),
    (VIT, "vit_s_16", 384, 12, 6, 16, "vit_small_patch16_224"),
    (VIT, "vit_s_32", 384, 12, 6, 32, "vit_small_patch32_224"),
    (VIT, "vit_b_8", 768, 12, 12, 8, "vit_base_patch8_224"),
    (VIT, "vit_b_16", 768, 12, 12, 16, "vit_base_patch16_224"),
    (VIT, "vit_b_32", 768, 12, 12, 32, "vit_base_patch32_224"),
    (VIT, "vit_l_14", 1024, 24, 16, 14, "vit_large_patch14_224"),
    (VIT, "vit_l_16", 1024, 24, 16, 16, "vit_large_patch16_224"),
    (VIT, "vit_l_32", 1024, 24, 16, 32, "vit_large_patch32_224"),
    (VIT, "vit_h_14", 1280, 32, 16, 14, "vit_huge_patch14_224"),
    (DEIT, "deit_t", 192, 12, 3, 16, "deit_tiny_patch16_224"),
    (DEIT, "deit_s", 384, 12, 6, 16, "deit_small_patch16_224"),
    (DEIT, "deit_b", 768, 12, 12, 16, "deit_base_patch16_224"),
):
    register(
        _family,
        _id,
        sizes=(224, 224),
        assumptions=(HEAD,) if _id == "vit_h_14" else (),
        aliases=(_alias,),
        C=_C,
        depth=_depth,
        heads=_heads,
        P=_P,
        r=4,
        classes=1000,
    )

for _id, _C, _heads, _alias in (
    ("deit_t_distilled", 192, 3, "deit_tiny_distilled_patch16_224"),
    ("deit_s_distilled", 384, 6, "deit_small_distilled_patch16_224"),
    ("deit_b_distilled", 768, 12, "deit_base_distilled_patch16_224"),
):
    register(
        DEIT,
        _id,
        sizes=(224, 224),
        aliases=(_alias,),
        C=_C,
        depth=12,
        heads=_heads,
        P=16,
        r=4,
        classes=1000,
        distilled=True,
    )

for _id, _C, _depth, _heads, _P, _alias in (
    ("deit3_s", 384, 12, 6, 16, "deit3_small_patch16_224"),
    ("deit3_m", 512, 12, 8, 16, "deit3_medium_patch16_224"),
    ("deit3_b", 768, 12, 12, 16, "deit3_base_patch16_224"),
    ("deit3_l", 1024, 24, 16, 16, "deit3_large_patch16_224"),
    ("deit3_h", 1280, 32, 16, 14, "deit3_huge_patch14_224"),
):
    register(
        DEIT,
        _id,
        sizes=(224, 224),
        aliases=(_alias,),
        source=DEIT_III,
        C=_C,
        depth=_depth,
        heads=_heads,
        P=_P,
        r=4,
        classes=1000,
        layer_scale=True,
        class_position=False,
    )

for _id, _C, _depth, _heads, _P, _mlp, _side, _alias in (
    ("siglip_b_16", 768, 12, 12, 16, 0, 224, "vit_base_patch16_siglip_224"),
    ("siglip_l_16", 1024, 24, 16, 16, 0, 256, "vit_large_patch16_siglip_256"),
    ("siglip_so400m_14", 1152, 27, 16, 14, 4304, 224, "vit_so400m_patch14_siglip_224"),
):
    register(
        VIT,
        _id,
        sizes=(_side, _side),
        aliases=(_alias,),
        source=SIGLIP,
        C=_C,
        depth=_depth,
        heads=_heads,
        P=_P,
        r=4,
        classes=0,
        mlp=_mlp,
        pool="map",
    )
