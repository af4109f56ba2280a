"""Which module is the witness of which layer or family."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..catalog import Catalog, files_beside

if TYPE_CHECKING:
    from torch import Tensor, nn


class Witness(NamedTuple):
    """A module in eval mode and the inputs to run it on."""

    module: nn.Module
    inputs: tuple[Tensor, ...]


Make = Callable[..., Witness]
M = TypeVar("M", bound=Make)

_FILES = files_beside(__file__, __name__.rpartition(".")[0])
_NONE = "@layer_witness or @model_witness registers one, and what does not count is there without it"

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


def _register(catalog: Catalog[Any], name: str) -> Callable[[M], M]:
    def register(make: M) -> M:
        catalog.add(name, make)
        return make

    return register
