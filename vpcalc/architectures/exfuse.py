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

from ..abstract.functions import cat, interpolate
from ..abstract.modules import module, sequential
from ..abstract.tensor import Tensor
from ..cost import Stage
from ..dims import Dim
from ..errors import InputError
from ..layers.convolution import (
    adaptive_avg_pool,
    adjacent_prediction,
    channel_resolution_embedding,
    conv_norm,
    global_convolution,
    relu,
    semantic_embedding,
)
from ..layers.embedding import classification_head
from .registry import Family, register
from .resnet import BLOCKS, VERSIONS, features, residual_stages

PRETRAINING_CLASSES = 1000
"""What the classifiers of semantic supervision tell apart: encoders are pre-trained on ImageNet."""


def exfuse(
    images: Tensor,
    *,
    C: Dim,
    depths: tuple[int, ...],
    block: str,
    version: str,
    k: Dim,
    dap: Dim,
    classes: Dim,
    supervision: bool,
) -> tuple[Tensor, ...]:
    """Image to scores of every pixel, and the auxiliary scores if there are any.

    Encoder, then one decoder level a stage from the deepest up, then dense prediction.
    """
    maps = features(images, C, residual_stages(C, depths, block, version, "B"))
    early = enumerate(maps[:-1] if supervision else [])
    auxiliary = [_auxiliary_classifier(f"supervision.{level}", x, level + 1) for level, x in early]
    scores = _decode(maps, classes, k)
    with images.tape.node("prediction") as prediction:
        prediction.stage = Stage(images.shape[2:], classes)
        return (interpolate(adjacent_prediction("dap", scores, classes, dap), images.shape[2:]), *auxiliary)


@module
def _auxiliary_classifier(x: Tensor, number: int) -> Tensor:
    """(batch, C, h, w) of a stage to the classes of the pre-training."""
    C = x.shape[1]
    with x.tape.node(f"supervision {number}") as node:
        node.stage = Stage(x.shape[2:], C)
        body = (conv_norm(C, 3), relu, conv_norm(C, 3), relu)
        pooled = adaptive_avg_pool("pool", sequential("body", x, *body), 1)
        return classification_head("fc", pooled.flatten(1), PRETRAINING_CLASSES)


def _decode(maps: tuple[Tensor, ...], classes: Dim, k: Dim) -> Tensor:
    """Scores on the finest level: each adds what GCN says there to the scores that come up from the level above.

    Those of the deepest level rise by ECRE, cropped where the map below has an odd side; all others bilinearly.
    """
    tape, last = maps[0].tape, len(maps) - 1
    for level in range(last, -1, -1):
        size = maps[level].shape[2:]
        with tape.node(f"decoder {level + 1}") as decoder:
            decoder.stage = Stage(size, classes)
            if level == last:
                scores = global_convolution(f"gcn.{level}", maps[level], classes, k)
                continue
            if level == last - 1:
                scores = channel_resolution_embedding("ecre", scores, classes, 2)[:, :, : size[0], : size[1]]
            else:
                scores = interpolate(scores, size, "scores")
            scores = scores + global_convolution(f"gcn.{level}", _embed(level, maps), classes, k)
    return scores


def _embed(level: int, maps: tuple[Tensor, ...]) -> Tensor:
    """SEB of one level: all higher levels, brought to the size of the nearest and concatenated."""
    high, higher = maps[level + 1], maps[level + 2 :]
    with high.tape.node("embedding"):
        above = [interpolate(x, high.shape[2:], f"gather {n}") for n, x in enumerate(higher, start=level + 3)]
        return semantic_embedding(f"embeddings.{level}", maps[level], cat((high, *above), dim=1))


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
    attends=False,
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
