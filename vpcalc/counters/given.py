"""What a forward pass is given: tensors that are described by their shapes, or objects as they are.

A description makes a tensor where it is needed, on the meta device or with values. An object keeps its values
wherever it is looked at with values, and on the meta device its tensors have their shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from ..inputs import DTYPES, LITERALS, NUMBER

TYPES = {name: getattr(torch, name) for name in DTYPES}
"""Element types of an input by the names that a specification may use."""

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""What a forward pass is called with, by position and by name."""


@dataclass(frozen=True, slots=True)
class TensorShape:
    """An input: its shape, the name of its element type, and its keyword where it has one."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    keyword: str = ""

    def made(self, device: str, values: bool) -> Any:
        """The input itself; with values, a float goes from -1 to 1 and a whole number is 0."""
        if self.dtype in LITERALS:
            return LITERALS[self.dtype]
        if self.dtype == NUMBER:
            return self.shape[0]
        dtype = TYPES[self.dtype]
        if values and (dtype.is_floating_point or dtype.is_complex):
            size = math.prod(self.shape)
            return torch.linspace(-1, 1, max(size, 1))[:size].reshape(self.shape).to(dtype)
        return torch.zeros(self.shape, dtype=dtype, device=device)


class Given(Protocol):
    """Whatever a forward pass is called with."""

    def on(self, device: str, values: bool) -> Arguments:
        """The arguments on a device, with or without values."""


class HasKeyword(Protocol):
    """A description of an input; the keyword is empty where it is passed by position."""

    @property
    def keyword(self) -> str:
        """Its name among the arguments."""


Pack = Callable[[Sequence[Any]], Arguments]
"""Puts inputs into the lists and mappings that a forward pass takes."""


@dataclass(frozen=True)
class Described:
    """Inputs by their shapes; ``pack`` says how they are passed, by position and keyword unless it is there."""

    specs: Sequence[TensorShape]
    pack: Pack | None = None

    def on(self, device: str, values: bool) -> Arguments:
        """See :class:`Given`."""
        return passed(self.specs, [spec.made(device, values) for spec in self.specs], self.pack)


@dataclass(frozen=True)
class Objects:
    """Arguments as they are, from a function that makes them anew."""

    make: Callable[[], Arguments]

    def on(self, device: str, values: bool) -> Arguments:
        """See :class:`Given`. On the meta device only shapes are left of tensors."""
        if device != "meta":
            return self.make()
        try:
            with torch.device("meta"):
                args, kwargs = self.make()
        except (RuntimeError, NotImplementedError):  # a value is looked at while they are made
            args, kwargs = self.make()
        return moved(args), moved(kwargs)


def passed(specs: Sequence[HasKeyword], made: Sequence[Any], pack: Pack | None) -> Arguments:
    """Inputs as they are passed: by position and keyword, or as ``pack`` says."""
    if pack is not None:
        return pack(made)
    named = [(spec.keyword, value) for spec, value in zip(specs, made, strict=True)]
    return tuple(value for name, value in named if not name), {name: value for name, value in named if name}


def given(inputs: Given | Sequence[TensorShape]) -> Given:
    """A list of shapes as what a forward is given."""
    return Described(inputs) if isinstance(inputs, Sequence) else inputs


def moved(value: Any) -> Any:
    """The same value with its tensors on the meta device, within lists, tuples, mappings and dataclasses."""
    if isinstance(value, Tensor):
        return value.to("meta")
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(moved, value))
    if type(value) in (list, tuple):
        return type(value)(map(moved, value))
    if type(value) is dict:
        return {name: moved(part) for name, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        parts = {part.name: moved(getattr(value, part.name)) for part in fields(value) if part.init}
        return replace(value, **parts)
    if hasattr(value, "to") and callable(value.to):
        return value.to("meta")  # packed sequences, batches of tokenizers
    return value
