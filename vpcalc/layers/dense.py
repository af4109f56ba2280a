"""Necks and heads of dense prediction: what reads the maps of a backbone, (batch, C, h, w), finest first.

Each is a module of several maps, so that its name is given with them. As everywhere here, dropout is left out.
"""

from __future__ import annotations

from functools import partial

from ..abstract.functions import cat, convolve, interpolate
from ..abstract.modules import Step, batch_statistics, conv, module, parameter, sequential
from ..abstract.tensor import Tensor
from ..cost import Stage
from ..dims import Dim
from .convolution import adaptive_avg_pool, conv_norm, relu

Maps = tuple[Tensor, ...]

BOX = 4
"""Numbers that say where a box is."""

FIRST = 3
"""The first of the maps that boxes are read from, P3: a stride of 2³."""


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


def unified_scores(
    name: str, maps: Maps, width: Dim, scales: tuple[int, ...], classes: Dim, size: tuple[Dim, Dim]
) -> Tensor:
    """Scores (batch, classes, *size) of a pyramid under pooled context, all maps fused (Xiao et al. 2018, §3.1).

    The last map is pooled to grids of each of the ``scales``, which go back to its size beside it; a pyramid with
    batch norm and bilinear resizing; all of its maps at the size of the finest, convolved once more.
    """
    tape, (*lower, top) = maps[0].tape, maps
    with tape.inside(name), tape.node(name):
        with tape.node("laterals") as node:
            node.stage = Stage(maps[0].shape[2:], width)
            laterals = [
                sequential(f"laterals.{level}", x, conv_norm(width, 1), relu) for level, x in enumerate(lower)
            ]
        with tape.node("pooled context") as node:
            node.stage = Stage(top.shape[2:], width)
            laterals.append(_pooled_context(top, width, scales))
        for level in range(len(lower), 0, -1):
            finer = laterals[level - 1].shape[2:]
            with tape.node("pyramid"):
                laterals[level - 1] = laterals[level - 1] + interpolate(laterals[level], finer)
        with tape.node("outputs") as node:
            node.stage = Stage(maps[0].shape[2:], width)
            outputs = [
                sequential(f"outputs.{level}", x, conv_norm(width, 3), relu)
                for level, x in enumerate(laterals[:-1])
            ]
        outputs.append(laterals[-1])
        with tape.node("fusion") as node:
            node.stage = Stage(maps[0].shape[2:], width)
            for level in range(len(lower), 0, -1):
                outputs[level] = interpolate(outputs[level], outputs[0].shape[2:])
            x = sequential("fuse", cat(outputs, dim=1), conv_norm(width, 3), relu)
        with tape.node("scores") as node:
            node.stage = Stage(x.shape[2:], classes)
            return interpolate(conv("classify", x, classes, (1, 1)), size)


def _pooled_context(x: Tensor, width: Dim, scales: tuple[int, ...]) -> Tensor:
    """A map beside what it is on average, on grids of each of the scales."""
    size, found = x.shape[2:], [x]
    for number, scale in enumerate(scales):
        pool = partial(adaptive_avg_pool, side=scale)
        found.append(interpolate(sequential(f"pooled.{number}", x, pool, conv_norm(width, 1), relu), size))
    return sequential("context", cat(found, dim=1), conv_norm(width, 3), relu)


def auxiliary_scores(name: str, x: Tensor, width: Dim, classes: Dim, size: tuple[Dim, Dim]) -> Tensor | None:
    """Scores of one map in training; else nothing is run, and there are its weights."""
    tape = x.tape
    with tape.inside(name), tape.node(name) as node:
        node.stage = Stage(x.shape[2:], width)
        if tape.training:
            body = sequential("body", x, conv_norm(width, 3), relu)
            return interpolate(conv("classify", body, classes, (1, 1)), size)
        shapes = ((width, x.shape[1], 3, 3), (width,), (width,), (classes, width, 1, 1), (classes,))
        weights = [parameter(tape, *shape) for shape in shapes]
        batch_statistics(tape, width)
        if tape.ledger is not None:
            tape.ledger.charge(None, weights, "runs in training only")
        return None


def box_scores(name: str, maps: Maps, depth: int, classes: Dim, boxes: Dim) -> tuple[Tensor, ...]:
    """Of each place of each map scores of ``classes`` and offsets of ``boxes`` (Lin et al. 2017, Figure 3).

    Two towers of ``depth`` convolutions as wide as the maps, and one convolution more each; all maps share them.
    """
    tape, width = maps[0].tape, maps[0].shape[1]
    towers = [_tower(width, depth, outputs) for outputs in (classes, boxes)]
    found: list[Tensor] = []
    with tape.inside(name), tape.node(name):
        for level, x in enumerate(maps, start=FIRST):
            with tape.node(f"P{level}") as node:
                node.stage = Stage(x.shape[2:], width)
                found += [tower(part, x) for part, tower in zip(("classes", "boxes"), towers, strict=True)]
    return tuple(found)


def _tower(width: Dim, depth: int, outputs: Dim) -> Step:
    inner = [step for _ in range(depth) for step in (shared_conv(width), relu)]
    steps = [*inner, shared_conv(outputs)]
    return lambda name, x: sequential(name, x, *steps)


def shared_conv(fan_out: Dim, kernel: int = 3) -> Step:
    """A convolution that keeps the grid and has the same weights whenever it is run."""
    weights: list[Tensor] = []

    @module
    def run(x: Tensor) -> Tensor:
        if not weights:
            weights.append(parameter(x.tape, fan_out, x.shape[1], kernel, kernel))
            weights.append(parameter(x.tape, fan_out))
        weight, bias = weights
        return convolve(x, weight, bias, (1, 1), (kernel // 2, kernel // 2))

    return run
