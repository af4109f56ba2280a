"""What stands under a dense predictor: the pyramid of a registered variant, by its id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..abstract.modules import Step, layer_norm
from ..abstract.tensor import Tensor
from ..cost import Cost
from ..errors import InputError, unknown
from .registry import ARCHITECTURES, Architecture

MEANING = "what makes the maps: the id of a pyramid, such as resnet50, pvt_small or swin_t"


def maps_of(images: Tensor, id: str, first: int = 0) -> tuple[Tensor, ...]:
    """The maps of an image from the ``first`` stage on, finest first, as a module named backbone."""
    architecture, tape = ARCHITECTURES[id], images.tape
    assert architecture.family.pyramid is not None
    with tape.inside("backbone"), tape.node("backbone"):
        return architecture.family.pyramid(images, first, **architecture.config)


def maps_in_turn(images: Tensor, first: int, stages: Sequence[Step]) -> tuple[Tensor, ...]:
    """The map of each stage as it is, from the ``first`` on."""
    maps: list[Tensor] = []
    for number, stage in enumerate(stages):
        images = stage(f"stages.{number}", images)
        if number >= first:
            maps.append(images)
    return tuple(maps)


def maps_through_norms(
    images: Tensor, first: int, run: Callable[..., Tensor], settings: Mapping[str, Any]
) -> tuple[Tensor, ...]:
    """The map of each stage, from the ``first`` on, through a norm; ``run`` tells where a stage ends."""
    maps: list[Tensor] = []

    def keep(number: int, x: Tensor) -> None:
        if number >= first:
            maps.append(layer_norm(f"norms.{len(maps)}", x).permute(0, 3, 1, 2))

    run(images, **settings, ends=keep)
    return tuple(maps)


def check_backbone(config: Mapping[str, Any]) -> None:
    """Refuse a setting ``backbone`` that names nothing, or nothing with a pyramid."""
    id = config["backbone"]
    if id not in ARCHITECTURES:
        known = [each.id for each in ARCHITECTURES.values() if each.family.pyramid]
        raise unknown("--set backbone:", id, known)
    if ARCHITECTURES[id].family.pyramid is None:
        raise InputError(f"--set backbone={id}: {_lacks(ARCHITECTURES[id])}; give a ResNet, PVT, Swin or ConvNeXt")


def _lacks(architecture: Architecture) -> str:
    """Why it is no backbone: what it has in place of maps of strides 4, 8, 16 and 32."""
    axes = architecture.family.axes
    if not axes.pixels:
        return "takes no images, so that it has no maps of strides 4, 8, 16 and 32"
    if "backbone" in architecture.config:
        return "has a backbone itself"
    native = architecture.sizes
    maps = ", ".join(dict.fromkeys(axes.words(_grid(stage)) for stage in architecture.cost(native).stages()))
    return f"offers no pyramid of strides 4, 8, 16 and 32: its maps are {maps} at {axes.words(native)}"


def _grid(node: Cost) -> tuple[int, ...]:
    assert node.stage is not None
    return node.stage.resolution
