"""Interpolations of layers and architectures against their reference modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from ...algebra import Polynomial
from ...algebra.polynomial import as_polynomial
from ...architectures import ARCHITECTURES
from ...cost import Quantity
from ...errors import InputError, first_line
from ...symbolic import SYMBOL_OF, lattice, layer_on_symbols, model_on_symbols
from ..proof import PRODUCTS, Domain, Interpolation, Sizes, counted
from .executed import OnEverySize


def of_layer(
    id: str,
    domain: Domain,
    printed: str = "",
    *,
    rename: Mapping[str, str] | None = None,
    corrected: str = "",
    quantity: Quantity = Quantity.MACS,
    operators: Sequence[str] = PRODUCTS,
    executed: bool = True,
) -> Interpolation | OnEverySize:
    """A layer in its dimensions; ``operators`` picks those that the claim is about.

    Its multiply-accumulates are read off a run on symbols too, unless it is not to be ``executed``: where a loop
    takes a size as a number, there are more than five sizes, or windows that shrink leave it incomplete.
    """
    counts = Interpolation(
        partial(_layer_form, id, quantity, tuple(operators)),
        partial(_layer_count, id, quantity, tuple(operators)),
        domain,
        printed,
        rename or {},
        corrected,
    )
    whole = quantity is Quantity.MACS and operators is PRODUCTS
    return OnEverySize(id, counts) if whole and executed else counts


def of_model(id: str) -> OnEverySize:
    """An architecture at its own settings, in the sizes of its input: in each of the derived form's degree."""
    architecture = ARCHITECTURES[id]
    steps = lattice(model_on_symbols(architecture, architecture.config))
    form = _model_form(id)
    domain = Domain({axis: form.degree(axis) for axis in architecture.family.axes}, steps, held_out=3)
    return OnEverySize(id, Interpolation(partial(_model_form, id), partial(_model_count, id), domain))


def _layer_form(id: str, quantity: Quantity, operators: tuple[str, ...]) -> Polynomial:
    cost = layer_on_symbols(id)
    if quantity is Quantity.PARAMS:
        return as_polynomial(cost.total(quantity))
    prices = cost.by_operator(quantity)
    return as_polynomial(sum(prices.get(operator, 0) for operator in operators))


def _layer_count(id: str, quantity: Quantity, operators: tuple[str, ...], sizes: Sizes) -> int:
    from ...reference import LAYER_WITNESSES

    named = {symbol: name for name, symbol in SYMBOL_OF.items()}
    dims = {named.get(symbol, symbol): size for symbol, size in sizes.items()}
    make = LAYER_WITNESSES[id]  # imported here, where tensors are real yet
    try:
        return counted(lambda: make(**dims), quantity, operators)
    except RuntimeError as error:  # a size that its description takes and it does not
        at = ", ".join(f"{name} = {size}" for name, size in dims.items())
        raise InputError(f"claim {id!r}: its module does not run at {at}: {first_line(error)}") from error


def _model_form(id: str) -> Polynomial:
    architecture = ARCHITECTURES[id]
    return as_polynomial(model_on_symbols(architecture, architecture.config).total(Quantity.MACS))


def _model_count(id: str, sizes: Sizes) -> int:
    from ...reference import MODEL_WITNESSES

    architecture = ARCHITECTURES[id]
    at = tuple(sizes[axis] for axis in architecture.family.axes)
    make = MODEL_WITNESSES[architecture.family.name]
    return counted(lambda: make(at, dict(architecture.config)))
