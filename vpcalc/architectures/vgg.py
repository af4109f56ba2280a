"""VGG (Simonyan and Zisserman 2015, arXiv 1409.1556), without and with batch norm."""

from __future__ import annotations

from ..cost import Cost, Op, Stage, Tiling
from ..dims import Dim, conv_size, is_number
from ..errors import InputError
from ..layers.convolution import conv_norm
from ..ops import adaptive_avg_pool2d, conv2d, linear
from .registry import Family, register


def vgg(
    H: Dim,
    W: Dim,
    *,
    C: Dim,
    depths: tuple[int, ...],
    norm: bool,
    P: Dim,
    hidden: Dim,
    classes: Dim,
    batch: Dim = 1,
) -> Cost:
    """Stages of 3 x 3 convolutions, each ended by 2 x 2 max pooling; three linear layers (Table 1).

    Channels double with each stage, up to 8C. Before the linear layers the grid is pooled to P x P
    whatever its size, as torchvision does; at the paper's 224 x 224 it is 7 x 7 already and nothing
    changes. Pooling drops an odd row or column.
    """
    _check_size(H, W, len(depths))
    h, w, fan_in = H, W, 3
    stages = []
    for number, depth in enumerate(depths):
        width = 2 ** min(number, 3) * C
        pooling = (Tiling(2, h, "pooling", drops=True), Tiling(2, w, "pooling", drops=True))
        layers = _convolutions(h, w, fan_in, width, depth, norm, batch)
        stages.append(
            Cost(f"stage {number + 1}", children=layers, tilings=pooling, stage=Stage((h, w), width, depth))
        )
        h, w, fan_in = conv_size(h, 2, 2, 0), conv_size(w, 2, 2, 0), width
    head = Cost(
        "head",
        (
            adaptive_avg_pool2d("pool", batch, (h, w), fan_in),
            linear("fc1", batch, P * P * fan_in, hidden),
            linear("fc2", batch, hidden, hidden),
            linear("fc3", batch, hidden, classes),
        ),
        stage=Stage((P, P), fan_in),
    )
    return Cost("vgg", children=(*stages, head))


def _convolutions(h: Dim, w: Dim, fan_in: Dim, C: Dim, depth: int, norm: bool, batch: Dim) -> tuple[Cost, ...]:
    """The first convolution widens, the others keep their channels."""

    def convolution(channels: Dim) -> tuple[Op, ...]:
        if norm:
            return conv_norm("", batch, (h, w), channels, C, 3, bias=True)
        return (conv2d("conv", batch, (h, w), channels, C, (3, 3)),)

    first, other = Cost("conv", convolution(fan_in)), Cost("conv", convolution(C))
    return (first,) if depth == 1 else (first, other * (depth - 1))


def _check_size(H: Dim, W: Dim, stages: int) -> None:
    least = 2**stages
    if any(is_number(side) and side < least for side in (H, W)):
        raise InputError(f"an image of {H}x{W} is too small for {stages} poolings by 2: at least {least}x{least}")


VGG = Family(
    "vgg",
    vgg,
    "Simonyan and Zisserman 2015, arXiv 1409.1556",
    meanings={
        "C": "channels of the first stage; each next doubles them, up to 8 times",
        "depths": "convolutions of each stage",
        "norm": "batch norm after each convolution",
        "P": "side of the pooled grid before the linear layers",
        "hidden": "width of the two hidden linear layers",
        "classes": "outputs of the head",
    },
)

for _id, _depths in (
    ("vgg11", (1, 1, 2, 2, 2)),
    ("vgg13", (2, 2, 2, 2, 2)),
    ("vgg16", (2, 2, 3, 3, 3)),
    ("vgg19", (2, 2, 4, 4, 4)),
):
    for _norm in (False, True):
        register(
            VGG,
            f"{_id}_bn" if _norm else _id,
            sizes=(224, 224),
            C=64,
            depths=_depths,
            norm=_norm,
            P=7,
            hidden=4096,
            classes=1000,
        )
