"""What a layer is called, what it is built from, and where it comes from."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ..catalog import Catalog
from ..cost import Cost
from ..dims import Dim

Build = TypeVar("Build", bound=Callable[..., Cost])


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer by name. ``build`` is the plain function; ``dims`` are the dimensions it needs."""

    id: str
    name: str
    source: str
    build: Callable[..., Cost]

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions, in the order in which the function takes them."""
        parameters = inspect.signature(self.build).parameters.values()
        return tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (inspect.getdoc(self.build) or "").partition("\n")[0]

    def pick(self, dims: dict[str, Any]) -> dict[str, Dim]:
        """Of many dimensions those that this layer takes, and the batch."""
        names = inspect.signature(self.build).parameters
        return {name: dims[name] for name in (*self.dims, "batch") if name in names and name in dims}


LAYERS: Catalog[Layer] = Catalog("layer")


def layer(id: str, name: str, source: str) -> Callable[[Build], Build]:
    """Register a function of dimensions as a layer."""

    def register(build: Build) -> Build:
        LAYERS.add(id, Layer(id, name, source, build))
        return build

    return register
