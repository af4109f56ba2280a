"""The quantities of a plan in closed form, each with where it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..algebra import floors
from ..algebra.traced import UnrolledError, form_of, silently
from ..architectures import Architecture
from ..cost import Quantity
from ..errors import InputError
from ..symbolic import Form, condition, divided, model_on_symbols, window_of
from .footprint import Footprint, Way, model_footprint
from .forms import Forms, model_forms, on_lattice, tidied
from .plan import Plan

HERE = "for inputs like this one"
"""Where a form holds that was traced at one size: there, and where the same tensors are copied, kept and freed."""


def traced_forms(
    architecture: Architecture, config: Mapping[str, Any], way: Way, batch: int | None = None
) -> Forms | None:
    """The network on symbols, where it has closed forms."""
    try:
        return model_forms(architecture, config, way, batch)
    except InputError:
        return None


def traced_at(
    architecture: Architecture, config: Mapping[str, Any], way: Way, batch: int, sizes: tuple[int, ...]
) -> Footprint | None:
    """What a network takes at these sizes, with forms beside the numbers; None where it counts through a size."""
    *sides, images = _traced(architecture, sizes, batch)
    try:
        return model_footprint(architecture.family, tuple(sides), config, images, way)
    except UnrolledError:
        return None


def _traced(architecture: Architecture, sizes: tuple[int, ...], batch: int) -> list[Any]:
    """Sizes and the batch; a batch of 1 is a case of its own and stays a number."""
    *sides, images = silently({**architecture.family.axes.point(sizes), "B": batch}).values()
    return [*sides, images if batch > 1 else 1]


def plan_forms(
    architecture: Architecture,
    config: Mapping[str, Any],
    way: Way,
    batch: int,
    sizes: tuple[int, ...],
    plan: Plan,
    here: Footprint | None,
) -> dict[str, Form]:
    """Closed forms by quantity, that have their figures here.

    They are those of the whole lattice; where these do not hold, or something does not divide, those that were
    traced ``here``. A network that counts through its input has its form on the lattice alone.
    """
    symbolic = model_on_symbols(architecture, config)
    lattice = condition(symbolic, window_of(config))
    divides = on_lattice(symbolic, architecture, sizes)
    point = {**architecture.family.axes.point(sizes), "B": batch}
    several = "B at least 2" if batch > 1 else ""
    general = traced_forms(architecture, config, way, batch) if divides or here is None else None
    if here is None and general is None:
        return {}
    made = {"attention_bytes": _maps(architecture, config, batch, sizes, plan.item, lattice if divides else HERE)}
    for name, (figure, also) in _figures(plan).items():
        form, limits = None if here is None else form_of(figure(here)), [several, also, HERE]
        if form is not None and divides:
            form, limits = tidied(form), [lattice, *limits]
        elif form is not None:
            form, step = floors.where_divided(form, point)
            limits = [*divided(dict.fromkeys(sorted(form.letters), step)), *limits]
        if general is not None:
            with suppress(InputError):  # a peak that wanders with the length is no polynomial in it
                if form is None or general.of(figure).subs(point) == form.subs(point):
                    form, limits = general.of(figure), [lattice, several, also]
        if form is not None:
            made[name] = Form(form, "; ".join(limit for limit in limits if limit))
    return made


def _figures(plan: Plan) -> dict[str, tuple[Callable[[Footprint], Any], str]]:
    """How each quantity is had from a footprint, and what else its form depends on."""
    found = plan.footprint
    inference, training = peaking(found.inference.path), peaking(found.forward.path)
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


def peaking(place: str) -> str:
    """Where the form of a maximum holds."""
    return f"while activations peak in {place or 'the model itself'}"


def _maps(
    architecture: Architecture,
    config: Mapping[str, Any],
    batch: int,
    sizes: tuple[int, ...],
    item: int,
    valid: str,
) -> Form:
    """Bytes of the attention maps."""
    *sides, images = _traced(architecture, sizes, batch)
    cost = architecture.cost(tuple(sides), config, images)
    form = form_of(cost.total(Quantity.ATTENTION)) * item
    return Form(form if valid == HERE else tidied(form), valid)
