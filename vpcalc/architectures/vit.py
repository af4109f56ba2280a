"""Vision Transformer (Dosovitskiy et al. 2021, arXiv 2010.11929) and DeiT (Touvron et al. 2021)."""

from __future__ import annotations

from ..cost import Cost, Stage
from ..dims import Dim, floor_div
from ..layers.attention import token_attention
from ..layers.embedding import class_token, classification_head, patch_embedding, position_embedding
from ..layers.feedforward import token_feed_forward
from ..ops import layer_norm
from .registry import Assumption, Family, register


def vit(H: Dim, W: Dim, *, C: Dim, depth: Dim, heads: Dim, P: Dim, r: Dim, classes: Dim, batch: Dim = 1) -> Cost:
    """Patches, a class token and learned positions, ``depth`` pre-norm blocks, a norm over all tokens, a head.

    Rows and columns that P does not divide are dropped (padding='VALID' in the authors' code). The position
    embedding is made for the given input, N = hw + 1 vectors: the authors resize it once, before they fine-tune
    at another resolution, so that the network itself holds the larger table.
    """
    h, w = floor_div(H, P), floor_div(W, P)
    N = h * w + 1
    block = Cost(
        "block",
        (layer_norm("norm1", batch * N, C), layer_norm("norm2", batch * N, C)),
        (token_attention(N, C, heads, batch=batch), token_feed_forward(N, C, r * C, batch=batch)),
    )
    encoder = Cost(
        "encoder",
        children=(
            patch_embedding(H, W, C, P, batch=batch),
            class_token(C),
            position_embedding(N, C),
            block * depth,
        ),
        stage=Stage((h, w), C, depth, heads),
    )
    head = Cost(
        "head",
        (layer_norm("norm", batch * N, C),),
        (classification_head(C, classes, batch=batch),),
        stage=Stage((h, w), C),
    )
    return Cost("vit", children=(encoder, head))


_MEANINGS = {
    "C": "channels of a token",
    "depth": "encoder blocks",
    "heads": "attention heads",
    "P": "patch side in pixels",
    "r": "feed-forward expansion",
    "classes": "outputs of the head",
}

VIT = Family("vit", vit, "Dosovitskiy et al. 2021, arXiv 2010.11929", meanings=_MEANINGS)
DEIT = Family("deit", vit, "Touvron et al. 2021, arXiv 2012.12877", meanings=_MEANINGS)

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
