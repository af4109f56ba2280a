"""SymPy, torch and NumPy, each imported when something of it is first used: a list of statements needs none."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any


class Later:
    """A library in the place of which this stands until then."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


if TYPE_CHECKING:
    import numpy as numpy
    import sympy as sympy
    import torch as torch
    import torch.nn.functional as F
else:
    numpy, sympy, torch, F = map(Later, ("numpy", "sympy", "torch", "torch.nn.functional"))

__all__ = ["F", "numpy", "sympy", "torch"]
