"""Which module is the witness of which layer or family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..catalog import Catalog, files_beside

if TYPE_CHECKING:
    from torch import Tensor, nn


class Witness(NamedTuple):
    """A module in eval mode and the inputs to run it on."""

    module: nn.Module
    inputs: tuple[Tensor, ...]


Make = Callable[..., Witness]
M = TypeVar("M", bound=Callable[..., Any])

_FILES = files_beside(__file__, __name__.rpartition(".")[0])
_NONE = "@layer_witness or @model_witness registers one, and what does not count is there without it"

Backbone = Callable[[tuple[int, int], Mapping[str, Any], int], "nn.Module"]
"""A function of an image's sizes and a variant's settings but ``classes``, and the first stage to be read.

It makes a module to maps (batch, C, h, w), finest first, that says their ``channels``.
"""

PYRAMIDS: Catalog[Backbone] = Catalog("reference module of a backbone", _FILES, hint=_NONE)
"""Family name to the module of its pyramid."""

LAYER_WITNESSES: Catalog[Make] = Catalog("reference module of a layer", _FILES, hint=_NONE)
"""Layer id to a function of the layer's dimensions and ``batch``."""

MODEL_WITNESSES: Catalog[Make] = Catalog("reference module of a family", _FILES, hint=_NONE)
"""Family name to a function of (sizes, config, batch)."""


def layer_witness(id: str) -> Callable[[M], M]:
    """Register the module of a layer."""
    return _register(LAYER_WITNESSES, id)


def model_witness(family: str) -> Callable[[M], M]:
    """Register the module of a family."""
    return _register(MODEL_WITNESSES, family)


def pyramid_witness(family: str) -> Callable[[M], M]:
    """Register the module of a family's pyramid."""
    return _register(PYRAMIDS, family)


def backbone(id: str, sizes: tuple[int, int], first: int = 0) -> Any:
    """The pyramid of a variant from a stage on, by its registered settings, for one image size."""
    from ..architectures import ARCHITECTURES

    settings = {name: value for name, value in ARCHITECTURES[id].config.items() if name != "classes"}
    return PYRAMIDS[ARCHITECTURES[id].family.name](sizes, settings, first)


def _register(catalog: Catalog[Any], name: str) -> Callable[[M], M]:
    def register(make: M) -> M:
        catalog.add(name, make)
        return make

    return register
