"""Necks and heads of dense prediction: what reads the maps of a backbone, (batch, C, h, w), finest first.

Each is a module of several maps, so that its name is given with them. As everywhere here, dropout is left out.
"""

from __future__ import annotations

from ..abstract.functions import interpolate
from ..abstract.modules import conv, module, sequential
from ..abstract.tensor import Tensor
from ..cost import Stage
from ..dims import Dim
from .convolution import conv_norm, relu

Maps = tuple[Tensor, ...]

LEVELS = 3
"""Maps above the finest of a backbone: at strides of 8, 16 and 32."""


def feature_pyramid(name: str, maps: Maps, width: Dim, more: int = 0) -> Maps:
    """Every map in ``width`` channels, with what comes down from all above it (Lin et al. 2017, §3).

    1 x 1 convolutions, sums with the nearest neighbours of the map above, 3 x 3 convolutions; all with bias.
    ``more`` further maps are made of the last one that comes in, and of each other, by convolutions of stride 2.
    """
    tape = maps[0].tape
    with tape.inside(name), tape.node(name) as node:
        laterals = [conv(f"laterals.{level}", x, width, (1, 1)) for level, x in enumerate(maps)]
        for level in range(len(maps) - 1, 0, -1):
            size = laterals[level - 1].shape[2:]
            laterals[level - 1] = laterals[level - 1] + interpolate(laterals[level], size, nearest=True)
        node.stage = Stage(laterals[0].shape[2:], width)
        found = [conv(f"outputs.{level}", x, width, (3, 3), padding=1) for level, x in enumerate(laterals)]
        x = maps[-1]
        for number in range(more):
            x = conv(f"more.{number}", x, width, (3, 3), stride=2, padding=1)
            found.append(x)
        return tuple(found)


@module
def doubled(x: Tensor) -> Tensor:
    """(batch, C, h, w) to (batch, C, 2h, 2w), bilinearly."""
    return interpolate(x, (2 * x.shape[2], 2 * x.shape[3]))


def summed_scores(name: str, maps: Maps, width: Dim, classes: Dim, size: tuple[Dim, Dim]) -> Tensor:
    """Scores (batch, classes, *size) of what all maps say at the finest (Kirillov et al. 2019, Figure 3).

    A map of stride 4 is convolved once; one of stride 4·2^n n times, and doubled after each.
    """
    tape = maps[0].tape
    with tape.inside(name), tape.node(name) as node:
        node.stage = Stage(maps[0].shape[2:], width)
        once = (conv_norm(width, 3), relu)
        total = sequential("levels.0", maps[0], *once)
        for level in range(1, len(maps)):
            y = sequential(f"levels.{level}", maps[level], *(*once, doubled) * level)
            total = total + interpolate(y, total.shape[2:])
        return interpolate(conv("classify", total, classes, (1, 1)), size)
