"""Vision Transformer (Dosovitskiy et al. 2021, arXiv 2010.11929) and DeiT (Touvron et al. 2021)."""

from __future__ import annotations

from functools import partial

from ..abstract.modules import layer_norm, module, repeat, titled
from ..abstract.recompute import recomputable
from ..abstract.tensor import Tensor
from ..cost import Stage
from ..dims import Dim
from ..layers.attention import self_attention
from ..layers.embedding import class_token, classifier, patch_embedding, position_embedding
from ..layers.feedforward import feed_forward
from .registry import Assumption, Family, register


def vit(images: Tensor, *, C: Dim, depth: int, heads: Dim, P: Dim, r: Dim, classes: Dim) -> Tensor:
    """Patches, a class token and learned positions, ``depth`` pre-norm blocks, a norm over all tokens, a head.

    Rows and columns that P does not divide are dropped (padding='VALID' in the authors' code). The position
    embedding is made for the given input, N = hw + 1 vectors: the authors resize it once, before they fine-tune
    at another resolution, so that the network itself holds the larger table.
    """
    tape = images.tape
    blocks = [partial(_block, heads=heads, r=r)] * depth
    with tape.node("encoder") as encoder:
        x = patch_embedding("patches", images, C, P)
        _, h, w, _ = x.shape
        encoder.stage = Stage((h, w), C, depth, heads)
        x = x.flatten(1, 2)
        x = repeat("blocks", position_embedding("positions", class_token("class_token", x)), blocks)
    with tape.node("head") as head:
        head.stage = Stage((h, w), C)
        x = layer_norm("norm", x)
        return classifier("head", x[:, 0], classes)


@module
@recomputable
@titled("block")
def _block(x: Tensor, heads: Dim, r: Dim) -> Tensor:
    """Attention and feed-forward, each after a norm and with a residual."""
    x = x + self_attention("attention", layer_norm("norm1", x), heads)
    return x + feed_forward("ffn", layer_norm("norm2", x), r * x.shape[-1])


_MEANINGS = {
    "C": "channels of a token",
    "depth": "encoder blocks",
    "heads": "attention heads",
    "P": "patch side in pixels",
    "r": "feed-forward expansion",
    "classes": "outputs of the head; 0 leaves it out, and so does head=false",
}

VIT = Family("vit", vit, "Dosovitskiy et al. 2021, arXiv 2010.11929", meanings=_MEANINGS, classifies=True)
DEIT = Family("deit", vit, "Touvron et al. 2021, arXiv 2012.12877", meanings=_MEANINGS, classifies=True)

HEAD = Assumption(
    "classes",
    18_000,
    "Table 1 of the paper does not say with which head its 632 M are counted: the 1,000 classes of ImageNet fit, "
    "the 18k of JFT do not",
)

for _family, _id, _C, _depth, _heads, _P, _alias in (
    (VIT, "vit_ti_16", 192, 12, 3, 16, "vit_tiny_patch16_224"),
    (VIT, "vit_s_16", 384, 12, 6, 16, "vit_small_patch16_224"),
    (VIT, "vit_s_32", 384, 12, 6, 32, "vit_small_patch32_224"),
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
