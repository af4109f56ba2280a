"""Closed forms of the quantities of memory, as trees that add up.

A form is in bytes, with weights and activations in float32, eager attention, nothing recomputed, AdamW. It holds
where there is more than one of everything, because PyTorch copies less where a size is 1. A peak is a maximum:
its form is that of the place where activations peak at the architecture's own size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..abstract.tape import Peak
from ..abstract.tensor import FLOAT32
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..architectures import Architecture
from ..cost import Cost, Op, Quantity
from ..layers import LAYERS
from ..symbolic import layer_on_symbols, model_on_symbols, symbols_of
from .footprint import Footprint, total
from .forms import Forms, layer_forms, model_forms
from .optimizers import Optimizer
from .quantities import MemoryQuantity

_FIGURES: Mapping[MemoryQuantity, Mapping[str, Callable[[Footprint], Any]]] = {
    MemoryQuantity.WEIGHTS: {"weights": lambda f: f.weights},
    MemoryQuantity.BUFFERS: {"buffers": lambda f: f.buffers},
    MemoryQuantity.GRADIENTS: {"gradients": lambda f: f.weights},
    MemoryQuantity.OPTIMIZER: {"moments": lambda f: Optimizer().state(f.params, FLOAT32.bytes)},
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


def model_tree(architecture: Architecture, config: Mapping[str, Any], quantity: MemoryQuantity) -> Cost:
    """A quantity of an architecture in its input's sizes and the batch B, as a tree of what adds up to it.

    Its tilings are those of the architecture: they say where the form holds.
    """
    axes = tuple(symbol(axis) for axis in architecture.family.axes)
    where = model_on_symbols(architecture, config)
    if quantity is MemoryQuantity.ATTENTION:
        maps = _maps(architecture.cost(axes, config, symbol("B")))
        return Cost(quantity.value, maps, tilings=_tilings(where))
    forms = model_forms(architecture, config, sizes=architecture.sizes if quantity in PEAKS else None)
    return Cost(quantity.value, _ops(forms, quantity), tilings=_tilings(where), notes=_place(forms, quantity))


def layer_tree(id: str, quantity: MemoryQuantity) -> Cost:
    """A quantity of a layer in its dimensions and the batch B, as a tree of what adds up to it."""
    where = layer_on_symbols(id)
    if quantity is MemoryQuantity.ATTENTION:
        dims = {**symbols_of(id), "batch": symbol("B")}
        return Cost(quantity.value, _maps(LAYERS[id].build(**LAYERS[id].pick(dims))), tilings=_tilings(where))
    forms = layer_forms(id)
    return Cost(quantity.value, _ops(forms, quantity), tilings=_tilings(where), notes=_place(forms, quantity))


def _ops(forms: Forms, quantity: MemoryQuantity) -> tuple[Op, ...]:
    if quantity is MemoryQuantity.SAVED:
        return _saved(forms)
    parts = _PARTS.get(quantity, (quantity,))
    named = [(name, figure) for part in parts for name, figure in _FIGURES[part].items()]
    return tuple(Op("memory", name, bytes=forms.of(figure)) for name, figure in named)


def _saved(forms: Forms) -> tuple[Op, ...]:
    """What autograd keeps, by operator and by what of it is kept."""
    kinds: dict[tuple[str, str], None] = {}
    for found in forms.traced:
        kinds.update(dict.fromkeys((part.kind, part.what) for part in found.kept))

    def kept(kind: str, what: str) -> Polynomial:
        return forms.of(lambda found: sum(p.total for p in found.kept if (p.kind, p.what) == (kind, what)))

    return tuple(Op(kind, what, bytes=kept(kind, what)) for kind, what in kinds)


def _maps(cost: Cost) -> tuple[Op, ...]:
    elements = as_polynomial(cost.total(Quantity.ATTENTION))
    return (Op("softmax", "attention maps", bytes=elements * FLOAT32.bytes),)


def _place(forms: Forms, quantity: MemoryQuantity) -> tuple[str, ...]:
    """Where a maximum lies; elsewhere the form is another."""
    if quantity not in PEAKS:
        return ()
    peak: Peak = getattr(forms.traced[-1], PEAKS[quantity])
    return (
        f"activations peaking in {peak.path} ({peak.kind})"
        if peak.path
        else f"activations peaking in {peak.kind}",
    )


def _tilings(cost: Cost) -> tuple[Any, ...]:
    return tuple(tiling for node in cost.nodes() for tiling in node.tilings)
