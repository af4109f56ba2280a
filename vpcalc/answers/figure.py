"""``vpcalc figure``: one number, alone, ready to stand in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..architectures import ARCHITECTURES
from ..cost import Quantity
from ..errors import ALL, InputError, is_code, unknown
from ..inputs import whole
from ..layers import LAYERS
from ..placing import in_brackets
from ..report import Column, Kind, Table, numbers
from ..storage.quantities import MemoryQuantity
from .formula import MEMORY, QUANTITIES
from .model import Model, sized
from .priced import unpriced_notes
from .result import Result

WRITINGS = ("text", "latex", "siunitx")


@dataclass(frozen=True, slots=True)
class Figure(Result):
    """An exact number with where it comes from. ``digits`` is how many are shown; None shows them all."""

    name: str
    quantity: Quantity | MemoryQuantity
    at: Mapping[str, Any]
    value: int
    digits: int | None
    source: str
    assumptions: tuple[str, ...] = ()

    def write(self, writing: str = "text") -> str:
        """The number as text, latex or siunitx."""
        if writing not in WRITINGS:
            raise unknown("--format", writing, WRITINGS)
        if self.digits is None:
            if writing == "siunitx":
                return rf"\num{{{self.value}}}"
            text = numbers.exact(self.value)
            return text.replace(",", "{,}") if writing == "latex" else text
        mantissa, _, prefix = numbers.short(self.value, self.digits).partition(" ")
        if writing == "text":
            return f"{mantissa} {prefix}".rstrip()
        number = rf"\num{{{mantissa}}}" if writing == "siunitx" else mantissa
        return rf"{number}\,{prefix}" if prefix else number

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "figure",
            "name": self.name,
            "quantity": self.quantity.value,
            "at": dict(self.at),
            "value": self.value,
            **{writing: self.write(writing) for writing in WRITINGS},
            "source": self.source,
            "assumptions": list(self.assumptions),
        }

    def tables(self) -> tuple[Table, ...]:
        """The figure and what it counts."""
        columns = (Column("name", "Name"), Column("at", "At"), Column("value", self.quantity.value, Kind.NUMBER))
        at = ", ".join(f"{name} = {value}" for name, value in self.at.items())
        notes = (self.quantity.meaning, f"source: {self.source}", *self.assumptions)
        return (Table(f"{self.name}: {self.quantity.value}", columns, ((self.name, at, self.value),), notes),)

    def _repr_latex_(self) -> str:
        return f"${self.write('latex')}$"

    def __str__(self) -> str:
        return self.write()

    def __repr__(self) -> str:
        return self.write()


@in_brackets("name")
def figure(
    name: str,
    *,
    quantity: str = "macs",
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    set: Mapping[str, object] | None = None,
    args: Mapping[str, object] | None = None,
    batch: object = 1,
    digits: object = 4,
    exact: bool = False,
) -> Figure:
    """One figure of a model at an input size, or of a layer at its dimensions.

    Args:
        name: a model (``swin_t`` …), a layer (``msa`` …), or a module of your own, as :func:`vpcalc.model` has it.
        quantity: ``macs``, ``flops``, ``fvcore``, ``params``, ``activations`` or ``attention_elements``; of a
            model also bytes as :func:`vpcalc.memory` has them in float32: ``saved_bytes``, ``training_bytes`` …
        input, tokens, src, tgt: a model's input size, as :func:`vpcalc.model` takes it.
        set: changes to a model's settings; for a layer all its dimensions.
        args: arguments of the factory of a module of your own.
        batch: images or sequences.
        digits: significant digits that are shown.
        exact: show all digits instead.

    Raises:
        InputError: an unknown name, quantity or setting, or a value that is not usable.
    """
    if quantity not in QUANTITIES + MEMORY:
        raise unknown("--quantity", quantity, QUANTITIES + MEMORY)
    counted = Quantity(quantity) if quantity in QUANTITIES else MemoryQuantity(quantity)
    shown = None if exact else whole("--digits", digits, high=12)
    sizes: dict[str, Any] = {"input": input, "tokens": tokens, "src": src, "tgt": tgt}
    if isinstance(name, str) and name in LAYERS:
        for option, value in sizes.items():
            if value is not None:
                raise InputError(
                    f"--{option} {value}: {name} is a layer; its dimensions are given by --set h=56 …"
                )
        if isinstance(counted, MemoryQuantity):
            raise InputError(
                f"--quantity {quantity}: {name} is a layer; vpcalc formula {name} has it in its dimensions"
            )
        return _of_layer(name, counted, set or {}, shown)
    if not is_code(name) and name not in ARCHITECTURES:
        raise unknown("figure", name, [*LAYERS, *ARCHITECTURES], ALL)
    found = sized(name, **sizes, set=set, args=args, batch=batch)
    if isinstance(counted, MemoryQuantity):
        value = _in_bytes(name, counted, set=set, args=args, batch=batch, **sizes)
        rests = tuple(each.text for each in found.assumptions)  # each changes what there are weights for
    else:
        value = found.figure(counted)
        rests = tuple(each.text for each in found.assumptions if each.figure(counted) != value)
    if not isinstance(found, Model) and counted in (Quantity.MACS, Quantity.FLOPS):
        rests += tuple(unpriced_notes(found.unknown))
    return Figure(found.id, counted, {**found.at, **(set or {})}, value, shown, found.source, rests)


_OF_TRAINING = frozenset(MemoryQuantity) - {MemoryQuantity.PEAK, MemoryQuantity.INFERENCE, MemoryQuantity.CACHE}


def _in_bytes(name: str, counted: MemoryQuantity, **asked: Any) -> int:
    """What memory says of it, in float32 and, where it is of training, with AdamW."""
    from .memory import memory

    found = memory(name, train=counted in _OF_TRAINING, check=False, **asked).to_dict()[counted.value]
    if found is None:
        raise InputError(f"--quantity {counted.value}: {name} has no such figure")
    return int(found)


def _of_layer(name: str, counted: Quantity, given: Mapping[str, object], shown: int | None) -> Figure:
    layer = LAYERS[name]
    for dim in given:
        if dim not in layer.dims:
            raise unknown(f"dimension of {name}", dim, layer.dims)
    missing = [dim for dim in layer.dims if dim not in given]
    if missing:
        raise InputError(f"--set: {name} needs {', '.join(missing)}; give each, such as --set {missing[0]}=8")
    dims = {dim: whole(f"--set {dim}", given[dim]) for dim in layer.dims}
    return Figure(name, counted, dims, int(layer.build(**dims).total(counted)), shown, layer.source)
