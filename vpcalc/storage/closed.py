"""The quantities of a plan in closed form, each with where it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from ..algebra.polynomial import as_polynomial, symbol
from ..architectures import Architecture
from ..cost import Quantity
from ..errors import InputError
from ..symbolic import Form, condition, model_on_symbols, window_of
from .footprint import Footprint, Way
from .forms import Forms, model_forms, on_lattice
from .plan import Plan


def traced_forms(
    architecture: Architecture,
    config: Mapping[str, Any],
    way: Way,
    batch: int | None = None,
    sizes: tuple[int, ...] | None = None,
) -> Forms | None:
    """The network on symbols, where it has closed forms."""
    try:
        return model_forms(architecture, config, way, batch, sizes)
    except InputError:
        return None


def plan_forms(
    architecture: Architecture,
    config: Mapping[str, Any],
    way: Way,
    batch: int,
    sizes: tuple[int, ...],
    plan: Plan,
) -> dict[str, Form]:
    """Closed forms by quantity: those of the whole lattice; where they do not hold here, of inputs like this one.

    What the lattice does not hold has no form of its own: the whole lattice's is given.
    """
    general = traced_forms(architecture, config, way, batch)
    if general is None:
        return {}
    symbolic = model_on_symbols(architecture, config)
    lattice = condition(symbolic, window_of(config))
    divided = on_lattice(symbolic, architecture, sizes)

    @cache  # most forms of the lattice hold here as well, and nothing more is run
    def here() -> Forms | None:
        return traced_forms(architecture, config, way, batch, sizes)

    several = "B at least 2" if batch > 1 else ""
    point = {**architecture.family.axes.point(sizes), "B": batch}
    made = {"attention_bytes": Form(_maps(architecture, config, batch) * plan.item, lattice)}
    for name, (figure, also) in _figures(plan).items():
        try:
            form, limits = general.of(figure), [lattice, several, also]
            if divided and form.subs(point) != figure(plan.footprint):
                near = here()
                if near is None:
                    continue
                form, limits = near.of(figure), [lattice, several, also, "for inputs like this one"]
        except InputError:
            continue  # a peak that wanders with the length is no polynomial in it
        made[name] = Form(form, "; ".join(limit for limit in limits if limit))
    return made


def _figures(plan: Plan) -> dict[str, tuple[Callable[[Footprint], Any], str]]:
    """How each quantity is had from a footprint, and what else its form depends on."""
    found = plan.footprint
    inference, training = _peaking(found.inference.path), _peaking(found.forward.path)
    figures: dict[str, tuple[Callable[[Footprint], Any], str]] = {
        "weights_bytes": (lambda f: f.weights, ""),
        "input_bytes": (lambda f: f.inputs, ""),
        "saved_bytes": (lambda f: f.saved, ""),
        "held_bytes": (lambda f: f.held, ""),
        "peak_bytes": (lambda f: f.inference.bytes, inference),
        "forward_peak_bytes": (lambda f: f.forward.bytes, training),
        "total_bytes": (lambda f: replace(plan, footprint=f).total, training if plan.train else inference),
    }
    if found.buffers:
        figures["buffers_bytes"] = (lambda f: f.buffers, "")
    if found.cache:
        figures["cache_bytes"] = (lambda f: f.cache, "")
    return figures


def _peaking(place: str) -> str:
    return f"while activations peak in {place}" if place else "while activations peak where they do here"


def _maps(architecture: Architecture, config: Mapping[str, Any], batch: int) -> Any:
    """Elements of the attention maps."""
    axes = tuple(symbol(axis) for axis in architecture.family.axes)
    cost = architecture.cost(axes, config, 1 if batch == 1 else symbol("B"))
    return as_polynomial(cost.total(Quantity.ATTENTION))
