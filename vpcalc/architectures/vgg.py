"""VGG (Simonyan and Zisserman 2015, arXiv 1409.1556), without and with batch norm."""

from __future__ import annotations

from functools import partial

from ..abstract.modules import Copies, Step, Steps, batch_norm, conv, each, linear, sequential
from ..abstract.tensor import Tensor
from ..algebra.traced import value_of
from ..cost import Stage
from ..dims import Dim, is_number
from ..errors import InputError
from ..layers.convolution import adaptive_avg_pool, max_pool, relu
from .registry import Family, register


def vgg(
    images: Tensor, *, C: Dim, depths: tuple[int, ...], norm: bool, P: Dim, hidden: Dim, classes: Dim
) -> Tensor:
    """Image to classes: stages of 3 x 3 convolutions, each ended by 2 x 2 max pooling; three linear layers.

    Channels double with each stage, up to 8C (Table 1). Before the linear layers the grid is pooled to P x P
    whatever its size, as torchvision does; at the paper's 224 x 224 it is 7 x 7 already and nothing
    changes. Pooling drops an odd row or column. Without classes there are no linear layers, and the pooled grid
    comes out.
    """
    _check_size(images, len(depths))
    tape, x, at = images.tape, images, 0
    for number, depth in enumerate(depths):
        width = 2 ** min(number, 3) * C
        with tape.inside("features"), tape.node(f"stage {number + 1}") as stage:
            stage.stage = Stage(x.shape[2:], width, depth)
            # the first convolution widens, the others keep their channels and are all alike; no function runs
            # the modules of one, since its caller would hold what comes in until its activation is done
            first, other = _convolution(width, norm), _convolution(width, norm)
            convolutions: Steps[tuple[Step, ...]] = [first, Copies(other, depth - 1)]
            for name, layers in each(tape, convolutions, at, len(first)):
                with tape.node("conv"):
                    for place, layer in enumerate(layers, int(name)):
                        x = layer(str(place), x)
            at += value_of(depth) * len(first)
            x = max_pool(str(at), x, kernel=2, stride=2)
            at += 1
    with tape.node("head") as head:
        head.stage = Stage((P, P), x.shape[1])
        x = adaptive_avg_pool("pool", x, P).flatten(1)
        if classes == 0:
            return x
        wide = partial(linear, fan_out=hidden)
        return sequential("classifier", x, wide, relu, wide, relu, partial(linear, fan_out=classes))


def _convolution(C: Dim, norm: bool) -> tuple[Step, ...]:
    """The modules of one convolution to C channels."""
    convolution = partial(conv, fan_out=C, kernel=(3, 3), padding=1)
    return (convolution, batch_norm, relu) if norm else (convolution, relu)


def _check_size(images: Tensor, stages: int) -> None:
    _, _, H, W = images.shape
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
        "classes": "outputs of the head; 0 leaves out all three linear layers, and so does head=false",
    },
    classifies=True,
    blocks=False,
    attends=False,
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
