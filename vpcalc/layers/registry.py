"""What a layer is called, what it is built from, and where it comes from."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ..abstract.priced import priced
from ..catalog import Catalog, files_beside
from ..cost import Cost
from ..dims import Dim
from ..errors import LAYERS as LISTED

Run = TypeVar("Run", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer by name. ``run(tape, *dims, batch=…)`` makes its inputs and runs it on them."""

    id: str
    name: str
    source: str
    run: Callable[..., Any]

    def build(self, *dims: Dim, **named: Dim) -> Cost:
        """The cost tree, of dimensions in order or by name; ``batch`` and options of the layer by name."""
        return priced(lambda tape: self.run(tape, *dims, **named))

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions, in the order in which the function takes them."""
        _, *parameters = inspect.signature(self.run).parameters.values()
        return tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)

    @property
    def options(self) -> tuple[str, ...]:
        """Names of what is taken by name only, the batch among them."""
        parameters = inspect.signature(self.run).parameters.values()
        return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)

    @property
    def doc(self) -> str:
        """The function's docstring."""
        return inspect.getdoc(self.run) or ""

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return self.doc.partition("\n")[0]

    def pick(self, dims: dict[str, Any]) -> dict[str, Dim]:
        """Of many dimensions those that this layer takes, and the batch."""
        batch = ("batch",) if "batch" in self.options else ()
        return {name: dims[name] for name in (*self.dims, *batch) if name in dims}


LAYERS: Catalog[Layer] = Catalog(
    "layer", (*files_beside(__file__, __name__.rpartition(".")[0]), "vpcalc.installed"), LISTED
)


def layer(id: str, name: str, source: str) -> Callable[[Run], Run]:
    """Register a function of a tape and dimensions as a layer."""

    def register(run: Run) -> Run:
        LAYERS.add(id, Layer(id, name, source, run))
        return run

    return register
