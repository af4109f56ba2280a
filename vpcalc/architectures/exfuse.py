"""ExFuse (Zhang et al. 2018, arXiv 1804.03821): attention-like fusion of features inside a CNN.

From the paper: a ResNet encoder; a semantic embedding branch (SEB) that multiplies low-level features by
what higher levels say; a global convolutional network block (GCN, Peng et al. 2017) a level; sub-pixel
upsampling (ECRE) at the deepest level; densely adjacent prediction (DAP). Semantic supervision (SS)
trains early stages through classifiers that are thrown away, so that it costs nothing at inference
(``supervision`` counts them: here one a stage but the last, of two 3 x 3 convolutions with batch norm, a mean
and a linear layer).

Choices of ours, where the sources at hand do not fix one: the kernel of GCN is 15, as Peng et al. use for
512 x 512; no boundary refinement; every upsampling but ECRE is bilinear, to the very size of the map it
meets; DAP runs on the finest level of the decoder, a quarter of the image, and its scores are then
upsampled to the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cost import Cost, Stage
from ..dims import Dim
from ..errors import InputError
from ..layers.convolution import (
    adjacent_prediction,
    channel_resolution_embedding,
    conv_norm,
    global_convolution,
    semantic_embedding,
)
from ..layers.embedding import classification_head
from ..ops import adaptive_avg_pool2d, upsample_bilinear2d
from .registry import Family, register
from .resnet import BLOCKS, VERSIONS, levels, trunk

PRETRAINING_CLASSES = 1000
"""What the classifiers of semantic supervision tell apart: encoders are pre-trained on ImageNet."""


def exfuse(
    H: Dim,
    W: Dim,
    *,
    C: Dim,
    depths: tuple[int, ...],
    block: str,
    version: str,
    k: Dim,
    dap: Dim,
    classes: Dim,
    supervision: bool,
    batch: Dim = 1,
) -> Cost:
    """Encoder, then one decoder level a stage from the deepest up, then dense prediction."""
    encoder = trunk(H, W, C=C, depths=depths, block=block, version=version, batch=batch)
    features = levels(encoder)[1:]  # without the stem
    decoder = [_decoder_level(number, features, k, classes, batch) for number in range(len(features) - 1, -1, -1)]
    h, w = features[0].resolution
    prediction = Cost(
        "prediction",
        (upsample_bilinear2d("upsample", batch, (H, W), classes),),
        (adjacent_prediction(h, w, classes, classes, dap, batch=batch),),
        stage=Stage((H, W), classes),
    )
    early = enumerate(features[:-1], start=1) if supervision else ()
    auxiliary = [_supervision(number, level, batch) for number, level in early]
    return Cost("exfuse", children=(*encoder, *auxiliary, *decoder, prediction))


def _decoder_level(number: int, features: list[Stage], k: Dim, classes: Dim, batch: Dim) -> Cost:
    """Embed what higher levels say, apply GCN, and add the scores that come up from the level above.

    The scores of the deepest level rise by ECRE, cropped where the map below has an odd side; all others
    bilinearly.
    """
    h, w = features[number].resolution
    blocks = [global_convolution(h, w, features[number].channels, classes, k, batch=batch)]
    above = len(features) - 1 - number
    if above > 0:
        blocks.insert(0, _embedding(number, features, batch))
    if above == 1:
        top_h, top_w = features[-1].resolution
        blocks.append(channel_resolution_embedding(top_h, top_w, classes, classes, 2, batch=batch))
    rise = (upsample_bilinear2d("scores", batch, (h, w), classes),) if above > 1 else ()
    return Cost(f"decoder {number + 1}", rise, tuple(blocks), stage=Stage((h, w), classes))


def _embedding(number: int, features: list[Stage], batch: Dim) -> Cost:
    """SEB of one level: all higher levels, brought to the size of the nearest and concatenated."""
    low, high, higher = features[number], features[number + 1], features[number + 2 :]
    h, w = high.resolution
    gather = tuple(
        upsample_bilinear2d(f"gather {place}", batch, (h, w), level.channels)
        for place, level in enumerate(higher, start=number + 3)
    )
    channels = sum((level.channels for level in higher), start=high.channels)
    out = (low.resolution[0], low.resolution[1])
    embedding = semantic_embedding(h, w, channels, low.channels, 2, out=out, batch=batch)
    return Cost("embedding", gather, (embedding,))


def _supervision(number: int, level: Stage, batch: Dim) -> Cost:
    """An auxiliary classifier of one stage: two 3 x 3 convolutions, the mean over the grid, a linear layer."""
    h, w = level.resolution
    C = level.channels
    return Cost(
        f"supervision {number}",
        (
            *conv_norm("1", batch, (h, w), C, C, 3),
            *conv_norm("2", batch, (h, w), C, C, 3),
            adaptive_avg_pool2d("pool", batch, (h, w), C),
        ),
        (classification_head(C, PRETRAINING_CLASSES, batch=batch),),
        stage=Stage((h, w), C),
    )


def _check(config: Mapping[str, Any]) -> None:
    if len(config["depths"]) < 2:
        given = ",".join(map(str, config["depths"]))
        raise InputError(f"--set depths={given}: ExFuse fuses the features of at least 2 stages")


EXFUSE = Family(
    "exfuse",
    exfuse,
    "Zhang et al. 2018, arXiv 1804.03821",
    meanings={
        "C": "channels of the encoder's stem",
        "depths": "residual blocks of each stage of the encoder",
        "block": "residual block: basic or bottleneck",
        "version": "where a bottleneck strides: v1 in the first 1x1, v1.5 in the 3x3",
        "k": "long side of the GCN kernels",
        "dap": "side of the neighbourhood that densely adjacent prediction averages over",
        "classes": "classes of a pixel",
        "supervision": "count the auxiliary classifiers of training too",
    },
    choices={"block": BLOCKS, "version": VERSIONS},
    check=_check,
)

register(
    EXFUSE,
    "exfuse_resnet50",
    sizes=(512, 512),
    C=64,
    depths=(3, 4, 6, 3),
    block="bottleneck",
    version="v1.5",
    k=15,
    dap=3,
    classes=21,
    supervision=False,
)
