"""Closed forms of the quantities of memory, and the parts that add up to them.

A form is in bytes, with weights and activations in float32, eager attention, nothing recomputed, AdamW. It holds
where there is more than one of everything, because PyTorch copies less where a size is 1. A peak is a maximum:
its form is that of the place where activations peak at the architecture's own size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..abstract.tape import Peak
from ..abstract.tensor import FLOAT32
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..architectures import Architecture
from ..cost import Cost, Op, Quantity
from ..layers import LAYERS
from ..symbolic import symbols_of
from .footprint import Footprint, total
from .forms import Forms, layer_forms, model_forms
from .optimizers import Optimizer
from .quantities import MemoryQuantity

_FIGURES: Mapping[MemoryQuantity, Mapping[str, Callable[[Footprint], Any]]] = {
    MemoryQuantity.WEIGHTS: {"weights": lambda f: f.weights},
    MemoryQuantity.BUFFERS: {"buffers": lambda f: f.buffers},
    MemoryQuantity.GRADIENTS: {"gradients": lambda f: f.weights},
    MemoryQuantity.OPTIMIZER: {"moments": lambda f: Optimizer().state(f.shapes, FLOAT32.bytes)},
    MemoryQuantity.INPUT: {"input": lambda f: f.inputs},
    MemoryQuantity.PEAK: {"live storages": lambda f: f.inference.bytes},
    MemoryQuantity.FORWARD_PEAK: {"live storages": lambda f: f.forward.bytes},
    MemoryQuantity.CACHE: {"keys and values, or states": lambda f: f.cache},
}
"""What each quantity is made of, but for those that are made of others."""

_PARTS = {
    MemoryQuantity.INFERENCE: (
        MemoryQuantity.WEIGHTS,
        MemoryQuantity.BUFFERS,
        MemoryQuantity.INPUT,
        MemoryQuantity.PEAK,
    ),
    MemoryQuantity.TRAINING: (
        MemoryQuantity.WEIGHTS,
        MemoryQuantity.GRADIENTS,
        MemoryQuantity.OPTIMIZER,
        MemoryQuantity.BUFFERS,
        MemoryQuantity.INPUT,
        MemoryQuantity.FORWARD_PEAK,
    ),
}


PEAKS: Mapping[MemoryQuantity, str] = {
    MemoryQuantity.PEAK: "inference",
    MemoryQuantity.FORWARD_PEAK: "forward",
    MemoryQuantity.INFERENCE: "inference",
    MemoryQuantity.TRAINING: "forward",
}
"""Quantities that hold a maximum, and which field of a footprint that is."""


def figure(quantity: MemoryQuantity) -> Callable[[Footprint], Any]:
    """What a quantity is of a footprint."""
    if quantity is MemoryQuantity.SAVED:
        return lambda found: found.saved
    parts = [each for part in _PARTS.get(quantity, (quantity,)) for each in _FIGURES[part].values()]
    return lambda found: total(each(found) for each in parts)


def is_of_inference(quantity: MemoryQuantity) -> bool:
    """Whether a run without autograd has a part in it."""
    return quantity is MemoryQuantity.CACHE or PEAKS.get(quantity) == "inference"


class Parts(NamedTuple):
    """What adds up to a quantity, each with its form, and where its maximum lies if it holds one."""

    terms: tuple[tuple[Op, Polynomial], ...]
    place: str = ""

    @property
    def total(self) -> Polynomial:
        """The sum."""
        return sum((form for _, form in self.terms), as_polynomial(0))


def model_parts(architecture: Architecture, config: Mapping[str, Any], quantity: MemoryQuantity) -> Parts:
    """A quantity of an architecture in its input's sizes and the batch B, where everything divides."""
    if quantity is MemoryQuantity.ATTENTION:
        axes = tuple(symbol(axis) for axis in architecture.family.axes)
        return _maps(architecture.cost(axes, config, symbol("B")))
    forms = model_forms(architecture, config, sizes=architecture.sizes if quantity in PEAKS else None)
    return _parts(forms, quantity)


def layer_parts(id: str, quantity: MemoryQuantity) -> Parts:
    """A quantity of a layer in its dimensions and the batch B, where everything divides."""
    if quantity is MemoryQuantity.ATTENTION:
        dims = {**symbols_of(id), "batch": symbol("B")}
        return _maps(LAYERS[id].build(**LAYERS[id].pick(dims)))
    return _parts(layer_forms(id), quantity)


def _parts(forms: Forms, quantity: MemoryQuantity) -> Parts:
    if quantity is MemoryQuantity.SAVED:
        return _saved(forms)
    parts = _PARTS.get(quantity, (quantity,))
    named = [(name, figure) for part in parts for name, figure in _FIGURES[part].items()]
    return Parts(tuple((Op("memory", name), forms.of(figure)) for name, figure in named), _place(forms, quantity))


def _saved(forms: Forms) -> Parts:
    """What autograd keeps, by operator and by what of it is kept."""
    kinds: dict[tuple[str, str], None] = {}
    for found in forms.traced:
        kinds.update(dict.fromkeys((part.kind, part.what) for part in found.kept))

    def kept(kind: str, what: str) -> Polynomial:
        return forms.of(lambda found: sum(p.total for p in found.kept if (p.kind, p.what) == (kind, what)))

    return Parts(tuple((Op(kind, what), kept(kind, what)) for kind, what in kinds))


def _maps(cost: Cost) -> Parts:
    elements = as_polynomial(cost.total(Quantity.ATTENTION))
    return Parts(((Op("softmax", "attention maps"), elements * FLOAT32.bytes),))


def _place(forms: Forms, quantity: MemoryQuantity) -> str:
    """Where a maximum lies; elsewhere the form is another."""
    if quantity not in PEAKS:
        return ""
    peak: Peak = getattr(forms.traced[-1], PEAKS[quantity])
    return f"activations peaking in {f'{peak.path} ({peak.kind})' if peak.path else peak.kind}"
