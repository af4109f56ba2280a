"""One claim for each layer of which no source prints the count: its closed form in its dimensions."""

from __future__ import annotations

from functools import partial

from ...algebra.polynomial import Polynomial, as_polynomial, symbol
from ...cost import Cost, Quantity
from ...errors import InputError
from ...everywhere import form_at, layer_run
from ...layers import LAYERS, Layer
from ...plugins import is_ours
from ...reference import LAYER_WITNESSES
from ...storage.forms import layer_forms
from ...symbolic import layer_on_symbols, symbols_of
from ..proof import Domain, Interpolation
from . import complexity  # noqa: F401  (what sources print comes first)
from .executed import OnEverySize
from .registry import CLAIMS, claim
from .witnessed import of_layer


def _settle(id: str, cost: Cost) -> Interpolation | OnEverySize:
    """Counted where everything divides, in each dimension to the degree of the derived form."""
    names = [str(own) for own in symbols_of(id).values()]
    multiple: dict[str, str | int] = dict(_divided(id))
    for tiling in (tiling for node in cost.nodes() for tiling in node.tilings):
        if str(tiling.size) in names:
            multiple[str(tiling.size)] = tiling.tile if isinstance(tiling.tile, int) else str(tiling.tile)

    def size(name: str) -> Polynomial:
        unit = multiple.get(name, 1)
        return symbol(name) * (unit if isinstance(unit, int) else size(unit))

    form = as_polynomial(cost.total(Quantity.MACS)).subs({name: size(name) for name in multiple})
    degrees = {name: form.degree(name) for name in names}
    domain = Domain(
        {name: degree for name, degree in degrees.items() if degree > 0},
        multiple,
        free={name: (1, 2, 3) for name, degree in degrees.items() if degree <= 0},
        most={"T": 48, "k": 12},  # steps, and neighbours, are as many calls
    )
    return of_layer(id, domain, executed=not _loops(id))


def _divided(id: str) -> dict[str, str]:
    """Dimensions that are multiples of others, as its description asks: seen where all have one size."""
    run, letters = layer_run(id)
    try:
        (part,) = form_at(run, dict.fromkeys(letters, 12), Quantity.MACS).when.where.parts
    except (InputError, AssertionError):
        return {}
    return {
        str(guard.form): str(guard.divisor)
        for guard in part.guards
        if guard.divisor is not None and not guard.negated and {str(guard.form), str(guard.divisor)} <= {*letters}
    }


def _loops(id: str) -> bool:
    """Whether its module goes through a size one by one, so that a run on symbols would take it as a number."""
    try:
        layer_forms(id)
    except InputError:
        return True
    return False


def _register(layer: Layer) -> None:
    cost = layer_on_symbols(layer.id)
    if not cost.total(Quantity.MACS):
        return  # without a product
    statement = f"{layer.name} costs at any {', '.join(layer.dims)} what is derived from its operators"
    claim(layer.id, statement, layer.source, "layer")(partial(_settle, layer.id, cost))


def complete() -> None:
    """A claim for each layer that has none yet: for all of ours, and for a user's that have a module to count."""
    for layer in LAYERS.values():
        if layer.id not in CLAIMS and (is_ours(layer.run) or layer.id in LAYER_WITNESSES):
            _register(layer)


complete()
